"""`vmdbg run`: boot a guest."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from devices.board.acpi_pm import PowerButton
from vmdbg.cli.gdb_options import gdb_service
from vmdbg.cli.run_options import EXAMPLES, add_run_options, guest_files, machine_config, scripted_lines
from vmdbg.cli.seat import PromptOptions, gdb_seat, prompt_seat, timeline_seat
from vmdbg.cli.symbol_files import symbol_files
from vmdbg.errors import NotKeptError
from vmdbg.host.digest_file import check_digest_path, write_digest
from vmdbg.host.endings import SIGNAL_BASE, Ending, ExitCode
from vmdbg.host.escape_key import ESCAPE_NAME, EscapeKey, KeyCommand
from vmdbg.host.io_trace import IoLog, unclaimed_accesses
from vmdbg.host.last_words import LastWords
from vmdbg.host.pacing import Pacer
from vmdbg.host.poller import Poller
from vmdbg.host.realtime import Realtime
from vmdbg.host.run_loop import COM1, RunLoop
from vmdbg.host.seat import Seat, plain_seat
from vmdbg.host.serial_clients import make_backend
from vmdbg.host.serial_lines import Receive, Stdio, StdioBackend
from vmdbg.host.serial_watch import PanicWatch, UntilText
from vmdbg.host.start import Started, start
from vmdbg.host.terminal import RawTerminal, both_ends_are_terminals, is_terminal, message
from vmdbg.host.typist import Typist
from vmdbg.machine.inputs import NmiButton
from vmdbg.machine.machine import DEBUG_CONSOLE

if TYPE_CHECKING:
    from vmdbg.repl.runner import Interject
    from vmdbg.timeline.timeline import Timeline


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run",
        help="boot a guest",
        description="Boot a guest: a Linux kernel, an ELF kernel, a boot sector, firmware, or the sample.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_run_options(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Boot and run until the end. Raises UserError, GuestError, EngineError."""
    if options.digest is not None:
        check_digest_path(options.digest)
    started = _start(options)
    try:
        with contextlib.ExitStack() as stack:
            made = Run(options, started, stack)
            code = made.finish()
        return ExitCode.ENGINE if made.not_kept and code < SIGNAL_BASE else code  # it may be noticed at the very end
    finally:
        started.machine.close()


def _start(options: argparse.Namespace) -> Started:
    if options.snapshot is None:
        return start(guest_files(options), machine_config(options))
    from vmdbg.cli.history import start_from

    return start_from(options)


