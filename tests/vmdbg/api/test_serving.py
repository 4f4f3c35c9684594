"""A script and gdb at one guest, each in a thread or process of its own."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

import vmdbg
from tests.gdbstub.clients import debian_gdb
from tests.gdbstub.wire import framed, payloads
from tests.guests.build import assemble
from vmdbg.debugger.stops import BreakpointStop, Interrupted, StepDone
from vmdbg.machine.digest import digest

COUNTING = """
    xor ebx, ebx
again:
    inc rbx
    mov ecx, 2000
spin:
    dec ecx
    jnz spin
    jmp again
"""


@pytest.fixture
def guest() -> Iterator[vmdbg.Guest]:
    image = assemble('; org 100000h\n%include "long.inc"\nbegin:\n' + COUNTING, bits=32)
    with vmdbg.launch(image) as made:
        yield made


class Client:
    """Packets in, replies out."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert self.ask(b"QStartNoAckMode") == b"OK"
        self._socket.sendall(b"+")

    def send(self, packet: bytes) -> None:
        self._socket.sendall(framed(packet))

    def answer(self) -> bytes:
        data = b""
        while b"#" not in data[:-2]:
            data += self._socket.recv(1 << 16)
        return payloads(data)[-1]

    def ask(self, packet: bytes) -> bytes:
        self.send(packet)
        return self.answer()

    def close(self) -> None:
        self._socket.close()


def test_gdb_reads_what_the_script_wrote_and_is_stopped_by_its_breakpoint(guest: vmdbg.Guest) -> None:
    with guest.serve_gdb() as served:
        served.call(guest.run, 100_000)
        client = Client(served.address)
        served.call(guest.physical.write, 0x5000, b"by hand!")
        assert bytes.fromhex(client.ask(b"m5000,8").decode()) == b"by hand!"
        assert client.ask(b"vCont;s").startswith(b"T05"), "the script has changed the guest since"
        counted = served.call(lambda: guest.registers["rbx"])
        point = served.call(guest.break_at, "rip")
        assert client.ask(b"vCont;c").startswith(b"T05")
        stop = served.wait()
        assert isinstance(stop, BreakpointStop)
        assert stop.breakpoints == (point,)
        assert served.call(lambda: guest.registers["rbx"]) >= counted
        client.close()


def test_a_script_runs_what_gdb_stands_at_and_stops_what_gdb_lets_run(guest: vmdbg.Guest) -> None:
    with guest.serve_gdb() as served:
        client = Client(served.address)
        assert isinstance(served.call(guest.run, 200_000), StepDone)
        assert client.ask(b"vCont;c").startswith(b"T05"), "it is told where the guest stands first"
        client.send(b"vCont;c")
        while not served.call(lambda: guest.debugger.running):
            pass
        with pytest.raises(vmdbg.UserError, match="running"):
            served.call(guest.run)
        served.interrupt()
        assert served.wait() == Interrupted()
        assert client.answer().startswith(b"T02")
        client.close()
    assert isinstance(guest.run(1000), StepDone), "the guest is the script's again"


def test_a_gdb_beside_a_script_in_a_hurry_changes_nothing(guest: vmdbg.Guest) -> None:
    with guest.serve_gdb() as served:
        client = Client(served.address)
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                client.ask(b"m100000,40")
                client.ask(b"g")

        beside = threading.Thread(target=look)
        beside.start()
        try:
            for _ in range(40):
                served.call(guest.run, 30_000)
        finally:
            over.set()
            beside.join()
            client.close()
    end, seen = guest.position, digest(guest.debugger.machine)
    guest.seek(guest.start)
    guest.seek(end)
    assert digest(guest.debugger.machine) == seen


def test_a_real_gdb_sees_the_scripts_guest(guest: vmdbg.Guest) -> None:
    said: list[str] = []
    with guest.serve_gdb("127.0.0.1:0", said.append) as served:
        served.call(guest.run, 5_000)
        commands = (f"target remote {served.address}", 'printf "rbx is %d\\n", $rbx', "stepi", "detach")
        words = [word for command in commands for word in ("-ex", command)]
        made = subprocess.run(
            [*debian_gdb(), "-q", "-nx", "-batch", *words], capture_output=True, text=True, timeout=60, check=True
        )
        assert f"rbx is {served.call(lambda: guest.registers['rbx'])}" in made.stdout
        assert not served.call(lambda: guest.debugger.running), "the script says when it runs"
    assert any("attached" in line for line in said)


def test_what_a_call_raises_comes_back_and_none_is_taken_at_the_end(guest: vmdbg.Guest) -> None:
    with guest.serve_gdb() as served, pytest.raises(ZeroDivisionError):
        served.call(lambda: 1 // 0)
    with pytest.raises(vmdbg.UserError, match="script's own"):
        served.call(lambda: None)


def test_an_address_that_is_taken_is_named(guest: vmdbg.Guest) -> None:
    with guest.serve_gdb() as served, pytest.raises(vmdbg.UserError, match="cannot listen"):
        guest.serve_gdb(served.address)
