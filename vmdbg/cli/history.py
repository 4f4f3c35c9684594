"""Timelines and recordings on the command line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from vmdbg.errors import NotKeptError, UserError
from vmdbg.host.nets import give_net_folders
from vmdbg.host.shares import give_folders
from vmdbg.host.start import Started
from vmdbg.host.terminal import message
from vmdbg.host.values import number
from vmdbg.machine.snapshot import Position
from vmdbg.recording.reader import Recording, open_recording
from vmdbg.recording.replay import replay
from vmdbg.recording.writer import start_recording
from vmdbg.session.registry import Effect
from vmdbg.session.symbol_file import SymbolFile
from vmdbg.timeline.marks import parse_mark, seek_mark
from vmdbg.timeline.origin import Origin, StateOrigin
from vmdbg.timeline.outcomes import Progress
from vmdbg.timeline.timeline import Timeline

Say = Callable[[str], None]
PROGRESS_SECONDS = 0.5
_GUEST_FILES = ("file", "kernel", "initrd", "module", "bios", "nvram")
_GUEST_OPTIONS = (*_GUEST_FILES, "command_line", "protocol", "load_address", "mode")


def start_from(options: argparse.Namespace) -> Started:
    """The machine of a snapshot, or of a recording at its end, ready to go on. Raises UserError, RecordingError."""
    named = [name for name in _GUEST_OPTIONS if getattr(options, name) is not None]
    if named:
        option = "the guest's file" if named[0] == "file" else "--" + named[0].replace("_", "-")
        raise UserError(f"--from goes on with the guest of the snapshot: leave out {option}")
    recording = open_recording(options.snapshot, options.left_out)
    warn_of_damage(recording, message)
    timeline = replay(recording, budget=options.checkpoint_memory, closed=False)
    with progress_shown("replaying to the end") as progress:
        timeline.seek(timeline.end, progress)
    media = timeline.machine.media
    config = timeline.machine.config
    give_folders(options.share, config.shares, media.folders)
    give_net_folders(options.net, config.nets, media.folders)
    return Started(timeline.machine, recording.origin(), timeline=timeline)


@contextmanager
def open_timeline(
    started: Started, options: argparse.Namespace, on_failure: Callable[[NotKeptError], None]
) -> Iterator[Timeline]:
    """The machine's timeline, recorded if that is asked for. Raises UserError, NotKeptError.

    `on_failure` is told when the recording cannot be written any more.
    """
    timeline = started.timeline
    if timeline is None:
        timeline = Timeline(started.machine, origin=started.origin, budget=options.checkpoint_memory)
    if options.record is None:
        yield timeline
        return
    if timeline.position != timeline.start:
        timeline = _afresh(timeline)
    writer = start_recording(options.record, timeline, embed=not options.no_embed, on_failure=on_failure)
    try:
        yield timeline
    finally:
        writer.close("ended")


def timeline_here(started: Started) -> Timeline:
    """A history that begins with the present of a machine that has run without one."""
    machine = started.machine
    typed = []
    while (data := machine.inputs.take(machine.clock)) is not None:
        typed.append(data)
    timeline = Timeline(machine, origin=_state_origin(started.origin))
    for data in typed:
        timeline.push(data)
    return timeline


def _state_origin(origin: Origin) -> StateOrigin:
    return StateOrigin(origin.config, origin.roms, origin.description, origin.command_line, origin.elf, origin.media)


def _afresh(timeline: Timeline) -> Timeline:
    """A timeline that begins where this one stands."""
    origin = timeline.origin
    assert origin is not None
    ram = timeline.checkpoint_here().ram
    budget = timeline.checkpoints.budget
    fresh = Timeline(timeline.machine, origin=_state_origin(origin), budget=budget, store=timeline.store, ram=ram)
    for console in timeline.machine.consoles:
        console.listeners.remove(timeline.console.hear)
    return fresh


def go_to_mark(timeline: Timeline, text: str, symbols: Sequence[SymbolFile], on_progress: Progress) -> Position:
    """To the instant that the user names. `symbols` are for names that the guest does not tell. UserError."""

    def address_of(expression: str) -> int:
        try:
            return number(expression)
        except UserError:
            return _symbol(timeline, expression, symbols, on_progress)

    return seek_mark(timeline, parse_mark(text, address_of), on_progress)


def _symbol(timeline: Timeline, expression: str, files: Sequence[SymbolFile], on_progress: Progress) -> int:
    """A name's address as the end of the history has it: a kernel tells its symbols only once it has come up."""
    from vmdbg.commands import catalog
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.expressions.place import Aim
    from vmdbg.session.session import Session

    timeline.seek(timeline.end, on_progress)
    session = Session(Debugger(timeline), catalog.commands(), allowed=Effect.NONE)
    try:
        for file in files:
            session.sources.use(file)
        return session.linear(expression, aim=Aim.CODE)
    finally:
        session.close()


def warn_of_damage(recording: Recording, say: Say) -> None:
    """Name what is damaged, what can still be replayed, and by whom."""
    if recording.other_build:
        checked = "every digest that is passed is compared"
        say(f"warning: {recording.path} was made by {recording.other_build}: what it replays may differ; {checked}")
    for item in recording.damage:
        say(f"warning: {recording.path}: {item}")
    if not recording.complete:
        say(f"{recording.path} was not ended properly: its history is known up to tick {recording.end}")


@contextmanager
def progress_shown(what: str) -> Iterator[Progress]:
    """A line on a terminal that says how far some long work is."""
    shown, next_time = False, time.monotonic() + PROGRESS_SECONDS

    def progress(done: float) -> None:
        nonlocal shown, next_time
        if sys.stderr.isatty() and time.monotonic() >= next_time:
            shown, next_time = True, time.monotonic() + PROGRESS_SECONDS / 5
            sys.stderr.write(f"\r{what}: {done:4.0%}")
            sys.stderr.flush()

    try:
        yield progress
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
