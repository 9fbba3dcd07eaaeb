"""The page's address beside the caches: this user's alone, the newest engine's, gone with it."""

from __future__ import annotations

from pathlib import Path

from bridge.web.announce import announce, page_file, withdraw


def test_the_address_is_one_line_that_only_its_user_reads(tmp_path: Path) -> None:
    path = announce("http://127.0.0.1:7777/?token=abc", tmp_path)
    assert path == page_file(tmp_path)
    assert path is not None and path.read_text() == "http://127.0.0.1:7777/?token=abc\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_engine_that_stops_takes_only_its_own_address_away(tmp_path: Path) -> None:
    announce("http://127.0.0.1:1/", tmp_path)
    announce("http://127.0.0.1:2/", tmp_path)
    withdraw("http://127.0.0.1:1/", tmp_path)
    assert page_file(tmp_path).read_text() == "http://127.0.0.1:2/\n"
    withdraw("http://127.0.0.1:2/", tmp_path)
    assert not page_file(tmp_path).exists()
    withdraw("http://127.0.0.1:2/", tmp_path)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    assert announce("http://127.0.0.1:1/", tmp_path / "missing") is None
