"""programs, and the symbol files of what a process runs."""

from __future__ import annotations

from os.path import isdir
from pathlib import Path
from typing import TYPE_CHECKING

from vmdbg.commands.declare import command
from vmdbg.commands.linux.known import linux_here
from vmdbg.document.document import Document, Style, address, document, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.symbols.source import SymbolSource

if TYPE_CHECKING:
    from vmdbg.os.linux.user_programs import UserProgram

SHORTEST_ID = 4


def declare(parser: Parser) -> None:
    parser.add_argument("process", nargs="?", default="", metavar="PROCESS", help="PID or name; none: the current one")


@command(
    "programs",
    Group.SYSTEM,
    declare,
    aliases=("info sharedlibrary",),
    examples=("programs", "programs 1"),
    requires=linux_here,
)
def programs(session: Session, arguments: Arguments) -> Document:
    """List the program and the libraries that a process runs, with their build-ids.

    `symbol-file FILE --process PROCESS` reads the names of one.
    """
    system = linux_here(session)
    task = session.system.named(arguments.process) if arguments.process else system.current()
    rows = [
        (
            address(one.start, 12),
            address(one.end, 12),
            text(f"{one.slide:#x}", Style.NUMBER),
            text(one.build_id, Style.DIM),
            text(one.path, Style.LABEL),
        )
        for one in system.user_programs(task.pid)
    ]
    if not rows:
        why = "a thread of the kernel" if task.is_kernel else "not in memory"
        return document(text(f"no program: {task.name} ({task.pid}) is {why}", Style.DIM), value=[])
    return document(table(("start", "end", ">slide", "build-id", "program"), rows))


def load_programs(session: Session, path: Path, process: int) -> None:
    """The symbols of one file, or of all that a directory has for the process. Raises UserError."""
    known = linux_here(session).user_programs(process)
    if not known:
        raise UserError(f"process {process} runs no program")
    if not isdir(path):
        session.sources.add(path, _program_of(path, known).slide, process)
        return
    found = [(next((file for file in _candidates(path, one) if _is_of(file, one)), None), one) for one in known]
    if not any(file for file, _ in found):
        raise UserError(f"nothing below {path} is what process {process} runs: {', '.join(one.path for one in known)}")
    for file, one in found:
        if file is not None:
            session.sources.add(file, one.slide, process)


def _program_of(path: Path, known: tuple[UserProgram, ...]) -> UserProgram:
    """Raises UserError if the file is none of these."""
    from vmdbg.session.program_files import program_of

    identity = file_build_id(path)
    found = program_of(path, identity, known)
    if found is None:
        listed = ", ".join(f"{one.path} ({one.build_id or 'no build-id'})" for one in known)
        raise UserError(f"{path} ({identity or 'no build-id'}) is nothing that the process runs: {listed}")
    return found


def _candidates(directory: Path, program: UserProgram) -> list[Path]:
    """Where distributions put debug files, and the guest's own path below the directory."""
    names = [directory / program.path.lstrip("/"), directory / Path(program.path).name]
    if len(program.build_id) >= SHORTEST_ID:
        head, tail = program.build_id[:2], program.build_id[2:]
        names = [directory / ".build-id" / head / f"{tail}.debug", directory / ".build-id" / head / tail, *names]
    return [name for name in names if _is_below(name, directory)]


def _is_below(path: Path, directory: Path) -> bool:
    """The guest's paths are the guest's to choose: none leads out of the directory."""
    try:
        return path.is_file() and path.resolve().is_relative_to(directory.resolve())
    except (OSError, ValueError):
        return False


def _is_of(path: Path, program: UserProgram) -> bool:
    try:
        return _program_of(path, (program,)) is program
    except UserError:
        return False


def file_build_id(path: Path) -> str:
    """In hexadecimal; "" for a file that has none. Raises UserError for what is no ELF file."""
    from vmdbg.session.program_files import build_id
    from vmdbg.symbols.elf import open_elf

    return build_id(open_elf(SymbolSource(path)))
