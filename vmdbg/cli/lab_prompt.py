"""The prompt of a lab: one machine is looked at, by all commands that one has; a few more are for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from vmdbg.api.guest import Guest
from vmdbg.api.lab import Lab
from vmdbg.api.lab_file import duration
from vmdbg.api.lab_recording import LabRecording
from vmdbg.debugger.describe import describe_ending
from vmdbg.debugger.stops import Ended
from vmdbg.document.document import Block, Document, Table, document, table
from vmdbg.document.plain import render_plain
from vmdbg.errors import UserError, VmdbgError
from vmdbg.host.control_c import control_c_ignored, control_c_interrupts
from vmdbg.host.endings import ExitCode
from vmdbg.host.signals import SIGNALS
from vmdbg.host.terminal import both_ends_are_terminals, message
from vmdbg.interruption import StoppedError
from vmdbg.lab.actions import FORMS
from vmdbg.lab.plan import NEVER

HELP = """machine NAME        look at that machine from now on
machines            all: where they are, and what they run
links               the links, and how much was put on each
packets [N] [NAME] [TCP|UDP|ICMP|ARP]
                    what was put on links last: where and when it was sent, and where and when it came
run TIME            let all go on for so long, as 250ms; of a recording, go on in it
goto TIME           of a recording: all machines to that instant
query WHAT...       asked of all machines, with a column that says of which
do ACTION           {actions}
help lab            this; `help` is the machine's
quit
Everything else is for the machine that is looked at; where it goes on, the others go along."""
SHOWN = 20


class LabPrompt:
    def __init__(self, lab: Lab | LabRecording, flush: Callable[[], None]) -> None:
        self._lab = lab
        self._flush = flush
        self._focus = next(iter(lab.machines))
        self._failed = False

    def talk(self, lines: Sequence[str], *, stay: bool) -> int:
        """Carry out lines, then those that a user types, if they are to. The exit code."""
        for line in lines:
            if not self._carry_out(line):
                return self._code
        if stay:
            self._converse()
        return self._code

    @property
    def _code(self) -> int:
        return ExitCode.USAGE if self._failed else ExitCode.DONE

    def _converse(self) -> None:
        """Ctrl-C ends what a line does, and not the process."""
        read = self._reader()
        with control_c_ignored():
            while True:
                try:
                    line = read()
                except EOFError:
                    return
                except KeyboardInterrupt:
                    continue
                with SIGNALS.at_work(), control_c_interrupts():
                    if not self._carry_out(line):
                        return

    def _reader(self) -> Callable[[], str]:
        if not both_ends_are_terminals():
            return input
        from prompt_toolkit import PromptSession

        session: PromptSession[str] = PromptSession()

        def read() -> str:
            with SIGNALS.lent():
                return session.prompt(f"{self._focus}> ")

        return read

    def _carry_out(self, line: str) -> bool:
        """Whether there is more to come."""
        word, _, rest = line.strip().partition(" ")
        if word in ("quit", "q", "exit"):
            return False
        try:
            answer = self._answer(word, rest.strip(), line)
            self._flush()
            sys.stdout.write(answer if answer.endswith("\n") or not answer else answer + "\n")
        except VmdbgError as error:
            self._failed = True
            message(f"error: {error}")
        except StoppedError:
            raise
        except KeyboardInterrupt:
            message("interrupted")
        sys.stdout.flush()
        return True

    def _answer(self, word: str, rest: str, line: str) -> str:
        lab = self._lab
        match word:
            case "":
                return ""
            case "machine":
                return self._look_at(rest)
            case "machines":
                return render_plain(document(self._machines()))
            case "links":
                return render_plain(document(self._links()))
            case "packets":
                return render_plain(document(self._packets(rest.split())))
            case "run":
                return self._run(rest)
            case "goto" if isinstance(lab, LabRecording):
                lab.seek(self._time(rest))
                return self._where()
            case "do" if isinstance(lab, Lab):
                lab.do(rest)
                return self._where()
            case "query":
                return render_plain(self._query(line))
            case "help" if rest == "lab":
                return HELP.format(actions="; ".join(FORMS.values()))
            case _:
                return self._of_machine(line)

    def _guest(self) -> Guest:
        found = self._lab.machines.get(self._focus)
        if found is None:
            raise UserError(f"{self._focus} is switched off: look at another, by `machine NAME`")
        return found

    def _of_machine(self, line: str) -> str:
        answer = render_plain(self._guest().session.run(line))
        lab = self._lab
        if isinstance(lab, Lab) and lab.stopped_elsewhere(self._focus):
            answer += f"{lab.stopped} has stopped, and the others with it: `machine {lab.stopped}`\n"
        return answer

    def _look_at(self, name: str) -> str:
        if name not in self._lab.machines:
            raise UserError(f"there is no machine {name!r} that is on; there are: {', '.join(self._lab.machines)}")
        self._focus = name
        return self._where()

    def _where(self) -> str:
        return f"{self._focus}, at {self._lab.now / 1e9:.9f} s of the lab's clock"

    def _time(self, text: str) -> int:
        if text == "end" and isinstance(self._lab, LabRecording):
            return self._lab.end
        try:
            return duration(text)
        except ValueError as error:
            raise UserError(str(error)) from None

    def _run(self, text: str) -> str:
        lab = self._lab
        if isinstance(lab, LabRecording):
            lab.seek(min(lab.end, lab.now + self._time(text)))
            return self._where()
        stopped = lab.run(self._time(text))
        if stopped:
            self._focus = stopped
            return f"{stopped} has stopped, at {lab.now / 1e9:.9f} s\n{self._of_machine('context')}"
        return self._where()

    def _machines(self) -> Table:
        rows = []
        on: Mapping[str, Guest] = self._lab.machines
        for spec in self._lab.plan.machines:
            guest = on.get(spec.name)
            if guest is None:
                rows.append((spec.name, "", "", "switched off"))
                continue
            stop = guest.debugger.last_stop
            ended = guest.timeline.machine.ending
            state = describe_ending(stop.outcome) if isinstance(stop, Ended) else str(ended) if ended else "stands"
            marked = f"{spec.name} *" if spec.name == self._focus else spec.name
            rows.append((marked, str(guest.position), f"{guest.pc:#x}", _runs(guest) or state))
        return table(["machine", "tick", "pc", "runs"], rows)

    def _links(self) -> Table:
        hops = self._hops()
        rows = []
        for link in self._lab.plan.links:
            mine = [hop for hop in hops if hop[0] == link.name]
            lost = sum(1 for hop in mine if hop[6])
            rows.append(
                (link.name, str(link.ends[0]), str(link.ends[1]), f"{link.latency} ns", str(len(mine)), str(lost))
            )
        return table(["link", "from", "to", "latency", "packets", "lost"], rows)

    def _hops(self) -> list[tuple[str, str, str, int, int, int, str, bytes]]:
        """Link, source, target, sent, due, size, why lost, first bytes; up to now."""
        lab = self._lab
        if isinstance(lab, Lab):
            every = sorted(lab.hops, key=lambda hop: hop.sent)
            return [(h.link, h.source, h.target, h.sent, h.due, len(h.data), h.lost, h.data) for h in every]
        return [
            (row.link, row.source, row.target, row.sent, row.due, row.size, row.lost, bytes.fromhex(row.head))
            for row in lab.passages
            if row.sent <= lab.now
        ]

    def _packets(self, words: Sequence[str]) -> Table:
        count = next((int(word) for word in words if word.isdecimal()), SHOWN)
        protocols = [word for word in words if word in ("ARP", "TCP", "UDP", "ICMP")]
        names = [word for word in words if not word.isdecimal() and word not in protocols]
        hops = [
            hop
            for hop in self._hops()
            if (not names or any(name in (hop[0], *_nodes(hop[1], hop[2])) for name in names))
            and (not protocols or packet_words(hop[7]).partition(" ")[0] in protocols)
        ]
        now = self._lab.now if isinstance(self._lab, Lab) else NEVER
        rows = [
            (hop[1], f"{hop[3] / 1e9:.9f}", hop[2], _came(hop[4], hop[6], now), str(hop[5]), packet_words(hop[7]))
            for hop in hops[-count:]
        ]
        return table(["from", "sent", "to", "came", "bytes", "what"], rows)

    def _query(self, line: str) -> Document:
        blocks: list[Block | str] = []
        merged: Table | None = None
        refused: dict[str, UserError] = {}
        for name, guest in self._lab.machines.items():
            try:
                answer = guest.session.run(line)
            except UserError as error:
                refused[name] = error
                continue
            for block in answer.blocks:
                if not isinstance(block, Table):
                    blocks.append(block)
                    continue
                found = table(["machine", *block.columns], [(name, *row) for row in block.rows])
                same = merged is not None and merged.columns == found.columns
                merged = Table(found.columns, (*merged.rows, *found.rows)) if merged is not None and same else found
                if not same:
                    blocks.append(found)
                else:
                    blocks = [block for block in blocks if not isinstance(block, Table)] + [merged]
        if len(refused) == len(self._lab.machines):
            raise next(iter(refused.values()))
        return document(*blocks, *(f"{name}: {error}" for name, error in refused.items()))


def _runs(guest: Guest) -> str:
    """What its system runs, if that is known."""
    try:
        words = render_plain(guest.session.run("current")).split()
    except VmdbgError:
        return ""
    return words[1] if len(words) > 1 and words[0] == "name" else ""


def _came(due: int, lost: str, now: int) -> str:
    return lost or (f"{due / 1e9:.9f}" if due < now else "on its way")


def _nodes(*ends: str) -> list[str]:
    return [end.partition(".")[0] for end in ends]


def packet_words(data: bytes) -> str:
    """What it is, by its first bytes: Ethernet II with ARP, IPv4, ICMP, UDP and TCP; characters of a serial line."""
    if len(data) < 14:
        return repr(data.decode("latin-1"))
    kind = int.from_bytes(data[12:14], "big")
    if kind == 0x0806 and len(data) >= 42:
        asks = "asks for" if data[21] == 1 else "is at"
        who = ".".join(map(str, data[38:42] if data[21] == 1 else data[28:32]))
        return f"ARP {'who is' if asks == 'asks for' else 'says:'} {who}"
    if kind != 0x0800 or len(data) < 34:
        return f"type {kind:#06x}"
    header = (data[14] & 15) * 4
    source, target = (".".join(map(str, data[at : at + 4])) for at in (26, 30))
    rest = data[14 + header :]
    match data[23]:
        case 6 if len(rest) >= 14:
            flags = "".join(letter for bit, letter in enumerate("FSRPAU") if rest[13] >> bit & 1)
            sequence = int.from_bytes(rest[4:8], "big")
            ports = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
            size = int.from_bytes(data[16:18], "big") - header - (rest[12] >> 4) * 4
            return f"TCP {source}:{ports[0]} > {target}:{ports[1]} {flags} seq {sequence} {size} bytes"
        case 17 if len(rest) >= 4:
            ports = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
            return f"UDP {source}:{ports[0]} > {target}:{ports[1]}"
        case 1 if rest:
            return f"ICMP {source} > {target} type {rest[0]}"
        case number:
            return f"IP {number} {source} > {target}"
