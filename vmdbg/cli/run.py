"""`vmdbg run`: boot a guest."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from devices.board.acpi_pm import PowerButton
from vmdbg.cli.console import Console
from vmdbg.cli.dap_options import dap_services
from vmdbg.cli.gdb_options import gdb_services
from vmdbg.cli.run_options import EXAMPLES, add_run_options, drive_choices, guest_files, machine_config, scripted_lines
from vmdbg.cli.symbol_files import symbol_files
from vmdbg.cli.web_options import web_service
from vmdbg.errors import NotKeptError, UserError
from vmdbg.host.additions import open_added
from vmdbg.host.endings import Ending
from vmdbg.host.escape_key import ESCAPE_NAME, EscapeKey, KeyCommand
from vmdbg.host.exit_code import SIGNAL_BASE, ExitCode
from vmdbg.host.io_trace import IoLog, unclaimed_accesses
from vmdbg.host.last_words import LastWords
from vmdbg.host.output_file import NewFiles, check_path, write_text
from vmdbg.host.pacing import Pacer
from vmdbg.host.poller import Poller
from vmdbg.host.realtime import Realtime
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.runner import KeptRunner, PlainRunner
from vmdbg.host.schedule_files import SCHEDULE, note_turns, turns_text
from vmdbg.host.serial_lines import Receive, StdioBackend
from vmdbg.host.serial_watch import PanicWatch
from vmdbg.host.start import Started, start
from vmdbg.host.terminal import both_ends_are_terminals
from vmdbg.host.typist import Typist
from vmdbg.host.write_back import settle_images
from vmdbg.machine.console import DEBUG_CONSOLE, Listener, typed
from vmdbg.machine.inputs import NmiButton
from vmdbg.machine.media import Media
from vmdbg.machine.text_watch import TextWatch

if TYPE_CHECKING:
    from vmdbg.cli.front_ends import FrontEnds, PromptOptions
    from vmdbg.host.network import HostNetwork
    from vmdbg.recording.pcap import PcapFile
    from vmdbg.timeline.timeline import Timeline


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser(
        "run",
        help=line,
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
        from vmdbg.host.digest_file import check_digest_path

        check_digest_path(options.digest)
    if options.write_schedule is not None:
        check_path(options.write_schedule, SCHEDULE)
    started = _start(options)
    try:
        with contextlib.ExitStack() as stack:
            files = NewFiles(options.trace_io_log, options.pcap, options.record)
            with files.not_left():
                made = Run(options, started, stack, files)
            code = made.finish()
        return ExitCode.ENGINE if made.not_kept and code < SIGNAL_BASE else code  # it may be noticed at the very end
    finally:
        started.close()


def _start(options: argparse.Namespace) -> Started:
    if options.snapshot is None:
        files, media = guest_files(options), Media()
        try:
            added = open_added(drive_choices(options), options.share, options.net, media)
            return start(files, machine_config(options, added), media=media)
        except BaseException:
            media.close()
            raise
    from vmdbg.cli.history import start_from

    return start_from(options)


class Run:
    """One `vmdbg run`, put together from its options."""

    def __init__(
        self, options: argparse.Namespace, started: Started, stack: contextlib.ExitStack, files: NewFiles
    ) -> None:
        self._options = options
        self._files = files
        self._stack = stack
        self._started = started
        self._machine = started.machine
        if options.write_schedule is not None:
            note_turns(self._machine)
        self._symbols = symbol_files(options.symbols)
        self.not_kept = False
        """Whether the recording that was asked for lacks something."""
        self._panic = PanicWatch()
        self._io_log = self._open_io_log()
        self._poller = Poller()
        stack.callback(self._poller.close)
        self._prompted = options.repl or bool(options.execute or options.command_file)
        self._served = bool(options.gdb or dap_services(options) or options.web)
        """Whether debuggers are, from outside."""
        if options.virtio_console is not None and not self._machine.config.hvc:
            raise UserError("the guest that goes on has no virtio console: leave --virtio-console out")
        self._console = Console(options, stack, prompted=self._prompted)
        if options.screen:
            self._console.with_screen(self._machine)
        self._loop = self._make_loop()
        self._network = self._join_network()
        self._pcap = self._open_pcap()
        stack.callback(lambda: self._loop.runner.close())
        self._front_ends: FrontEnds | None = None
        self._timeline: Timeline | None = None
        self._drive()
        until = [self._loop.until.on_output] if self._loop.until is not None else []
        self._hear = self._console.listener(self._readers(), until)
        self._loop.runner.hear(self._hear)

    def _open_io_log(self) -> IoLog | None:
        if self._options.trace_io_log is None:
            return None
        log = IoLog(self._options.trace_io_log)
        log.attach(self._machine)
        return log

    def _make_loop(self) -> RunLoop:
        """With a runner that those whom the options ask for take the place of."""
        machine, options, console = self._machine, self._options, self._console
        loop = RunLoop(machine, PlainRunner(machine), console, self._poller, console.say, port=console.port)
        if not (console.keyboard or self._prompted or self._served):
            loop.panic = self._panic
        if options.until is not None:
            loop.until = TextWatch(machine, options.until, dict.fromkeys((*console.lines, DEBUG_CONSOLE), b""))
        loop.taken_over = self._host_failed
        loop.outlets = console.outlets
        if self._started.nvram is not None:
            self._started.nvram.on_failure = console.say
            loop.outlets += (self._started.nvram,)
        loop.typist, loop.stop_at, loop.realtime = Typist(options.input), options.stop_at, self._keep_time()
        return loop

    def _open_pcap(self) -> PcapFile | None:
        """Where packets are kept as they come. Raises UserError."""
        if self._options.pcap is None:
            return None
        from vmdbg.recording.pcap import PcapFile

        if not self._machine.config.nets:
            raise UserError("--pcap keeps packets, and this machine has no network device: give --net too")
        file = PcapFile(self._options.pcap, self._machine.config.start)
        self._machine.pc.device_events.packet_listeners.append(file.on_passage)
        self._loop.outlets += (file,)
        self._stack.callback(file.close)
        return file

    def _join_network(self) -> HostNetwork | None:
        """The host at the other end of the cables for which the options ask for it. Raises UserError."""
        if not self._options.net:
            return None
        from vmdbg.host.network import join_network

        network = join_network(self._machine, self._options.net, self._loop, self._poller, self._console.say)
        if network:
            self._stack.callback(network.close)
            self._loop.outlets += (network,)
            self._loop.frames_come = True
        return network

    def _readers(self) -> list[Listener]:
        """Who reads along on the guest's console alone."""
        return [self._loop.typist.on_output, self._panic.on_output]

    def _keep_time(self) -> Realtime:
        """With host time where somebody sits at the guest's serial port, a page, an editor, or the prompt."""
        wanted, socket = not self._options.no_realtime, self._console.is_socket or bool(self._machine.outsides)
        looks = self._options.web is not None or bool(dap_services(self._options))
        return Realtime(
            Pacer(self._machine),
            console=wanted and (self._console.keyboard or socket or looks),
            prompt=wanted,
            scripts=wanted and socket,
        )

    def _drive(self) -> None:
        """Who lets the guest run. Raises UserError, NotKeptError."""
        options = self._options
        kept = options.record is not None or self._started.timeline is not None
        if not self._served and not self._prompted and not kept:
            return
        from vmdbg.cli.history import open_timeline  # what a run that keeps nothing need not wait for

        timeline = self._stack.enter_context(open_timeline(self._started, options, self._recording_failed))
        self._keep(timeline)
        if self._io_log is not None:
            timeline.fork_listeners.append(self._io_log.forked)
        if not self._served and not self._prompted:
            self._loop.runner = KeptRunner(timeline)
            return
        stands = self._prompted or options.wait or options.dap_client is not None
        with_prompt = self._prompted or self._console.keyboard
        prompt = self._prompt(stands=stands, lines=scripted_lines(options)) if with_prompt else None
        self._sit_down(timeline, prompt, stands=stands)

    def _keep(self, timeline: Timeline) -> None:
        """There is a past from now on, which nothing of the host's follows."""
        self._timeline = timeline
        if self._network is not None:
            timeline.fork_listeners.append(self._network.forked)
        if self._pcap is not None:
            timeline.fork_listeners.append(self._pcap.forked)
        if self._started.nvram is not None:
            self._started.nvram.live = lambda: timeline.live

    def _sit_down(self, timeline: Timeline, prompt: PromptOptions | None, *, stands: bool) -> None:
        from vmdbg.cli.front_ends import seat

        if prompt is not None and self._options.stop_at is not None:
            self._machine.stop_by(self._options.stop_at)
        services, editors = gdb_services(self._options), dap_services(self._options)
        self._front_ends = seat(
            timeline,
            self._loop,
            services,
            prompt,
            self._symbols,
            stands=stands,
            editors=editors,
            page=web_service(self._options, self._options.record),
        )

    def _prompt(self, *, stands: bool, lines: tuple[str, ...] = ()) -> PromptOptions:
        from vmdbg.cli.front_ends import PromptOptions

        return PromptOptions(
            self._console.at_prompt,
            self._console.at_console,
            stay=self._options.repl,
            stands=stands,
            lines=lines,
            as_json=self._options.json,
            console=self._console.keyboard or not both_ends_are_terminals(),
        )

    def _recording_failed(self, error: NotKeptError) -> None:
        """The guest goes on if anything was recorded: the user may want what it does all the same."""
        self._console.say(f"error: {error}")
        self.not_kept = True
        if error.useless:
            self._loop.quit()

    def finish(self) -> int:
        """Run to the end and say how it ended; the exit code."""
        try:
            ending = self._run()
        finally:
            past = self._timeline is not None and self._timeline.position < self._timeline.end
            for line in settle_images(self._machine, past=past):
                self._console.say(line)
            if self._started.nvram is not None and (line := self._started.nvram.settle()):
                self._console.say(line)
        if self._io_log is not None:
            self._io_log.close()
        started, say = self._started, self._console.say
        failed = self._front_ends is not None and self._front_ends.failed
        ended = self._loop.runner.ended
        words = LastWords(started.machine, started.origin, self._panic.panic, self._symbols, failed, ended, say)
        code = words.speak(ending)
        if self._pcap is not None and self._pcap.failed:
            say(f"error: {self._pcap.failed}")
            self.not_kept = True
        if self._options.trace_io:
            for line in unclaimed_accesses(self._machine):
                say(line)
        if self._options.digest is not None:
            from vmdbg.host.digest_file import write_digest

            write_digest(self._machine, self._options.digest)
        if self._options.write_schedule is not None:
            write_text(turns_text(self._machine, self._timeline), self._options.write_schedule, SCHEDULE)
        return code

    def _run(self) -> Ending:
        def greeting() -> str:
            return f"{self._started.origin.description}; {ESCAPE_NAME} h for help, {ESCAPE_NAME} q to quit"

        receive = {port: self._receiver_at(port) for port in self._console.lines}
        with contextlib.ExitStack() as lines:
            with self._files.not_left():
                receive |= {self._console.port: self._receiver()}
                lines.enter_context(self._console.opened(self._poller, receive, greeting))
            return self._loop.run()

    def _receiver_at(self, port: int) -> Receive:
        """Of a line that is not the guest's console."""
        return lambda data: self._loop.push(typed(port, data))

    def _receiver(self) -> Receive:
        """What to do with what comes from outside: keys, prepared text, or a client's bytes."""
        if self._console.keyboard:
            escape_key = EscapeKey(self._key_commands(), self._console.say)
            return lambda data: self._typed(escape_key.filter(data))
        return self._loop.typist.add if isinstance(self._console.serial, StdioBackend) else self._loop.type

    def _typed(self, data: bytes) -> None:
        screen = self._console.screen
        if data and screen is not None and screen.shown:
            self._typed_at_screen(data)
        elif data:
            self._loop.type(data)

    def _typed_at_screen(self, data: bytes) -> None:
        from devices.keyboard.keys import strokes  # for who types there only
        from vmdbg.host.terminal_keys import keys_of

        chords, strange = keys_of(data)
        if chords:
            self._loop.push(strokes(chords))
        if strange:
            self._console.say(f"no key of a US keyboard types {strange[:20]!r}")

    def _key_commands(self) -> dict[str, KeyCommand]:
        push = self._loop.push
        screen = {"s": KeyCommand("change between the guest's screen and its console", self._change_view)}
        return {
            "q": KeyCommand("quit", self._loop.quit),
            "d": KeyCommand("break into the debugger", self._break_in),
            "p": KeyCommand("press the power button", lambda: push(PowerButton())),
            "n": KeyCommand("press the NMI button", lambda: push(NmiButton())),
            **(screen if self._console.screen is not None else {}),
        }

    def _change_view(self) -> None:
        screen = self._console.screen
        self._console.show_screen(shown=screen is not None and not screen.shown)

    def _break_in(self) -> None:
        """To the prompt. A run that kept no history begins one."""
        if self._loop.runner.break_in():
            return
        timeline = self._timeline if self._timeline is not None else self._begin_history()
        self._keep(timeline)
        self._sit_down(timeline, self._prompt(stands=True), stands=True)
        self._loop.runner.hear(self._hear)

    def _host_failed(self, reason: str) -> bool:
        """To the prompt, if somebody is here to mend it and go on."""
        if not self._console.keyboard:
            return False
        self._console.say(reason)
        self._break_in()
        return True

    def _begin_history(self) -> Timeline:
        from vmdbg.cli.history import timeline_here

        for console in self._machine.consoles:
            console.listeners.remove(self._hear)
        self._console.say("history begins here; with --repl it begins with the boot")
        return timeline_here(self._started)
