"""Parcels: what is cut into pieces comes back bit for bit, and nothing damaged comes back at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from engine import bundle
from engine.errors import BadBundle
from engine.training import finished, parcel
from tests.tiny_bundle import make_bundle


def written(folder: Path, sizes: list[int]) -> dict[str, Path]:
    rng = np.random.default_rng(sum(sizes))
    files = {}
    for index, size in enumerate(sizes):
        path = folder / f"source-{index}"
        path.write_bytes(rng.bytes(size))
        files[f"some/folder/{index}"] = path
    return files


@given(st.lists(st.integers(0, 300), min_size=1, max_size=5), st.integers(1, 200))
def test_any_files_come_back_from_pieces_of_any_size(tmp_path_factory, sizes, piece_bytes):
    folder = tmp_path_factory.mktemp("parcel")
    files = written(folder, sizes)
    index = parcel.pack(files, folder / "out", piece_bytes)
    lengths = [(folder / "out" / piece["name"]).stat().st_size for piece in index["pieces"]]
    assert sum(lengths) == sum(sizes) and len(lengths) == -(-sum(sizes) // piece_bytes)
    assert all(length == piece_bytes for length in lengths[:-1])
    made = parcel.join(folder / "out", folder / "back")
    assert [path.read_bytes() for path in made] == [path.read_bytes() for path in files.values()]


def test_damaged_missing_and_wandering_parcels_are_refused(tmp_path):
    files = written(tmp_path, [100, 100])
    parcel.pack(files, tmp_path / "out", 64)
    piece = tmp_path / "out" / "piece-01.bin"
    data = bytearray(piece.read_bytes())
    data[5] ^= 1
    piece.write_bytes(bytes(data))
    with pytest.raises(BadBundle, match=r"piece-01\.bin is missing or damaged"):
        parcel.join(tmp_path / "out", tmp_path / "back")
    piece.unlink()
    with pytest.raises(BadBundle, match=r"piece-01\.bin is missing"):
        parcel.join(tmp_path / "out", tmp_path / "back")
    with pytest.raises(BadBundle, match=r"no parcel\.json"):
        parcel.join(tmp_path, tmp_path / "back")
    parcel.pack(files, tmp_path / "out", 64)
    index = json.loads((tmp_path / "out" / parcel.INDEX).read_text())
    index["files"][1]["name"] = "../elsewhere"
    (tmp_path / "out" / parcel.INDEX).write_text(json.dumps(index))
    with pytest.raises(BadBundle, match="outside"):
        parcel.join(tmp_path / "out", tmp_path / "back")
    assert not (tmp_path / "elsewhere").exists()


def run_of(folder: Path, with_bundle: bool) -> Path:
    run = folder / "run"
    for name in ("codec", "teacher"):
        finished.keep(run / "stages", name, torch.nn.Linear(300, 200), loss=0.5)
    (run / "losses.png").write_bytes(b"png")
    (run / "stages" / "ledger.json").write_text("{}")
    if with_bundle:
        make_bundle(run / "tiny")
    return run


def test_a_run_is_packed_and_joined_into_a_bundle_that_checks_itself(tmp_path):
    run = run_of(tmp_path, True)
    runner = CliRunner()
    packed = runner.invoke(parcel.main, ["pack", str(run), str(tmp_path / "to")])
    assert packed.exit_code == 0, packed.output
    sizes = [path.stat().st_size for path in (tmp_path / "to").iterdir()]
    assert len(sizes) <= parcel.MOST_FILES and max(sizes) <= 16 * 2**20 and sum(sizes) <= 64 * 2**20
    joined = runner.invoke(parcel.main, ["join", str(tmp_path / "to"), str(tmp_path / "back")])
    assert joined.exit_code == 0, joined.output
    assert bundle.load(tmp_path / "back" / "tiny").manifest == bundle.load(run / "tiny").manifest
    module = torch.nn.Linear(300, 200)
    finished.fill(tmp_path / "back" / "stages", "teacher", module)
    kept = torch.nn.Linear(300, 200)
    finished.fill(run / "stages", "teacher", kept)
    torch.testing.assert_close(module.weight, kept.weight.half().float())
    assert finished.facts(tmp_path / "back" / "stages", "teacher") == {"loss": 0.5}
    assert not (tmp_path / "back" / "stages" / "codec.done").exists()


def test_without_a_bundle_finished_stages_travel_and_what_does_not_fit_is_left(tmp_path):
    run = run_of(tmp_path, False)
    spare = tmp_path / "spare"
    spare.mkdir()
    assert list(parcel.worth(run, spare)) == ["losses.png", "stages/ledger.json", "stages/codec.done",
                                              "stages/teacher.done"]  # fmt: skip
    few = parcel.worth(run, spare, 200_000)
    assert list(few) == ["losses.png", "stages/ledger.json", "stages/codec.done"]
