"""Tracepoints by their packets: what is collected, what can be looked at, and what bounds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from gdbstub import trace as trace_module
from gdbstub.frames import TargetFrame
from gdbstub.session import tracing
from gdbstub.stops import FIRST_THREAD, Stepped
from gdbstub.target import Target, Visit
from tests.gdbstub.machine import Machine
from tests.gdbstub.wire import Client

WORDS = "multiprocess+;error-message+"
AT = 0x1000
DEFINE = f"QTDP:1:{AT:x}:E:0:0"
ACTIONS = f"QTDP:-1:{AT:x}:"


@dataclass
class TimedMachine(Machine):
    """Instants are numbers that the test counts; a step adds one to the pc and to the time."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0
        self.visits: list[tuple[int, int]] = []

    def target(self) -> Target:
        return replace(super().target(), moments=self)

    def now(self) -> int:
        return self.time

    def revisit(self, visits: Sequence[Visit]) -> None:
        present, pc = self.time, self.registers.files[FIRST_THREAD][0]
        for visit in visits:
            self.visits.append((visit.moment, visit.steps))
            for step in range(1, visit.steps + 1):
                self.time = visit.moment + step
                self.registers.files[FIRST_THREAD][0] = (AT + step).to_bytes(8, "little")
                if not visit.take():
                    break
        self.time, self.registers.files[FIRST_THREAD][0] = present, pc


@dataclass
class Bench:
    machine: TimedMachine = field(default_factory=TimedMachine)

    def __post_init__(self) -> None:
        self.client = Client(WORDS, self.machine)
        self.frame = TargetFrame(self.machine.target(), FIRST_THREAD, lambda _text: None)

    def setup(self, *packets: str) -> None:
        assert self.client.send("QTinit", *packets, "QTStart") == [b"OK"] * (len(packets) + 2)

    def hit(self, time: int) -> None:
        """As a target does at a breakpoint: all that are there are asked, and none stops."""
        self.machine.time = time
        assert not any(point.stops(self.frame) for point in self.machine.points.values())

    def frames(self) -> int:
        status = self.client.ask("qTStatus").decode()
        return int(dict(item.split(":")[:2] for item in status.split(";")[1:] if ":" in item)["tframes"], 16)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_registers_and_memory_are_kept_as_they_were(bench: Bench) -> None:
    """R, M from 0, M from a register, and an expression that traces."""
    traced = "22012200" + "0d04" + "27"  # const8 1, const8 0: the top is address 0; trace_quick 4
    bench.setup(DEFINE + "-", f"{ACTIONS}R2M-1,1010,4M1,fefefefefefef020,2X{len(traced) // 2:x},{traced}")
    bench.machine.registers.files[FIRST_THREAD][1] = (0x0101010101010000).to_bytes(8, "little")
    bench.hit(5)
    bench.machine.memory.write(FIRST_THREAD, 0x1010, b"\xee" * 4)
    assert bench.client.ask("QTFrame:0") == b"F0T1"
    assert bench.client.ask("p0") == AT.to_bytes(8, "little").hex().encode()
    assert bench.client.ask("p1") == b"0000010101010101"
    assert bench.client.ask("p2") == b"xxxxxxxx"
    assert bench.client.ask("g").endswith(b"xxxxxxxx")
    assert bench.client.ask("m1010,4") == b"10111213"
    assert bench.client.ask("m1000,1").startswith(b"E.cannot access memory")
    assert b'<memory start="0x1010" length="0x4"/>' in bench.client.ask("qXfer:traceframe-info:read::0,1000")
    assert bench.client.ask("P1=0000000000000000").startswith(b"E.this is a trace frame")
    assert bench.client.ask("M1010,1:00").startswith(b"E.this is a trace frame")
    assert bench.client.ask("QTFrame:ffffffff") == b"F-1"
    assert bench.client.ask("m1010,4") == b"eeeeeeee"


def test_frames_are_found_by_number_place_and_tracepoint(bench: Bench) -> None:
    bench.setup(DEFINE, f"QTDP:2:{AT:x}:E:0:0")
    for time in (1, 2):
        bench.hit(time)
    ask = bench.client.ask
    assert [ask(f"QTFrame:{n}") for n in (0, 3, 4)] == [b"F0T1", b"F3T2", b"F-1"]
    ask("QTFrame:ffffffff")
    assert [ask("QTFrame:tdp:2") for _ in range(3)] == [b"F1T2", b"F3T2", b"F-1"]
    ask("QTFrame:ffffffff")
    assert ask(f"QTFrame:pc:{AT:x}") == b"F0T1"
    assert ask(f"QTFrame:range:{AT + 1:x}:{AT + 9:x}") == b"F-1"
    assert ask(f"QTFrame:outside:{AT + 1:x}:{AT + 9:x}") == b"F1T2"
    bench.client.send("vCont;c")
    assert bench.client.session._context.trace.frame is None


def test_an_instant_that_is_passed_again_is_one_frame_and_frames_are_in_the_order_of_time(bench: Bench) -> None:
    bench.setup(DEFINE + "-", f"{ACTIONS}R1")
    for time in (7, 3, 7, 3, 5):
        bench.hit(time)
    assert bench.frames() == 3
    assert [frame.moment for frame in bench.client.session._context.trace.buffer.frames] == [3, 5, 7]


