"""A guest that a script shares with gdb and LLDB: a thread runs it for all of them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.errors import UserError
from vmdbg.gdb.front_end import GdbFrontEnd
from vmdbg.gdb.leaving import Leaving
from vmdbg.gdb.server import GdbServer
from vmdbg.host.addresses import TcpAddress, UnixPath, listen_address
from vmdbg.host.arbiter import Arbiter
from vmdbg.host.front_end import EndWanted, Presence
from vmdbg.host.poller import READ, Poller
from vmdbg.host.run_loop import RunLoop
from vmdbg.host.serial_lines import NullBackend

Result = TypeVar("Result")
SCRIPT = "script"
"""Owner of a script's points and runs."""


class Script:
    """The script among the front ends (vmdbg.host.front_end.FrontEnd). Others' threads put calls in."""

    owner = SCRIPT
    presence = Presence.WATCHES

    def __init__(self) -> None:
        self.end_wanted = EndWanted.NO
        self._calls: deque[Callable[[], None]] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._busy = False
        self._lock = threading.Lock()
        self._over: BaseException | None = None

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Have it called in the loop's thread. Safe in any thread."""
        found: Future[Result] = Future()

        def carry_out() -> None:
            try:
                if self._over is not None:
                    raise self._over
                found.set_result(function())
            except BaseException as error:
                found.set_exception(error)

        with self._lock:
            if self._over is not None:
                raise UserError("gdb is no longer served: the guest is the script's own") from self._over
            self._calls.append(carry_out)
            os.write(self._writer, b"!")
        return found

    def fileno(self) -> int:
        return self._reader

    def poll(self) -> bool:
        """One call after the other: those that wait for the guest to stop are not left for the next."""
        if self._busy or not self._calls:
            return False
        self._busy = True
        try:
            while self._calls:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._reader, 1)
                self._calls.popleft()()
        finally:
            self._busy = False
        return True

    def end(self, why: BaseException) -> None:
        """The loop has ended: nothing is called any more."""
        with self._lock:
            self._over = why
        while self._calls:
            self._calls.popleft()()

    def linger(self) -> bool:
        return self.poll()

    def wants_turn(self, *, alone: bool) -> bool:
        del alone
        return False

    def take_turn(self) -> None: ...

    def break_in(self) -> bool:
        return False

    def stands_unseen(self, words: str) -> None: ...

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Serving:
    """While it lasts the guest belongs to its thread: the script asks for things by call().

    with guest.serve_gdb("127.0.0.1:0") as served:
        print(served.address)
        stop = served.call(guest.run)
    """

    def __init__(
        self,
        debugger: Debugger,
        where: str,
        on_wait: Callable[[Callable[[Debugger], Stop] | None], None],
        say: Callable[[str], None],
    ) -> None:
        """`on_wait` is given what is to carry runs to their stops, and None at the end. Raises UserError."""
        self._debugger = debugger
        self._poller = Poller()
        self._arbiter = Arbiter(debugger)
        self._script = Script()
        self._loop = RunLoop(debugger.machine, self._arbiter, NullBackend(), self._poller, say)
        try:
            server = GdbServer(
                debugger,
                log=say,
                leaving=Leaving.STAY,
                is_held=lambda: True,  # the script says when the guest runs
            )
            self.address = _listen(server, listen_address(where))
        except UserError:
            self._close()
            raise
        self._arbiter.join(self._script)
        self._arbiter.join(GdbFrontEnd(debugger, server))
        self._poller.watch(self._arbiter.fileno(), READ, lambda _events: self._arbiter.serve())
        self._on_wait = on_wait
        on_wait(self._carry)
        self._thread = threading.Thread(target=self._run, name="guest's run loop", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        why: BaseException = UserError("the run has ended")
        try:
            self._loop.run()
        except BaseException as error:
            why = error
        self._script.end(why)

    def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What `function(*arguments)` gives, called where the guest is run, between two slices.

        Raises what it raises. Ctrl-C stops the guest.
        """
        if threading.current_thread() is self._thread:
            return function(*arguments)
        found = self._script.call(lambda: function(*arguments))
        try:
            return found.result()
        except KeyboardInterrupt:
            self._debugger.interrupt(SCRIPT)
            found.exception()
            raise

    def wait(self) -> Stop:
        """Wait for the stop of a run that another front end has begun; where the guest stands, for nothing."""
        return self.call(lambda: self._carry(self._debugger))

    def interrupt(self) -> None:
        """Stop the guest, whoever lets it run."""
        self._debugger.interrupt(SCRIPT)
        self._debugger.engine.interrupt_run()

    def _carry(self, debugger: Debugger) -> Stop:
        before = debugger.stop_count
        while debugger.stop_count == before and debugger.running:
            self._loop.serve()
            if self._loop.over():
                debugger.interrupt(SCRIPT)
            if debugger.stop_count == before:
                with self._arbiter.turn():
                    self._loop.slice()
        return debugger.last_stop

    def close(self) -> None:
        """gdb is let go, and the guest is the script's again."""

        def end() -> None:
            self._script.end_wanted = EndWanted.NOW

        with contextlib.suppress(UserError):
            self._script.call(end)
        self._thread.join()
        self._on_wait(None)
        self._close()

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _close(self) -> None:
        self._arbiter.close()
        self._poller.close()


def _listen(server: GdbServer, address: TcpAddress | UnixPath) -> str:
    if isinstance(address, UnixPath):
        server.listen_unix(address.path)
        return f"unix:{address.path}"
    return str(TcpAddress(*server.listen_tcp(address.host, address.port)))
