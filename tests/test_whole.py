"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.whole import whole


def test_the_target_is_the_old_one_until_the_block_ends_and_nothing_is_left_beside(tmp_path: Path) -> None:
    target = tmp_path / "song.wav"
    target.write_text("old")
    with whole(target) as part:
        part.write_text("half")
        assert target.read_text() == "old" and part.parent == tmp_path
        part.write_text("new")
    assert target.read_text() == "new" and os.listdir(tmp_path) == ["song.wav"]


def test_what_raises_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "song.wav"
    target.write_text("old")

    def broken() -> None:
        with whole(target) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["song.wav"]


def test_a_folder_that_is_not_there_is_the_file_systems_to_refuse(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole(tmp_path / "gone" / "x") as part:
        part.write_text("x")
