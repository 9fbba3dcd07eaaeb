"""The block host and what reads its log, held against audio written by hand and sums done on paper."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import jump, kill_judge, listening, stage
from benchmarks.stage import JUMPED, OFF_GRID, ROLLING, ROW, BlockHost, Played, Score
from bridge.timeline.cache import EngineSide, Segment
from engine.errors import Unavailable

RATE = 48_000
BLOCK = 128
rng = np.random.default_rng(5)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    if shutil.which("g++") is None:
        pytest.skip("the block host needs: apt-get install g++")
    stage.build_host()


@pytest.fixture
def folder() -> Iterator[Path]:
    with stage.cache_dir() as path:
        yield path


@pytest.fixture
def attached() -> Iterator[list[EngineSide]]:
    sides: list[EngineSide] = []
    yield sides
    for side in sides:
        side.close()


def engine_for(host: BlockHost, attached: list[EngineSide]) -> EngineSide:
    """120 quarters a minute in 4/4 from frame 0 on."""
    side = EngineSide.attach(Path(host.start["path"]))
    attached.append(side)
    side.publish_map([Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)])
    return side


def noise(frames: int) -> np.ndarray:
    return rng.uniform(-0.5, 0.5, (frames, 2)).astype(np.float32)


def log(rows: list[tuple[int, int, int, int, int]], block: int = BLOCK) -> Played:
    """A log of (frame, miss_frame, played, missed, flags)."""
    table = np.zeros(len(rows), ROW)
    for name, values in zip(("frame", "miss_frame", "played", "missed", "flags"), zip(*rows, strict=True), strict=True):
        table[name] = values
    return Played(Score(1.0, block=block), {"start_ns": 10**9}, {}, table, np.zeros(len(rows), np.int32), None)


# ---- the block host ----


def test_what_is_in_the_cache_is_what_the_block_host_plays(folder: Path, attached: list[EngineSide]) -> None:
    """Oracle: 1.5 s of noise, written beforehand; after it, one gap from its last frame on."""
    sound = noise(72_000)
    with BlockHost(Score(2.5, keep_audio=True, fallback="silence"), folder) as host:
        engine_for(host, attached).write(0, sound)
        host.say(f"@{host.next_block()} play")
        played = host.finish(wait=True)
    heard = listening.heard_at(played, 0, 72_000 - 240)
    assert heard is not None and np.array_equal(heard, sound[:-240])
    assert [(gap.first, gap.end) for gap in listening.gaps(played)] == [(72_000, None)]
    after = listening.heard_at(played, 72_000, 9_600)
    assert after is not None and not after.any()
    found = listening.summary(played)
    assert found["played_frames"] == 72_000
    assert found["missed_frames"] == found["blocks"] * BLOCK - 72_000 == played.end["missed_frames"]
    assert found["off_grid_blocks"] == 0


def test_a_gap_ends_on_a_beat_and_its_length_is_counted(folder: Path, attached: list[EngineSide]) -> None:
    """Oracle: beats every 24 000 frames; what lies before the beat at 48 000 is there, so the fade in ends there."""
    with BlockHost(Score(3.0, keep_audio=True), folder) as host:
        side = engine_for(host, attached)
        side.write(0, noise(20_000))
        later = noise(60_000)
        side.write(30_000, later)
        host.say(f"@{host.next_block()} play")
        played = host.finish(wait=True)
    gap = listening.gaps(played)[0]
    assert (gap.first, gap.end) == (20_000, 48_000 - 960)
    assert listening.off_beat(played.score, gap.end) == 0
    heard = listening.heard_at(played, 48_000, 10_000)
    assert heard is not None and np.array_equal(heard, later[18_000:28_000])


def test_a_script_is_obeyed_at_its_blocks(folder: Path, attached: list[EngineSide]) -> None:
    with BlockHost(Score(2.0), folder) as host:
        side = engine_for(host, attached)
        first = host.next_block(1.0)  # a busy machine hears it late
        host.say(f"@{first} play", f"@{first + 10} locate 96000", f"@{first + 12} note 90 3c 64")
        host.say(f"@{first + 14} set intensity -12", f"@{first + 16} stop", "words slow pads")
        played = host.finish(wait=True)
        notes = side.notes()
    rows, end = played.rows, played.events("note")[0]
    assert rows["frame"][first : first + 10].tolist() == list(range(0, 1280, BLOCK))
    assert rows["frame"][first + 10] == 96_000
    assert [k for k, flags in enumerate(rows["flags"]) if flags & JUMPED] == [first + 10]
    assert int(((rows["flags"] & ROLLING) > 0).sum()) == 16
    assert not (rows["flags"] & OFF_GRID).any()
    assert [(note.frame, note.data[:3]) for note in notes] == [(96_000 + 2 * BLOCK, b"\x90\x3c\x64")]
    assert (end["block"], end["monotonic_ns"]) == (first + 12, notes[0].monotonic_ns)
    assert side.knobs().intensity_db == -12
    assert side.words().prompt_a == "slow pads"


def test_blocks_are_due_at_exact_times_and_beside_them_a_thread_does_nothing(folder: Path) -> None:
    """Oracle: 0.8 s of 128 frames are 300 blocks; block k is due k / 375 s after the start."""
    with BlockHost(Score(0.8, ordinary=True), folder) as host:
        played = host.finish(wait=True)
    assert len(played.rows) == 301 == len(played.control_ns)
    assert not played.start["fifo"]
    assert played.due_ns(375) == played.start["start_ns"] + 10**9
    assert played.block_at(played.start["start_ns"] + 10**9) == 375
    assert played.rows["late_ns"].min() >= 0
    assert played.rows["late_ns"].max() < 10**9
    assert (played.rows["work_ns"] > 0).all()


def test_a_wrong_option_is_one_sentence(folder: Path) -> None:
    with pytest.raises(Unavailable, match="0 to 7200 seconds"):
        BlockHost(Score(1.0, block=8), folder)
    with BlockHost(Score(5.0), folder) as host:
        host.say("set loudness 3")
        with pytest.raises(Unavailable, match="no parameter 'loudness': intensity"):
            host.finish(wait=True)


def test_a_render_that_is_cut_off_over_older_bars_is_found_and_heard(folder: Path, attached: list[EngineSide]) -> None:
    """Oracle: one sine laid over another from 60 000 to 72 100 without a fade, and once with one of 20 ms."""
    old, new = (0.4 * np.sin(2 * np.pi * hz * np.arange(120_000) / RATE + 1) for hz in (330, 350))
    stereo = [np.repeat(wave[:, None], 2, axis=1).astype(np.float32) for wave in (old, new)]
    fade = np.linspace(0, 1, 960, dtype=np.float32)[:, None]
    clicks = []
    for smooth in (False, True):
        with BlockHost(Score(2.8, f"border-{smooth}", keep_audio=True), folder) as host:
            side = engine_for(host, attached)
            side.write(0, stereo[0])
            laid = stereo[1][60_000:72_100].copy()
            if smooth:
                laid[-960:] = laid[-960:] * (1 - fade) + stereo[0][72_100 - 960 : 72_100] * fade
            since_ns = time.monotonic_ns()
            side.write(60_000, laid)
            border = kill_judge.border_of(host.watcher, 0, 120_000, since_ns)
            host.say(f"@{host.next_block()} play")
            played = host.finish(wait=True)
        assert border == 72_100 // 256 * 256
        clicks.append(kill_judge.border_click(played, border))
    assert clicks[0] > 12 > clicks[1]


# ---- what is read from a log ----


def test_lateness_is_counted_in_halves_of_a_block() -> None:
    """Oracle: 0, 1, .. 100 times a twentieth of a block of 2 ms: 90 are over a half, 80 over a whole one."""
    late = np.arange(101, dtype=np.int32) * 100_000
    found = listening.lateness(late, 0.002)
    assert found == {
        "n": 101, "p50_ms": 5.0, "p95_ms": 9.5, "p99_ms": 9.9, "max_ms": 10.0, "over_half_a_block": 90,
        "over_a_block": 80,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "control", "expected"), [(0, 0, True), (9, 0, True), (10, 0, False), (30, 10, False)]
)
def test_chance_is_three_deviations(count: int, control: int, expected: int) -> None:
    assert listening.within_chance(count, control) is bool(expected)


def test_gaps_begin_and_end_inside_blocks() -> None:
    rolling = ROLLING
    rows = [
        (0, -1, 128, 0, rolling),
        (128, 200, 72, 56, rolling),  # begins at 200
        (256, -1, 0, 128, rolling),
        (384, -1, 100, 28, rolling),  # ends at 412
        (512, 530, 108, 20, rolling),  # 530..550
        (640, 640, 0, 128, rolling),  # one block
        (768, -1, 128, 0, rolling),
        (896, 1000, 104, 24, rolling),  # to the end
    ]
    found = [(gap.first, gap.end, gap.block, gap.end_block) for gap in listening.gaps(log(rows))]
    assert found == [(200, 412, 1, 3), (530, 550, 4, 4), (640, 768, 5, 6), (1000, None, 7, None)]


def test_a_cut_is_a_click_and_a_fade_is_none() -> None:
    """A sine that stops, and one that fades out in 5 ms, beside the sine itself."""
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4_800) / RATE)
    cut, faded = sine.copy(), sine.copy()
    cut[2_427:] = 0
    faded[2_400:2_640] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(240) / 240)
    faded[2_640:] = 0
    stereo = [np.repeat(wave[:, None], 2, axis=1).astype(np.float32) for wave in (sine, cut, faded)]
    assert listening.click_db(stereo[1], [stereo[0]], RATE) > 30
    assert listening.click_db(stereo[2], [stereo[0]], RATE) < 12


def test_a_fade_lies_on_a_beat_where_it_begins_or_ends_on_one() -> None:
    score = Score(1.0, tempo=100)  # a beat has 28 800 frames
    assert listening.off_beat(score, 28_800) == 0
    assert listening.off_beat(score, 57_600 - 960) == 0
    assert listening.off_beat(score, 28_810) == 10
    assert listening.off_beat(score, 28_790 - 960) == -10


def test_a_jump_is_covered_from_the_slot_on_that_was_written_in_time() -> None:
    """Slots of 256 frames (5.33 ms) due from 1 s on; the first three written too late, the fourth just in time."""
    played = log([(0, -1, 128, 0, ROLLING)])
    due = [10**9 + n * 256 * 10**9 // RATE for n in range(6)]
    slots = [(96_000 + 256 * n, at) for n, at in enumerate([due[0] + 9, due[1] + 9, due[2] + 9, due[3], due[4], 1])]
    assert jump.until_cached_s(played, 0, 96_000, slots) == pytest.approx(3 * 256 / RATE)
    assert jump.until_cached_s(played, 0, 96_000, [(frame, 1) for frame, _ in slots]) == 0.0
    assert jump.until_cached_s(played, 0, 96_000, [(frame, 0) for frame, _ in slots]) is None


def test_a_jump_is_heard_when_frames_are_played_again() -> None:
    rows = [
        (0, -1, 128, 0, ROLLING),
        (9_600, 9_600, 0, 128, ROLLING | JUMPED),
        (9_728, -1, 28, 100, ROLLING),
        (9_856, -1, 128, 0, ROLLING),
        (0, -1, 128, 0, ROLLING | JUMPED),
    ]
    assert jump.until_heard_s(log(rows), 1) == pytest.approx((128 + 100) / RATE)
    assert jump.until_heard_s(log(rows[:2] + rows[4:]), 1) is None
    assert jump.until_heard_s(log(rows), 4) == 0.0
    assert jump.missed_after(log(rows), 1, 384) == 228
