"""What clients believe of the guest, against a model: each knows what it was told and what it did itself, no more."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.vmdbg.debugger.programs import go, program
from tests.vmdbg.gdb.test_front_end import COUNTING
from tests.vmdbg.host.test_arbiter import Client
from vmdbg.debugger.actions import Step
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.server import GdbServer
from vmdbg.units import Physical

SCRATCH = 0x180000
"""Memory that the guest does not use."""
RBX = 1


class Shared:
    """A guest that stands for two clients and a script; `changes` leave it elsewhere or otherwise than it was."""

    def __init__(self, debugger: Debugger, chosen: random.Random) -> None:
        self.debugger = debugger
        self.chosen = chosen
        self.clients = [self._client(number) for number in range(2)]
        self.by_client: list[Callable[[Client], None]] = [
            self.write_memory,
            self.write_physical,
            self.write_register,
            self.write_registers,
            self.command,
        ]
        self.by_script: list[Callable[[], object]] = [
            lambda: debugger.write_register("rbx", self.value),
            lambda: debugger.write_physical(Physical(SCRATCH), bytes(8)),
            lambda: go(debugger, Step(count=3)),
            debugger.restart,
        ]

    def _client(self, number: int) -> Client:
        server = GdbServer(self.debugger, owner=f"gdb {number}")
        client = Client(server, number, server.poll)
        client.come()
        assert client.ask(b"!") == b"OK"
        return client

    @property
    def value(self) -> int:
        return self.chosen.randrange(1 << 63)

    def write_memory(self, client: Client) -> None:
        assert client.ask(b"M%x,8:%016x" % (SCRATCH, self.value)) == b"OK"

    def write_physical(self, client: Client) -> None:
        assert client.ask(b"Qqemu.PhyMemMode:1") == b"OK"
        self.write_memory(client)
        assert client.ask(b"Qqemu.PhyMemMode:0") == b"OK"

    def be_refused(self, client: Client) -> None:
        """Nothing is changed."""
        assert client.ask(b"M%x,1:00" % (1 << 46)).startswith(b"E")

    def write_register(self, client: Client) -> None:
        assert client.ask(b"P%x=%016x" % (RBX, self.value)) == b"OK"

    def write_registers(self, client: Client) -> None:
        registers = bytearray.fromhex(client.ask(b"g").decode())
        registers[RBX * 8 : RBX * 8 + 8] = self.value.to_bytes(8, "little")
        assert client.ask(b"G" + registers.hex().encode()) == b"OK"

    def command(self, client: Client) -> None:
        assert not client.ask(b"qRcmd," + f"set rbx = {self.value}".encode().hex().encode()).startswith(b"E")
        assert client.ask(b"qRcmd," + b"fork".hex().encode())

    def change(self, client: Client) -> None:
        """Whoever knew how the guest stood knows of its own doing."""
        self.chosen.choice(self.by_client)(client)
        self.others_do_not_know(client)

    def others_do_not_know(self, client: Client | None) -> None:
        for other in self.clients:
            if other is not client:
                other.knows = False

    def step(self, client: Client) -> None:
        before = self.debugger.position
        assert client.ask(self.chosen.choice((b"vCont;s:1", b"s"))).startswith(b"T05")
        assert (self.debugger.position == before) == (not client.knows), "what it did not know is not acted on"
        if client.knows:
            self.others_do_not_know(client)
        client.knows = True

    def start_again(self, client: Client) -> None:
        assert client.ask(b"vRun;").startswith(b"T")
        self.others_do_not_know(client)
        client.knows = True

    def go_and_come(self, client: Client) -> None:
        """The guest runs meanwhile."""
        if self.chosen.random() < 0.5:
            assert client.ask(b"D") == b"OK"
            assert self.debugger.running
            assert client.ask(b"vAttach;1").startswith(b"T")
        else:
            client.go(b"D")
            client.come()
            assert client.ask(b"!") == b"OK"
        self.others_do_not_know(client)
        client.knows = True

    def act(self) -> None:
        client, kind = self.chosen.choice(self.clients), self.chosen.randrange(10)
        if kind < 4:
            self.step(client)
        elif kind < 6:
            self.change(client)
        elif kind == 6:
            self.be_refused(client)
        elif kind == 7:
            self.chosen.choice(self.by_script)()
            self.others_do_not_know(None)
        elif kind == 8:
            self.start_again(client)
        else:
            self.go_and_come(client)


@contextmanager
def shared(seed: int) -> Iterator[Shared]:
    with program(COUNTING) as (debugger, _, _guest):
        made = Shared(debugger, random.Random(seed))
        try:
            yield made
        finally:
            for client in made.clients:
                client.server.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_client_acts_on_what_it_was_told_and_did_itself_alone(seed: int) -> None:
    with shared(seed) as made:
        for _ in range(60):
            made.act()


@pytest.mark.parametrize("kind", range(5))
def test_each_change_of_a_clients_own_is_known_to_it_and_to_nobody_else(kind: int) -> None:
    with shared(0) as made:
        one, other = made.clients
        made.by_client[kind](one)
        made.others_do_not_know(one)
        made.step(one)
        made.step(other)
        made.debugger.write_register("rbx", 1)
        made.others_do_not_know(None)
        made.by_client[kind](other)
        made.step(other)
