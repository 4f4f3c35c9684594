"""Several front ends at one guest: two gdbs, gdb and a script, in random order, against a model of the arbiter's rules.

The model knows of each client whether it is there, whether it waits for a stop, and whether it knows how the guest
stands. Everything runs in one thread, so that each step has one outcome.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.gdbstub.wire import framed, payloads
from tests.vmdbg.debugger.programs import program
from vmdbg.debugger.actions import Continue, Step
from vmdbg.debugger.debugger import Debugger
from vmdbg.errors import UserError
from vmdbg.gdb.front_end import GdbFrontEnd
from vmdbg.gdb.server import GdbServer
from vmdbg.host.arbiter import Arbiter
from vmdbg.host.front_end import EndWanted, Presence
from vmdbg.machine.digest import Digest, digest
from vmdbg.units import Tick

SLICE = 60_000
COUNTING = """
    xor ebx, ebx
again:
    inc rbx
    mov ecx, 20000
spin:
    dec ecx
    jnz spin
hot:
    jmp again
"""
READ = b"m100000,4"


@dataclass
class Bystander:
    """A front end of nobody's, that counts what it is asked."""

    owner: str = "bystander"
    presence: Presence = Presence.AWAY
    end_wanted: EndWanted = EndWanted.NO
    wants: bool = False
    turns: list[bool] = field(default_factory=list)
    closed: bool = False

    def fileno(self) -> None:
        return None

    def poll(self) -> bool:
        return False

    def linger(self) -> bool:
        return False

    def wants_turn(self, *, alone: bool) -> bool:
        if self.wants:
            self.turns.append(alone)
        return self.wants

    def take_turn(self) -> None:
        self.wants = False

    def break_in(self) -> bool:
        return False

    def stands_unseen(self, words: str) -> None: ...

    def close(self) -> None:
        self.closed = True