def test_steps_are_taken_when_they_are_looked_at(bench: Bench) -> None:
    """The S is on the first packet of the steps' actions only."""
    bench.setup(f"QTDP:1:{AT:x}:E:2:0-", f"{ACTIONS}R2-", f"{ACTIONS}SR1-", f"{ACTIONS}M-1,1010,1")
    bench.hit(10)
    bench.hit(20)
    assert bench.machine.visits == []
    assert bench.client.ask("QTStop") == b"OK"
    assert bench.machine.visits == [(10, 2), (20, 2)]
    assert bench.frames() == 6
    pcs = []
    for number in range(6):
        bench.client.ask(f"QTFrame:{number}")
        pcs.append(int.from_bytes(bytes.fromhex(bench.client.ask("p0").decode()), "little") - AT)
    assert pcs == [0, 1, 2, 0, 1, 2]
    assert bench.client.ask("m1010,1") == b"10"


def test_condition_passes_and_disabling(bench: Bench) -> None:
    bench.setup(f"QTDP:1:{AT:x}:E:0:2:X4,26000127")
    bench.machine.registers.files[FIRST_THREAD][1] = bytes(8)
    bench.hit(1)
    assert bench.frames() == 0
    bench.machine.registers.files[FIRST_THREAD][1] = b"\1" + bytes(7)
    assert bench.client.ask(f"QTDisable:1:{AT:x}") == b"OK"
    bench.hit(2)
    assert bench.client.ask(f"QTEnable:1:{AT:x}") == b"OK"
    for time in (3, 4, 5):
        bench.hit(time)
    assert bench.client.ask("qTStatus").startswith(b"T0;tpasscount:1;tframes:2;")
    assert bench.client.ask(f"qTP:1:{AT:x}").startswith(b"V2:")
    assert not bench.machine.points


def test_variables_count_and_are_collected(bench: Bench) -> None:
    count = "2c0001" + "2201" + "02" + "2d0001" + "29" + "2e0001" + "27"
    bench.setup("QTDV:1:5:0:68", DEFINE + "-", f"{ACTIONS}X{len(count) // 2:x},{count}")
    bench.hit(1)
    bench.hit(2)
    assert bench.client.ask("qTV:1") == b"V7"
    assert bench.client.ask("qTV:9") == b"U"
    assert [frame.variables for frame in bench.client.session._context.trace.buffer.frames] == [{1: 6}, {1: 7}]


@pytest.mark.parametrize("circular", [False, True])
def test_the_buffer_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch, circular: bool) -> None:
    monkeypatch.setattr(trace_module, "BUFFER_BYTES", 1000)
    bench.setup(f"QTBuffer:circular:{int(circular)}", DEFINE + "-", f"{ACTIONS}M-1,1000,100")
    for time in range(10):
        bench.hit(time)
    moments = [frame.moment for frame in bench.client.session._context.trace.buffer.frames]
    assert moments == ([8, 9] if circular else [0, 1])
    assert bench.client.ask("qTStatus").startswith(b"T1;" if circular else b"T0;tfull:0;")


def test_what_a_client_leaves_behind_is_taken_back(bench: Bench) -> None:
    bench.setup(DEFINE)
    assert len(bench.machine.points) == 1
    bench.client.session.closed()
    assert not bench.machine.points


def test_a_client_without_a_process_traces_nothing(bench: Bench) -> None:
    bench.client.send("!", "D;1", "QTinit", DEFINE)
    assert bench.client.ask("QTStart").startswith(b"E.no process")
    bench.client.session.closed()
    assert not bench.machine.points


def test_a_tracepoint_that_is_defined_again_while_it_traces_is_taken_out(bench: Bench) -> None:
    bench.setup(DEFINE)
    assert bench.client.ask(DEFINE) == b"OK"
    assert not bench.machine.points


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (f"QTDP:1:{AT:x}:E:fffff:0", "at most 10000 steps are collected"),
        (f"QTDP:1:{AT:x}:E:0:0:F5", "only plain tracepoints"),
        (f"QTDP:1:{AT:x}:E:0:0:X4,21000027", "it loops"),
        (f"QTDP:-9:{AT:x}:R1", "no tracepoint 9"),
        (f"QTEnable:9:{AT:x}", "no tracepoint 9"),
        ("QTFrame:pc", "hex number"),
        ("QTDP:1", "is not n:addr:ena:step:pass"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(bench: Bench, packet: str, why: str) -> None:
    assert why in bench.client.ask(packet).decode()


def test_counts_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_TRACEPOINTS", 1)
    monkeypatch.setattr(tracing, "MAX_ACTIONS", 1)
    ask = bench.client.ask
    assert ask(DEFINE) == b"OK"
    assert ask(f"QTDP:2:{AT:x}:E:0:0").startswith(b"E.more than 1 tracepoints")
    assert ask(f"{ACTIONS}R1M-1,0,1").startswith(b"E.more than 1 actions")


def test_opcodes_of_tracepoints_are_refused_in_a_breakpoints_condition(bench: Bench) -> None:
    assert b"trace_quick belongs to tracepoints" in bench.client.ask("Z0,1000,1;X5,22000d0427")


def test_a_stop_between_does_not_disturb_the_trace(bench: Bench) -> None:
    bench.setup(DEFINE)
    bench.hit(1)
    bench.client.send("c")
    bench.client.stop(Stepped())
    bench.hit(2)
    assert bench.frames() == 2
