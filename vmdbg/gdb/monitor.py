"""gdb's `monitor`: the debugger's commands, as plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gdbstub.errors import TargetError
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.runs import Run
from vmdbg.errors import UserError
from vmdbg.gdb.helper_commands import COMMANDS, NextRun
from vmdbg.gdb.lifecycle import OWNER
from vmdbg.gdb.qemu import monitor as qemu
from vmdbg.gdb.standing import Standing
from vmdbg.os.linux.operating_system import Linux
from vmdbg.os.seam import CurrentTask
from vmdbg.session.linux import find_linux
from vmdbg.session.new_files import NewFiles
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.session.symbol_file import SymbolFile


class GuestMonitor:
    """gdbstub's Monitor port. Commands can look and change, not run the guest or reach
    the host, but for new files where `files` puts them."""

    def __init__(
        self,
        debugger: Debugger,
        standing: Standing,
        files: NewFiles | None = None,
        symbols: Sequence[SymbolFile] = (),
        owner: str = OWNER,
    ) -> None:
        """`files`: where clients may have files written; without it nowhere. `symbols` name addresses."""
        self._debugger = debugger
        self._standing = standing
        self._owner = owner
        self._files = files
        self._symbols = symbols
        self._session: Session | None = None

    def run(self, command: str, _write: Callable[[str], None], check: Callable[[], None]) -> str:
        session = self._opened()
        session.progress = lambda _done: _checked(check)
        with self._standing.own_doing():
            found = qemu.answer(session, command)
            return session.execute(command) if found is None else found

    def running_task(self) -> CurrentTask | None:
        """The guest's own idea of what the CPU runs; None where no operating system is known."""
        return self._opened().system.running()

    def linux(self) -> Linux | None:
        """The Linux that runs in the guest; None where none is known."""
        return find_linux(self._opened().system)

    def next_run(self) -> Callable[[], Run] | None:
        """What the client's next step is to be instead, once: it is called when that comes. May raise VmdbgError."""
        return self._session.part(NextRun).take() if self._session is not None else None

    def _opened(self) -> Session:
        """The session, made when first needed: it listens to every stop."""
        if self._session is None:
            self._session = self._open()
        return self._session

    def _own(self) -> Session:
        if self._files is None:
            return Session(self._debugger, catalog.commands(), owner=self._owner)
        session = Session(self._debugger, catalog.commands(), allowed=Effect.CHANGES | Effect.FILES, owner=self._owner)
        session.files = self._files
        return session

    def _open(self) -> Session:
        session = self._own()
        for file in self._symbols:
            session.sources.use(file)
        for command in COMMANDS:
            session.registry.add(command)
        return session


def _checked(check: Callable[[], None]) -> None:
    """Raises UserError, as a command's own refusals are."""
    try:
        check()
    except TargetError as error:
        raise UserError(str(error)) from error