class Client:
    """A gdb of a few packets, and what the model knows of it."""

    def __init__(self, server: GdbServer, number: int, serve: Callable[[], object]) -> None:
        self.server = server
        self.number = number
        self._serve = serve
        self._address = server.listen_tcp("127.0.0.1", 0)
        self._socket: socket.socket | None = None
        self.there = self.waits = False
        self.knows = True

    def come(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while self.server.client is None:
            self._serve()
        self.ask(b"QStartNoAckMode")
        self._socket.sendall(b"+")
        self.there, self.waits, self.knows = True, False, True

    def send(self, packet: bytes) -> None:
        """The server has served it when this returns."""
        assert self._socket is not None
        self._socket.sendall(packet if packet == b"\x03" else framed(packet))
        self._settle()

    def _settle(self) -> None:
        while self._serve():
            pass

    def replies(self) -> list[bytes]:
        """What has come and was not looked at; O packets left out."""
        assert self._socket is not None
        self._socket.settimeout(0)
        data = b""
        try:
            while piece := self._socket.recv(1 << 16):
                data += piece
        except BlockingIOError:
            pass
        return [reply for reply in payloads(data) if not reply.startswith(b"O") or reply == b"OK"]

    def ask(self, packet: bytes) -> bytes:
        self.send(packet)
        (reply,) = self.replies()
        return reply

    def go(self, end: bytes | None) -> None:
        """By detaching, or without a word."""
        assert self._socket is not None
        if end is not None:
            assert self.ask(end) == b"OK"
        self._socket.close()
        while self.server.client is not None:
            self._serve()
        self.there = self.waits = False


class Machine:
    """A guest with two gdb servers and a script that calls the debugger itself."""

    def __init__(self, debugger: Debugger, hot: int) -> None:
        self.debugger = debugger
        self.hot = hot
        self.arbiter = Arbiter(debugger)
        self.clients = [self._client(number) for number in range(2)]
        self.runs_for: str | None = None
        """The model: whose run is under way; None where the guest stands."""

    def _client(self, number: int) -> Client:
        owner = f"gdb {number}"
        server = GdbServer(self.debugger, owner=owner, is_held=lambda: self.arbiter.is_held_but_by(owner))
        self.arbiter.join(GdbFrontEnd(self.debugger, server))
        return Client(server, number, server.poll)

    def name(self, client: Client) -> str:
        return client.server.owner

    # the model: what is to come of each thing that is done, and whether it did

    def stopped(self) -> None:
        """All who wait are told, and know how it stands; those who stood there know no more."""
        self.runs_for = None
        for client in self.clients:
            if client.waits:
                (reply,) = client.replies()
                assert reply[:1] in b"TS", reply
                client.waits, client.knows = False, True
            elif client.there:
                assert client.replies() == []
                client.knows = False

    def come(self, client: Client) -> None:
        """The guest stands before the client hears anything: a stop for all others."""
        ran = self.runs_for is not None
        client.come()
        if ran:
            for other in self.clients:
                if other is not client:
                    if other.waits:
                        (reply,) = other.replies()
                        assert reply.startswith(b"T02"), reply
                        other.waits, other.knows = False, True
                    elif other.there:
                        other.knows = False
            self.runs_for = None

    def resume(self, client: Client, packet: bytes) -> None:
        if self.runs_for is not None:  # joins
            client.send(packet)
            assert client.replies() == []
            client.waits = True
            return
        if not client.knows:
            before = self.debugger.position
            assert client.ask(packet).startswith(b"T05")
            assert self.debugger.position == before, "nothing was run"
            client.knows = True
            return
        client.send(packet)
        client.waits, self.runs_for = True, self.name(client)
        if not self.debugger.running:  # a step that is over at once
            self.stopped()

    def interrupt(self, client: Client) -> None:
        client.send(b"\x03")
        if client.waits:
            assert self.debugger.interrupt_wanted

    def read(self, client: Client) -> None:
        """Nobody is shown values of no instant."""
        reply = client.ask(READ)
        assert reply.startswith(b"E") == (self.runs_for is not None), reply

    def leave(self, client: Client, end: bytes | None) -> None:
        held = any(other.there and not other.waits for other in self.clients if other is not client)
        mine = self.runs_for == self.name(client)
        client.go(end)
        if self.runs_for is None:
            if end is not None and not held:
                self.runs_for = ""
        elif mine:
            self.runs_for = ""
        assert self.debugger.running == (self.runs_for is not None)

    def script(self, action: Continue | Step) -> None:
        if self.runs_for is not None:
            with pytest.raises(UserError, match="running"):
                self.debugger.resume(action, "script")
            return
        self.debugger.resume(action, "script")
        self.runs_for = "script"

    def slice(self) -> None:
        before = self.debugger.stop_count
        self.arbiter.advance(Tick(self.debugger.machine.clock + SLICE))
        if self.debugger.stop_count != before:
            assert self.runs_for is not None
            self.stopped()

    def act(self, chosen: random.Random) -> None:
        client = chosen.choice(self.clients)
        kind = chosen.randrange(12)
        if kind < 3:
            self.slice()
        elif kind == 3:
            self.script(chosen.choice((Continue(), Step(), Step(count=3))))
        elif kind == 4:
            self.debugger.interrupt("script")
        elif not client.there:
            if kind < 9:
                self.come(client)
        elif client.waits:
            if kind < 8:
                self.interrupt(client)
            elif kind == 8:
                self.leave(client, None)
        elif kind < 7:
            self.resume(client, chosen.choice((b"vCont;c", b"vCont;s", b"c", b"s")))
        elif kind == 7:
            self.read(client)
        elif kind == 8 and self.runs_for is None:
            self.resume(client, chosen.choice((b"bs", b"bc")))
        elif kind == 9:
            assert client.ask(chosen.choice((b"Z0,%x,1", b"z0,%x,1")) % self.hot) == b"OK"
        elif kind == 10:
            self.leave(client, chosen.choice((b"D", None)))

    def check(self) -> None:
        """The model and what is there agree."""
        assert self.debugger.running == (self.runs_for is not None)
        if self.runs_for is not None:
            assert self.debugger.run_by == self.runs_for
        for client in self.clients:
            server = client.server
            assert (server.client is not None) == client.there
            if client.there:
                assert server.waits == client.waits
            owned = [point for point in self.debugger.points.breakpoints.values() if point.owner == server.owner]
            assert client.there or not owned, "points go with their client"


@contextmanager
def shared() -> Iterator[Machine]:
    with program(COUNTING, "hot") as (debugger, at, _):
        machine = Machine(debugger, at["hot"])
        try:
            yield machine
        finally:
            machine.arbiter.close()


def undisturbed(tick: Tick) -> Digest:
    with program(COUNTING, "hot") as (debugger, _, _guest):
        debugger.timeline.run(tick)
        return digest(debugger.machine)


@pytest.mark.parametrize("seed", range(12))
def test_two_gdbs_and_a_script_in_any_order_go_by_the_rules_and_the_guest_notices_nothing(seed: int) -> None:
    chosen = random.Random(seed)
    with shared() as machine:
        for _ in range(120):
            machine.act(chosen)
            machine.check()
        debugger = machine.debugger
        machine.arbiter.close()
        debugger.interrupt()
        debugger.wait()
        debugger.timeline.seek(debugger.timeline.end)
        seen, tick = digest(debugger.machine), debugger.machine.clock
    assert seen == undisturbed(tick)


@contextmanager
def beside(*front_ends: Bystander) -> Iterator[tuple[Debugger, Arbiter]]:
    with program(COUNTING) as (debugger, _, _guest):
        arbiter = Arbiter(debugger)
        for front_end in front_ends:
            arbiter.join(front_end)
        yield debugger, arbiter
        arbiter.close()
        assert all(front_end.closed for front_end in front_ends)


def test_the_first_that_wants_the_thread_has_it_when_the_guest_stands() -> None:
    first, second = Bystander(presence=Presence.WATCHES), Bystander("other", wants=True)
    with beside(first, second) as (debugger, arbiter):
        arbiter.go()
        assert arbiter.poll()
        assert second.turns == []
        debugger.interrupt()
        debugger.wait()
        assert not arbiter.poll()
        assert second.turns == [False]
        first.presence, second.wants = Presence.AWAY, True
        arbiter.poll()
        assert second.turns == [False, True]


def test_one_that_quits_ends_the_run_for_all_and_a_kill_waits_until_nobody_is_there() -> None:
    first, second = Bystander(presence=Presence.HOLDS), Bystander("other", presence=Presence.WATCHES)
    with beside(first, second) as (_, arbiter):
        assert not arbiter.finished
        first.presence, first.end_wanted = Presence.AWAY, EndWanted.WHEN_ALONE
        assert not arbiter.finished
        second.presence = Presence.AWAY
        assert arbiter.finished
        first.end_wanted, second.presence = EndWanted.NO, Presence.WATCHES
        assert not arbiter.finished
        first.end_wanted = EndWanted.NOW
        assert arbiter.finished


def test_one_that_leaves_is_not_waited_for() -> None:
    leaving, staying = Bystander(), Bystander("other", presence=Presence.HOLDS)
    with beside(leaving, staying) as (debugger, arbiter):
        debugger.resume(Continue(), leaving.owner)
        arbiter.leave(leaving)
        assert debugger.running
        assert debugger.run_by == ""
        assert arbiter.is_held_but_by(leaving.owner)
        assert not arbiter.is_held_but_by(staying.owner)
