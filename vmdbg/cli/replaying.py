"""What `vmdbg replay` does."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator

from vmdbg.cli.digest_file import write_digest
from vmdbg.cli.gdb_options import client_view
from vmdbg.cli.history import Say, progress_shown, warn_of_damage
from vmdbg.cli.poller import Poller
from vmdbg.cli.run_loop import RunLoop
from vmdbg.cli.seat import gdb_seat
from vmdbg.cli.serial_backends import NoSerial
from vmdbg.cli.serial_clients import make_backend
from vmdbg.cli.terminal import message
from vmdbg.recording.reader import Recording, open_recording
from vmdbg.recording.replay import replay
from vmdbg.timeline.marks import parse_mark, seek_mark
from vmdbg.timeline.outcome import EndOfHistory
from vmdbg.timeline.timeline import Timeline

SLICE = 50_000_000
"""Ticks between two looks at signals and progress."""


def replay_recording(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    mark = parse_mark(options.to) if options.to is not None else None
    with open_recording(options.recording) as recording:
        warn_of_damage(recording, message)
        timeline = replay(recording, budget=options.checkpoint_memory)
        try:
            if mark is not None:
                with progress_shown("replaying") as progress:
                    seek_mark(timeline, mark, progress)
            if options.gdb is not None:
                return _under_gdb(timeline, options, message)
            return _alone(timeline, recording, options, stop=mark is not None)
        finally:
            timeline.machine.close()


def _alone(timeline: Timeline, recording: Recording, options: argparse.Namespace, *, stop: bool) -> int:
    """From the start, or wherever --to led, and say what came of it."""
    timeline.verify = options.verify
    goal = timeline.end
    if stop:
        goal = timeline.position
        if options.verify or not options.quiet:
            timeline.checkpoints.clear()
            timeline.seek(timeline.start)
    if not options.quiet:
        timeline.machine.serial[0].listeners.append(_print)
    with progress_shown("replaying") if options.quiet else contextlib.nullcontext() as progress:
        while timeline.position < goal:
            outcome = timeline.advance(goal)
            if progress is not None:
                progress(timeline.position.tick / max(goal.tick, 1))
            if isinstance(outcome, EndOfHistory):
                break
    sys.stdout.flush()
    if options.verify:
        digests = [*timeline.digests.values(), *([timeline.final] if timeline.final is not None else [])]
        known = sum(1 for digest in digests if digest.position <= goal)
        message(f"{timeline.verified} of {known} digests agree")
    message(f"{'stopped' if stop else 'the recording ends'} at tick {timeline.position} ({recording.why or 'cut off'})")
    if options.digest is not None:
        write_digest(timeline.machine, options.digest)
    return 0


def _print(_port: int, data: bytes, _tick: int) -> None:
    sys.stdout.buffer.write(data)


def _under_gdb(timeline: Timeline, options: argparse.Namespace, say: Say) -> int:
    timeline.verify = options.verify
    with contextlib.ExitStack() as stack:
        poller = Poller()
        stack.callback(poller.close)
        seat = gdb_seat(timeline, options.gdb, client_view(options), wait=True, poller=poller, say=say)
        stack.callback(seat.runner.close)
        loop = RunLoop(timeline.machine, seat, make_backend(NoSerial(), readable=False), poller, say)
        if not options.quiet:
            seat.hear(_print)
        stack.enter_context(_signals(loop))
        loop.run()
        sys.stdout.flush()
    if options.digest is not None:
        write_digest(timeline.machine, options.digest)
    return 0


@contextlib.contextmanager
def _signals(loop: RunLoop) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda got, _frame: loop.signal(got)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
