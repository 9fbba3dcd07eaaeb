"""What a live session says of itself, and how it obeys a command.

*Threading*: on the live thread.
"""

from __future__ import annotations

from bridge.live.map import ProjectMap, announced
from bridge.live.melody import Played
from bridge.live.messages import LiveCommand, LiveNote, LiveSessionStatus, LiveTake
from bridge.live.session import LiveSession
from engine.errors import BadRequest

MAX_LOOK_AHEAD = 8
MAX_LINES = 32


def status_of(session: LiveSession, traces: int = 0, notes: int = 0) -> LiveSessionStatus:
    """The session now, with its newest `traces` and played `notes`."""
    horizon, song, head = session.horizon, session.song, session.head
    bars_ready, until = (0.0, head.frame) if horizon is None else horizon.ready()
    piece = None if song is None else song.piece_at(head.frame)
    counters = session.side.counters()
    return LiveSessionStatus(
        instance=session.side.instance,
        title=session.side.words().title,
        state=session.state,
        rate=session.side.rate,
        generation=session.side.generation,
        frame=head.frame,
        rolling=head.rolling,
        bar=None if song is None else song.bar_at(head.frame),
        tempo=None if piece is None else float(piece.tempo),
        meter=None if piece is None else str(piece.meter),
        committed_frame=head.frame if horizon is None else horizon.commit().frame,
        ready_until_frame=until,
        bars_ready=bars_ready,
        look_ahead_bars=0 if horizon is None else horizon.look_ahead_bars,
        latency_s=session.jobs.latency_s,
        renders=session.jobs.renders,
        cancels=session.jobs.cancels,
        failures=session.jobs.failures,
        late_frames=0 if session.writer is None else session.writer.late_frames,
        policy=session.melody.policy,
        quantise=session.quantise or "bar",
        takes=tuple(LiveTake(bar=take.bar, take=take.number) for take in session.takes.all()),
        traces=tuple(trace.told for trace in list(session.asks.traces)[len(session.asks.traces) - traces :]),
        error=session.follower.error or session.jobs.error,
        quarter=None if song is None else float(song.quarter_at(head.frame)),
        missed_frames=counters.missed_frames,
        misses=counters.misses,
        first_piece_s=session.jobs.first_piece_s,
        steered=session.controls.steered(),
        notes=() if song is None else notes_of(session.melody.newest(notes), song),
        bar_lines=() if song is None else lines_around(song, head.frame, until),
    )


def lines_around(song: ProjectMap, head: int, until: int) -> tuple[int, ...]:
    """Project frames of the bar lines from two bars before the head's to one past `until`."""
    first, last = song.bar_at(head) - 2, song.bar_at(max(head, until)) + 2
    return tuple(song.frame(bar) for bar in range(first, min(last, first + MAX_LINES) + 1))


def notes_of(played: list[Played], song: ProjectMap) -> tuple[LiveNote, ...]:
    """Played notes as they are told, at their places of the present map."""
    return tuple(
        LiveNote(
            serial=note.serial,
            arrived_ns=note.arrived_ns,
            frame=song.frame(note.bar, note.quarter),
            bar=note.bar,
            quarter=float(note.quarter),
            pitch=note.pitch,
            velocity=note.velocity,
            length=None if note.length is None else float(note.length),
            answer_bar=note.echo_bar,
        )
        for note in played
    )


def check_command(command: LiveCommand) -> None:
    """Raises BadRequest where an action lacks what it needs."""
    needs = {
        "hold": "bars", "recall": "bar", "policy": "policy", "quantise": "quantise", "tempo-map": "tempo",
        "look-ahead": "bars",
    }  # fmt: skip
    name = needs.get(command.action)
    if name is not None and getattr(command, name) is None:
        raise BadRequest(f"live {command.action} needs {name}")
    if command.action == "look-ahead" and command.bars is not None and command.bars > MAX_LOOK_AHEAD:
        raise BadRequest(f"live look-ahead: bars is 1 to {MAX_LOOK_AHEAD}; got {command.bars}")


def obey(session: LiveSession, command: LiveCommand, arrived_ns: int) -> None:
    """Do what a checked command asks. Raises BadRequest and Refused."""
    match command:
        case LiveCommand(action="hold", bars=int(bars)):
            session.hold(bars, arrived_ns)
        case LiveCommand(action="release"):
            session.release(arrived_ns)
        case LiveCommand(action="recall", bar=int(bar)):
            session.recall(bar, command.take, arrived_ns)
        case LiveCommand(action="policy", policy=str(policy)):
            session.melody.policy = policy
        case LiveCommand(action="quantise", quantise=str(quantise)):
            session.quantise = quantise
        case LiveCommand(action="tempo-map", tempo=str(tempo)):
            session.regrid(announced(session.side.rate, tempo, command.meter))
        case LiveCommand(action="continue"):
            session.continue_(arrived_ns)
        case LiveCommand(action="panic"):
            session.panic(arrived_ns)
        case LiveCommand(action="look-ahead", bars=int(bars)):
            session.controls.set_look_ahead(bars)
        case _:
            raise AssertionError(f"an action without an answer: {command}")
