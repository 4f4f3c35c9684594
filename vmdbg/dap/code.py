"""Sources, modules and instructions (dapstub.target.Code)."""

from __future__ import annotations

from collections.abc import Sequence

from dapstub import requests, values
from vmdbg.dap.errors import refusals
from vmdbg.dap.memory import address_of
from vmdbg.dap.source_files import SourceFiles
from vmdbg.expressions.place import Aim
from vmdbg.session.code_lines import CodeLine, code_lines, instruction_spans, lines_before
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.instruction import MAX_LENGTH

END = 1 << 64
NO_CODE = "??"
ASSEMBLY = "text/x-asm"
"""The MIME type by which an editor knows a listing's language."""
MOST_BEFORE = 1024
"""Instructions that are looked for before an address: farther back nothing says where one begins."""


class GuestCode:
    def __init__(self, session: Session, sources: SourceFiles) -> None:
        self._session = session
        self._sources = sources

    def source(self, source: requests.SourceName) -> tuple[str, str | None]:
        with refusals():
            return self._sources.text(source), ASSEMBLY if source.reference else None

    def loaded_sources(self) -> Sequence[values.SourceFile]:
        """Those that this host has, of files whose lines are read already."""
        with refusals():
            names = sorted({name for file in self._session.sources.files for name in file.lines.files()})
            shown = [self._sources.shown(name) for name in names]
        return [one for one in shown if one is not None]

    def modules(self) -> Sequence[values.Module]:
        """The symbol files."""
        made = []
        for file in self._session.sources.files:
            has_lines = file.debug is not None and file.debug.has_units
            status = "symbols and lines" if has_lines else "symbols"
            path = str(file.path)
            name, where = (file.path.name, path) if file.path.is_absolute() else (path, None)
            made.append(values.Module(path, name, where, status, where, f"{file.slide:#x}" if file.slide else None))
        return made

    def disassemble(self, request: requests.Disassemble) -> Sequence[values.Instruction]:
        """Exactly as many as asked: where there is no code, the client is told so address by address."""
        with refusals():
            address = address_of(self._session, request.reference, aim=Aim.CODE) + request.offset
            before = max(0, -request.instruction_offset)
            found = self._before(address, before) if before else []
            skipped = max(0, request.instruction_offset)
            wanted = skipped + max(0, request.count - before)
            found += self._after(address, wanted)[skipped:]
        return [self._shown(one, symbols=request.symbols) for one in found[: request.count]]

    def _before(self, address: int, count: int) -> list[CodeLine | int]:
        """As many as that; those that are not found are numbers: places without code."""
        found: list[CodeLine] = []
        start, wanted = address, min(count, MOST_BEFORE)
        while 0 < start < END and len(found) < wanted:
            before = lines_before(self._session, start, wanted - len(found))  # of one function, if it is in one
            if not before:
                break
            found = before + found
            start = before[0].instruction.address
        missing = count - len(found)
        return [max(0, start - missing + index) for index in range(missing)] + list(found)

    def _after(self, address: int, count: int) -> list[CodeLine | int]:
        found: list[CodeLine | int] = []
        at = address
        while len(found) < count:
            if not 0 <= at < END:
                found.append(max(0, min(at, END - 1)))
                at += 1
                continue
            read = self._lines(at, count - len(found))
            found += read
            at = read[-1].end if read else at
            if len(found) < count:
                found.append(at)
                at += 1
        return found

    def _lines(self, address: int, count: int) -> list[CodeLine]:
        """Up to the first place that cannot be read."""
        memory = self._session.debugger.linear()
        if not memory.read_prefix(Linear(address), 1):
            return []
        return list(code_lines(self._session, address, min(count, END - address, 1 + (END - address) // MAX_LENGTH)))

    def _shown(self, line: CodeLine | int, *, symbols: bool) -> values.Instruction:
        if isinstance(line, int):
            return values.Instruction(f"{line:#x}", NO_CODE, presentation_hint="invalid")
        instruction = line.instruction
        known = self._session.symbols.nearest(instruction.address) if symbols else None
        source = self._session.sources.line_at(instruction.address)
        location = self._sources.shown(source.file) if source is not None else None
        words = "".join(span.text for span in instruction_spans(self._session, instruction))
        return values.Instruction(
            f"{instruction.address:#x}",
            words,
            instruction.raw.hex(" "),
            symbol=str(known) if known is not None else None,
            location=location,
            line=source.line if source is not None and location is not None else None,
        )