class Run:
    """One `vmdbg run`, put together from its options."""

    def __init__(self, options: argparse.Namespace, started: Started, stack: contextlib.ExitStack) -> None:
        self._options = options
        self._stack = stack
        self._started = started
        self._machine = started.machine
        self._symbols = symbol_files(options.symbols)
        self._keyboard = isinstance(options.serial, Stdio) and both_ends_are_terminals()
        self._raw = False
        self.not_kept = False
        """Whether the recording that was asked for lacks something."""
        self._in_vain = False
        self._quit: Callable[[], None] = lambda: None
        self._interject: Interject | None = None
        self._panic = PanicWatch()
        self._io_log = self._open_io_log()
        self._poller = Poller()
        stack.callback(self._poller.close)
        self._prompted = options.repl or bool(options.execute or options.command_file)
        readable = self._keyboard or not (self._prompted or is_terminal(0))
        self._serial = make_backend(options.serial, readable=readable, raw=self._keyboard)
        stack.callback(self._serial.close)
        self._debug_console = make_backend(options.debug_console, readable=False, raw=self._keyboard)
        stack.callback(self._debug_console.close)
        self._realtime = self._keep_time()
        self._seat = self._take_seat()
        stack.callback(self._seat.runner.close)
        self._loop = self._make_loop()
        self._quit = self._loop.quit
        if self._in_vain:
            self._quit()

    def _open_io_log(self) -> IoLog | None:
        if self._options.trace_io_log is None:
            return None
        log = IoLog(self._options.trace_io_log)
        log.attach(self._machine)
        return log

    def _keep_time(self) -> Realtime:
        """With host time where somebody sits at the guest's serial port, or at the prompt."""
        wanted = not self._options.no_realtime
        socket = self._serial.live and not isinstance(self._serial, StdioBackend)
        return Realtime(
            Pacer(self._machine),
            console=wanted and (self._keyboard or socket),
            prompt=wanted,
            scripts=wanted and socket,
        )

    def _take_seat(self) -> Seat:
        options = self._options
        kept = options.record is not None or self._started.timeline is not None
        if options.gdb is None and not self._prompted and not kept:
            return plain_seat(self._machine)
        from vmdbg.cli.history import open_timeline  # what a run that keeps nothing need not wait for

        timeline = self._stack.enter_context(open_timeline(self._started, options, self._recording_failed))
        if self._io_log is not None:
            timeline.fork_listeners.append(self._io_log.forked)
        if self._prompted or (self._keyboard and options.gdb is not None):
            stands = self._prompted or options.wait
            return self._prompt_seat(timeline, stands=stands, lines=scripted_lines(options))
        service = gdb_service(options)
        if service is None:
            return timeline_seat(timeline)
        return gdb_seat(timeline, service, self._symbols, wait=options.wait, poller=self._poller, say=self.say)

    def _recording_failed(self, error: NotKeptError) -> None:
        """The guest goes on if anything was recorded: the user may want what it does all the same."""
        self.say(f"error: {error}")
        self.not_kept, self._in_vain = True, error.useless
        if self._in_vain:
            self._quit()

    def _prompt_seat(self, timeline: Timeline, *, stands: bool, lines: tuple[str, ...] = ()) -> Seat:
        options = self._options
        if options.stop_at is not None:
            self._machine.stop_by(options.stop_at)
        prompt = PromptOptions(
            options.repl,
            stands,
            lines,
            options.json,
            gdb_service(options),
            self._symbols,
            self._realtime,
            console=self._keyboard or not both_ends_are_terminals(),
        )
        return prompt_seat(
            timeline,
            prompt,
            at_prompt=self._at_prompt,
            at_console=self._at_console,
            flush=self._flush,
            over=lambda: self._loop.over(),
            poller=self._poller,
            say=self.say,
        )

    def _at_console(self) -> None:
        if self._keyboard:
            self.say(f"the guest's console; {ESCAPE_NAME} d for the prompt")

    @contextlib.contextmanager
    def _at_prompt(self, interject: Interject) -> Iterator[bool]:
        """The prompt has the terminal, on a line of its own. Whether the guest's console is there too."""
        stdio = self._serial if isinstance(self._serial, StdioBackend) else None
        if stdio is not None:
            if is_terminal(1):
                stdio.end_line()
            stdio.flush()
            stdio.pause()
        self._flush()
        raw, self._raw = self._raw, False
        self._interject = interject
        try:
            yield stdio is not None and is_terminal(1)
        finally:
            self._raw, self._interject = raw, None
            if stdio is not None:
                stdio.resume()

    def _flush(self) -> None:
        self._serial.flush()
        self._debug_console.flush()

    def _make_loop(self) -> RunLoop:
        machine, options = self._machine, self._options
        until = UntilText(options.until, machine.stop_by) if options.until is not None else None
        typist = Typist(options.input)
        listeners = [typist.on_output, self._panic.on_output] + ([until.on_output] if until is not None else [])

        def hear(port: int, data: bytes, now: int) -> None:
            if port == COM1:
                self._serial.write(data)
                for listener in listeners:
                    listener(port, data, now)
            elif port == DEBUG_CONSOLE:
                self._debug_console.write(data)

        self._hear = hear
        self._seat.hear(hear)
        loop = RunLoop(machine, self._seat, self._serial, self._poller, self.say)
        if not (self._keyboard or self._prompted or options.gdb is not None):
            loop.panic = self._panic
        loop.outlets = (self._serial, self._debug_console)
        loop.typist, loop.until, loop.stop_at, loop.realtime = typist, until, options.stop_at, self._realtime
        return loop

    def say(self, text: str) -> None:
        """A message of ours, never in the middle of a line of the guest's or the user's."""
        self._serial.flush()
        if self._interject is not None:
            self._interject(lambda: message(text))
            return
        if isinstance(self._serial, StdioBackend) and is_terminal(1):
            self._serial.end_line()
            self._serial.flush()
        message(text, raw=self._raw)

    def finish(self) -> int:
        """Run to the end and say how it ended; the exit code."""
        ending = self._run()
        if self._io_log is not None:
            self._io_log.close()
        started, runner = self._started, self._seat.runner
        words = LastWords(
            started.machine, started.origin, self._panic.panic, self._symbols, runner.failed, runner.ended, self.say
        )
        code = words.speak(ending)
        if self._options.trace_io:
            for line in unclaimed_accesses(self._machine):
                self.say(line)
        if self._options.digest is not None:
            write_digest(self._machine, self._options.digest)
        return code

    def _run(self) -> Ending:
        with contextlib.ExitStack() as stack:
            self._debug_console.open(self._poller, lambda _data: None)
            where = self._serial.open(self._poller, self._receiver())
            if where is not None:
                self.say(where)
            if self._keyboard:
                self.say(f"{self._started.origin.description}; {ESCAPE_NAME} h for help, {ESCAPE_NAME} q to quit")
                stack.enter_context(RawTerminal(0))
                self._raw = True
                stack.callback(self._cooked)
            return self._loop.run()

    def _cooked(self) -> None:
        self._raw = False

    def _receiver(self) -> Receive:
        """What to do with what comes from outside: keys, prepared text, or a client's bytes."""
        if self._keyboard:
            escape_key = EscapeKey(self._key_commands(), self.say)
            return lambda data: self._typed(escape_key.filter(data))
        return self._loop.typist.add if isinstance(self._serial, StdioBackend) else self._loop.type

    def _typed(self, data: bytes) -> None:
        if data:
            self._loop.type(data)

    def _key_commands(self) -> dict[str, KeyCommand]:
        push = self._loop.push
        return {
            "q": KeyCommand("quit", self._loop.quit),
            "d": KeyCommand("break into the debugger", self._break_in),
            "p": KeyCommand("press the power button", lambda: push(PowerButton())),
            "n": KeyCommand("press the NMI button", lambda: push(NmiButton())),
        }

    def _break_in(self) -> None:
        """To the prompt. A run that kept no history begins one."""
        if self._seat.runner.interrupt():
            return
        from vmdbg.cli.history import timeline_here

        for console in (*self._machine.serial, self._machine.debug_console):
            console.listeners.remove(self._hear)
        self._seat = self._prompt_seat(timeline_here(self._started), stands=True)
        self._stack.callback(self._seat.runner.close)
        self._seat.hear(self._hear)
        self._loop.seat = self._seat
        self.say("history begins here; with --repl it begins with the boot")
