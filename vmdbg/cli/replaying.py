"""What `vmdbg replay` does."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence

from vmdbg.cli.dap_options import dap_services
from vmdbg.cli.front_ends import FrontEnds, PromptOptions, seat
from vmdbg.cli.gdb_options import gdb_services
from vmdbg.cli.history import go_to_mark, progress_shown, warn_of_damage
from vmdbg.cli.run_options import scripted_lines
from vmdbg.cli.symbol_files import symbol_files
from vmdbg.cli.web_options import web_service
from vmdbg.host.digest_file import check_digest_path, write_digest
from vmdbg.host.endings import Signalled
from vmdbg.host.exit_code import SIGNAL_BASE, ExitCode
from vmdbg.host.pacing import Pacer
from vmdbg.host.poller import Poller
from vmdbg.host.realtime import Realtime
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.runner import KeptRunner
from vmdbg.host.serial_backends import make_backend
from vmdbg.host.serial_lines import NoSerial
from vmdbg.host.terminal import both_ends_are_terminals, is_terminal, message
from vmdbg.recording.reader import Recording, open_recording
from vmdbg.recording.replay import replay
from vmdbg.repl.front_end import Interject
from vmdbg.session.symbol_file import SymbolFile
from vmdbg.timeline.outcomes import EndOfHistory
from vmdbg.timeline.timeline import Timeline


class Output:
    """The guest's words on stdout, and ours on lines of their own. `echo`: the prompt shows the guest's by itself."""

    def __init__(self) -> None:
        self.echo = False
        self._inside = False
        self._interject: Interject | None = None

    def write(self, _port: int, data: bytes, _tick: int) -> None:
        sys.stdout.buffer.write(data)
        self._inside = not data.endswith(b"\n")

    def flush(self) -> None:
        sys.stdout.flush()

    def say(self, text: str) -> None:
        if self._interject is not None:
            self._interject(lambda: message(text))
            return
        if self._inside:
            sys.stdout.buffer.write(b"\n")
            self._inside = False
        sys.stdout.flush()
        message(text)

    @contextlib.contextmanager
    def at_prompt(self, interject: Interject) -> Iterator[bool]:
        """The prompt has the terminal: what is said goes where it leaves room."""
        self._interject = interject
        try:
            yield self.echo
        finally:
            self._interject = None


def replay_recording(options: argparse.Namespace) -> int:
    """Raises UserError, RecordingError, EngineError."""
    if options.digest is not None:
        check_digest_path(options.digest)
    output = Output()
    symbols = symbol_files(options.symbols)
    with open_recording(options.recording, options.left_out) as recording:
        warn_of_damage(recording, output.say)
        timeline = replay(recording, budget=options.checkpoint_memory)
        try:
            if options.to is not None:
                with progress_shown("replaying") as progress:
                    go_to_mark(timeline, options.to, symbols, progress)
            if options.gdb or dap_services(options) or options.web or _has_prompt(options):
                return _debugged(timeline, options, symbols, output)
            return _alone(timeline, recording, options, output)
        finally:
            timeline.machine.close()


def _alone(timeline: Timeline, recording: Recording, options: argparse.Namespace, output: Output) -> int:
    """From the start, or wherever --to led, and say what came of it."""
    goal = timeline.end
    if options.to is not None:
        goal = timeline.position
        if options.verify or not options.quiet:
            timeline.checkpoints.clear()
            timeline.seek(timeline.start)
    if not options.quiet:
        talking = timeline.console.talking
        next(one for one in timeline.machine.consoles if one.port == talking).listeners.append(output.write)
    with progress_shown("replaying") if options.quiet else contextlib.nullcontext() as progress:
        while timeline.position < goal:
            outcome = timeline.advance(goal)
            if progress is not None:
                progress(timeline.position.tick / max(goal.tick, 1))
            if isinstance(outcome, EndOfHistory):
                break
    if options.verify:
        known = sum(1 for digest in timeline.verification.all() if digest.position <= goal)
        output.say(f"{timeline.verification.agreed} of {known} digests agree")
    if options.to is not None:
        output.say(f"stopped at tick {timeline.position}")
    else:
        output.say(f"the recording ends at tick {timeline.position} ({recording.why or 'cut off'})")
    if options.digest is not None:
        write_digest(timeline.machine, options.digest)
    return ExitCode.DONE


def _debugged(timeline: Timeline, options: argparse.Namespace, symbols: Sequence[SymbolFile], output: Output) -> int:
    with contextlib.ExitStack() as stack:
        poller = Poller()
        stack.callback(poller.close)
        shared = _has_prompt(options) and is_terminal(1)
        output.echo = shared and not options.quiet
        loop = RunLoop(
            timeline.machine,
            KeptRunner(timeline),
            make_backend(NoSerial(), readable=False),
            poller,
            output.say,
            realtime=Realtime(Pacer(timeline.machine), console=options.web is not None, prompt=True),
            outlets=(output,),
        )
        stack.callback(lambda: loop.runner.close())
        front_ends = _seated(timeline, loop, options, symbols, output)
        if not options.quiet and not shared:

            def hear(port: int, data: bytes, tick: int) -> None:
                if port == timeline.console.talking:
                    output.write(port, data, tick)

            loop.runner.hear(hear)
        ending = loop.run()
        sys.stdout.flush()
    if isinstance(ending, Signalled):
        output.say(f"stopped at tick {timeline.position} by {signal.Signals(ending.number).name}")
        return SIGNAL_BASE + ending.number
    if options.digest is not None:
        write_digest(timeline.machine, options.digest)
    return ExitCode.USAGE if front_ends.failed else ExitCode.DONE


def _has_prompt(options: argparse.Namespace) -> bool:
    return bool(options.repl or scripted_lines(options))


def _seated(
    timeline: Timeline, loop: RunLoop, options: argparse.Namespace, symbols: Sequence[SymbolFile], output: Output
) -> FrontEnds:
    prompt = PromptOptions(
        output.at_prompt,
        stay=options.repl,
        lines=scripted_lines(options),
        as_json=options.json,
        console=not both_ends_are_terminals(),
    )
    services, editors = gdb_services(options), dap_services(options)
    wanted = prompt if _has_prompt(options) else None
    return seat(
        timeline,
        loop,
        services,
        wanted,
        symbols,
        stands=True,
        editors=editors,
        page=web_service(options, options.recording),
    )
