"""What `vmdbg lab` does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping

from vmdbg.api.lab import STEP, Lab
from vmdbg.api.lab_file import duration
from vmdbg.api.lab_recording import LabRecording
from vmdbg.cli.gdb_options import gdb_folder
from vmdbg.cli.history import progress_shown
from vmdbg.cli.lab_gdb import gdb_address, serve_gdb
from vmdbg.cli.lab_prompt import LabPrompt
from vmdbg.errors import UserError
from vmdbg.host.exit_code import ExitCode
from vmdbg.host.terminal import message
from vmdbg.lab.plan import NEVER, Instant
from vmdbg.machine.digest import Digest


class Lines:
    """What machines write, a whole line at a time, with the machine's name before it."""

    def __init__(self) -> None:
        self._begun: dict[str, bytearray] = {}
        self.make_room: Callable[[], None] = lambda: None
        """Called before a line is written."""

    def __call__(self, machine: str, data: bytes, _at: Instant) -> None:
        begun = self._begun.setdefault(machine, bytearray())
        begun += data
        while (end := begun.find(b"\n")) >= 0:
            self._show(machine, bytes(begun[:end]))
            del begun[: end + 1]

    def _show(self, machine: str, line: bytes) -> None:
        words = line.decode("utf-8", "backslashreplace").strip("\r")
        shown = "".join(letter if letter.isprintable() or letter == "\t" else "." for letter in words)
        self.make_room()
        sys.stdout.write(f"{machine}| {shown}\n")

    def flush(self) -> None:
        """What has no end yet, too."""
        for machine, begun in self._begun.items():
            if begun:
                self._show(machine, bytes(begun))
                begun.clear()
        sys.stdout.flush()


def run_lab(options: argparse.Namespace) -> int:
    """Raises UserError, EngineError."""
    until = _time(options.until, "--until") if options.until is not None else NEVER
    prompted = bool(options.repl or options.execute)
    lines = Lines()
    together = options.one_process or prompted or options.gdb is not None
    with Lab(options.plan, record=options.record, processes=not together, on_output=lines, say=message) as lab:
        if options.gdb is not None:
            code = _under_gdb(lab, options.gdb, until, lines)
        elif prompted:
            prompt = LabPrompt(lab, lines, lines.flush)
            lines.make_room = prompt.make_room
            code = prompt.talk(options.execute, stay=options.repl)
        else:
            code = _to_the_end(lab, until, lines)
        if options.digest:
            _show_digests(lab.digests())
    return ExitCode.ENGINE if lab.not_kept else code  # it may be noticed at the very end


def _to_the_end(lab: Lab, until: Instant, lines: Lines) -> int:
    try:
        while lab.now < until and not lab.over:
            lab.run_until(min(until, lab.now + STEP))
            sys.stdout.flush()
    finally:
        lines.flush()
    message(f"the lab stands at {lab.now / 1e9:.6f} s" + (": all machines have ended" if lab.over else ""))
    return ExitCode.DONE


def _under_gdb(lab: Lab, where: str, until: Instant, lines: Lines) -> int:
    from vmdbg.api.lab_gdb import LabGdb
    from vmdbg.session.new_files import Outbox

    address = gdb_address(where)

    def files() -> Outbox | None:
        folder = gdb_folder(None, address)
        return Outbox(folder) if folder is not None else None

    served = LabGdb(lab, address, message, files)
    try:
        served.serve(until)
    finally:
        served.close()
        lines.flush()
    message(f"the lab stands at {lab.now / 1e9:.6f} s")
    return ExitCode.DONE


def replay_lab(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    with LabRecording(options.plan) as recording:
        if recording.index.damaged:
            message(f"warning: {recording.index.damaged} lines of the lab's index cannot be read")
        if options.verify:
            with progress_shown("replaying") as progress:
                for file, (agreed, known) in recording.verify(progress).items():
                    message(f"{file}: {agreed} of {known} digests agree")
        with progress_shown("replaying") as progress:
            where = _time(options.to, "--to") if options.to is not None else Instant(0)
            recording.seek(
                where if options.to is not None or options.repl or options.execute or options.gdb else recording.end,
                progress,
            )
        if options.gdb is not None:
            return serve_gdb(recording, options.gdb)
        if options.repl or options.execute:
            return _asked(recording, options)
        message(f"all machines stand at {recording.now / 1e9:.6f} s of {recording.end / 1e9:.6f} s")
        if options.digest:
            _show_digests(recording.digests())
    return ExitCode.DONE


def _asked(recording: LabRecording, options: argparse.Namespace) -> int:
    """By lines, or at the prompt; which may make a live lab of it."""
    lines = Lines()
    prompt = LabPrompt(recording, lines, lines.flush)
    lines.make_room = prompt.make_room
    try:
        code = prompt.talk(options.execute, stay=options.repl)
        if options.digest:
            _show_digests(prompt.lab.digests())
    finally:
        prompt.lab.close()
    return code


def _show_digests(digests: Mapping[str, Digest]) -> None:
    found = {
        name: {"ticks": one.ticks, "rip": one.rip, "cpu": one.cpu, "ram": one.ram, "devices": one.devices}
        for name, one in digests.items()
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _time(text: str, option: str) -> Instant:
    try:
        return Instant(duration(text))
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
