"""Real gdbs at the machines of a live lab: what they do moves all of them, and changes nothing."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

from tests.guests.build import require
from tests.vmdbg.lab.couriers import END, LATENCY, two_couriers
from vmdbg.api.lab import Lab
from vmdbg.api.lab_gdb import LabGdb
from vmdbg.debugger.stops import BreakpointStop
from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress
from vmdbg.lab.fabric import Hop
from vmdbg.lab.plan import Instant, Plan
from vmdbg.machine.digest import Digest

HANDLER = 0x7C50
DEADLINE = 20
FIRST = ("set style enabled off", "set pagination off", "set confirm off")


@contextlib.contextmanager
def _served(plan: Plan, said: list[str] | None = None) -> Iterator[tuple[Lab, LabGdb]]:
    with Lab(plan) as lab:
        served = LabGdb(lab, TcpAddress("127.0.0.1", 0), (said if said is not None else []).append)
        served.slice = 30_000  # turns between which the guests do not come to their end
        try:
            yield lab, served
        finally:
            served.close()


class Gdb:
    """One that carries out lines, at a machine; what it prints is in a file."""

    def __init__(self, address: TcpAddress, *lines: str) -> None:
        words = [word for line in (*FIRST, f"target remote {address}", *lines) for word in ("-ex", line)]
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - goes with this
        self.process = subprocess.Popen(
            [require("gdb"), "-q", "-nx", "-batch", *words],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    @property
    def said(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace")


def _until(served: LabGdb, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        served.turn()


def _turn(served: LabGdb, *gdbs: Gdb) -> list[str]:
    """Until all gdbs have ended; what they printed."""
    deadline = time.monotonic() + DEADLINE
    while any(gdb.process.poll() is None for gdb in gdbs):
        assert time.monotonic() < deadline, [gdb.said for gdb in gdbs]
        served.turn()
    return [gdb.said for gdb in gdbs]


def _seen(lab: Lab) -> tuple[dict[str, Digest], list[Hop]]:
    return lab.digests(), sorted(lab.hops, key=lambda hop: (hop.sent, hop.link, hop.source, hop.number))


@pytest.fixture(scope="module")
def alone() -> tuple[dict[str, Digest], list[Hop]]:
    with Lab(two_couriers()) as lab:
        lab.run_until(END)
        return _seen(lab)


def test_two_gdbs_at_once_leave_every_machine_as_it_would_have_been(alone: tuple[dict[str, Digest], list[Hop]]) -> None:
    """The theorem, of a lab: breakpoints, watchpoints, steps, ways back, reads, at both; then to the end by itself."""
    busy = (f"break *{HANDLER:#x}", "continue", "stepi 7", "info registers", "x/4i $pc", "watch *(char *)0x7000")
    back = ("reverse-stepi", "reverse-continue", "continue", "continue", "stepi", "monitor when", "detach")
    with _served(two_couriers()) as (lab, served):
        for name in ("anna", "ben"):
            lab.desks[name].guest.timeline.keeping.wanted = True
        gdbs = [Gdb(served.addresses[name], *busy, *back) for name in ("anna", "ben")]
        said = _turn(served, *gdbs)
        assert any("Breakpoint 1, 0x" in one for one in said), "\n".join(said)
        served.serve(Instant(END))
        assert _seen(lab) == alone


def test_a_breakpoint_of_one_stops_all_at_its_instant_or_less_than_the_latency_after() -> None:
    with _served(two_couriers()) as (lab, served):
        anna, ben = lab.desks["anna"], lab.desks["ben"]
        gdb, stood = Gdb(served.addresses["ben"], f"break *{HANDLER:#x}", *["continue", "stepi"] * 5), set()
        while gdb.process.poll() is None:
            served.turn()
            if not (anna.guest.debugger.running or ben.guest.debugger.running or lab.over):
                stood.add((anna.station.clock, ben.station.clock))
        assert gdb.said.count("Breakpoint 1, 0x") == 5
        assert len(stood) == 11
        assert all(0 <= ahead - here < LATENCY for ahead, here in stood), sorted(stood)


def test_a_gdb_that_waits_is_told_that_another_machine_has_stopped() -> None:
    with _served(two_couriers()) as (_, served):
        gdbs = {
            "anna": Gdb(served.addresses["anna"], "continue", "info registers rip"),
            "ben": Gdb(served.addresses["ben"], f"break *{HANDLER:#x}", "continue", "stepi"),
        }
        while not all(served.waits(name) for name in gdbs):
            served.hear()
        waited, stopped = _turn(served, *gdbs.values())
        assert "ben has stopped, and all other machines of the lab with it" in waited
        assert "SIGINT" in waited
        assert "Breakpoint 1, 0x" in stopped


def test_control_c_at_one_stops_all_and_who_detaches_last_lets_them_go_on() -> None:
    said: list[str] = []
    with _served(two_couriers(), said) as (lab, served):
        first = Gdb(served.addresses["anna"], "continue", "info registers rip", "detach")
        _until(served, lambda: lab.desks["anna"].guest.debugger.running)
        lab.desks["ben"].guest.debugger.interrupt()
        _turn(served, first)
        assert "SIGINT" in first.said
        served.serve(Instant(END))
        assert lab.over


def test_a_gdb_that_vanishes_leaves_all_standing_for_the_next() -> None:
    said: list[str] = []
    with _served(two_couriers(), said) as (lab, served):
        first = Gdb(served.addresses["ben"], f"break *{HANDLER:#x}", "continue", "shell sleep 1000")
        _until(served, lambda: isinstance(lab.desks["ben"].guest.debugger.last_stop, BreakpointStop))
        first.process.kill()
        first.process.wait()
        _until(served, lambda: any("gone without letting go" in line for line in said))
        now = lab.now
        served.turn()
        assert lab.now == now
        (words,) = _turn(served, Gdb(served.addresses["ben"], "monitor when", "detach"))
        assert str(lab.desks["ben"].guest.tick) or words
        served.serve(Instant(END))
        assert lab.over


def test_what_a_plan_has_happen_does_under_gdb_and_machines_come_and_go_with_their_gdbs() -> None:
    done = (300_000, "crash anna"), (700_000, "boot anna"), (1_900_000, "boot ben")
    with Lab(two_couriers(*done)) as lab:
        lab.run_until(END)
        undisturbed = _seen(lab)
    said: list[str] = []
    with _served(two_couriers(*done), said) as (lab, served):
        gdbs = [
            Gdb(served.addresses["anna"], f"break *{HANDLER:#x}", "continue", "stepi", "continue"),
            Gdb(served.addresses["ben"], *["continue", "stepi"] * 4, "detach"),
        ]
        _turn(served, *gdbs)
        served.serve(Instant(END))
        assert _seen(lab) == undisturbed
    assert sum("waiting for gdb" in line for line in said) == 4


def test_a_lab_under_gdb_ends_at_its_instant(alone: tuple[dict[str, Digest], list[Hop]]) -> None:
    with Lab(two_couriers()) as lab:
        lab.run_until(1_234_567)
        there = lab.digests()
    with _served(two_couriers()) as (lab, served):
        gdb = Gdb(served.addresses["anna"], "continue")
        served.serve(Instant(1_234_567))
        assert lab.digests() == there
        lab.do("crash anna")
        gdb.process.communicate(timeout=DEADLINE)


def test_the_history_of_one_machine_alone_is_not_forked_or_begun_again() -> None:
    with Lab(two_couriers()) as lab:
        lab.run_until(1_000_000)
        anna = lab.machines["anna"]
        anna.seek(500_000)
        with pytest.raises(UserError, match="is not forked alone"):
            anna.timeline.fork()
        with pytest.raises(UserError, match="is not forked alone"):
            anna.debugger.restart()


def test_ports_that_are_not_there_or_taken_are_said() -> None:
    with Lab(two_couriers()) as lab:
        with pytest.raises(UserError, match="not as many ports"):
            LabGdb(lab, TcpAddress("127.0.0.1", 65535), lambda _line: None)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(UserError, match=f"cannot listen for gdb on 127.0.0.1:{port}"):
                LabGdb(lab, TcpAddress("127.0.0.1", port), lambda _line: None)
