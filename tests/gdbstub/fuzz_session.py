"""Hostile clients: entry points for coverage-guided fuzzing and, with the same inputs, for Hypothesis.

    python tests/gdbstub/fuzz_session.py corpus DIR
    python tests/gdbstub/fuzz_session.py session DIR/session -runs=1000000 -max_len=768     (or: framing, agent, parse)

The first writes what the tests send, to begin with; the second keeps in DIR what reached new code. Each entry point
takes bytes and must return: no exception, no endless loop, no growth beyond bounds.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gdbstub.agent import Expression
from gdbstub.agent.compile import compile_expression
from gdbstub.agent.interpret import interpret
from gdbstub.agent.opcodes import BINARY, Op
from gdbstub.agent.verify import verify
from gdbstub.errors import ExpressionError, TargetError
from gdbstub.frames import TargetFrame
from gdbstub.framing import PACKET_SIZE, CtrlC, Framing, Oversize, Packet, escape, unescape
from gdbstub.requests import parse
from gdbstub.session import Session
from gdbstub.session.session import MAX_DEFERRED
from gdbstub.stops import FIRST_THREAD, BreakpointHit, Exited, Signal, Signalled, Stepped, StopReason
from tests.gdbstub.machine import Machine

STOPS: tuple[StopReason, ...] = (Stepped(), Signalled(Signal.SIGINT), BreakpointHit(), Exited(1))
MAX_EVENTS = 100_000


def fuzz_framing(data: bytes) -> None:
    """The first byte says how finely the rest is cut."""
    size = data[0] + 1 if data else 1
    framing = Framing(packet_size=64)
    events = 0
    for at in range(1, len(data), size):
        framing.receive(data[at : at + size])
        while (event := framing.next_event()) is not None:
            events += 1
            assert events < MAX_EVENTS
            if isinstance(event, Packet):
                assert len(event.payload) <= 64
                framing.send(escape(unescape(event.payload)))
            else:
                assert isinstance(event, CtrlC | Oversize)
        framing.take_output()


def fuzz_session(data: bytes) -> None:
    """Bytes as a client sends them; packets need no checksum. ~ in the stream makes the target stop."""
    machine = Machine()
    target = machine.target()
    session = Session(target)
    machine.report = session.stopped
    frame = TargetFrame(target, FIRST_THREAD, session.console)
    session.receive(b"$QStartNoAckMode#b0")
    for number, part in enumerate(data.split(b"~")):
        session.receive(part)
        sent = session.take_output()
        while session.pending and not session.ended:
            session.receive(b"")
            sent = session.take_output()
            assert len(sent) < 4 * PACKET_SIZE + (1 << 20)
        assert session._deferred_bytes <= MAX_DEFERRED + PACKET_SIZE + 64
        if machine.why is None:
            machine.stop(STOPS[number % len(STOPS)])
        for point in list(machine.points.values())[:4]:
            point.stops(frame)
    session.closed()
    assert not machine.points


def fuzz_parse(data: bytes) -> None:
    """One packet's payload."""
    assert parse(data) == parse(data)


def fuzz_agent(data: bytes) -> None:
    """Bytecode: refused, or the same result interpreted and compiled."""
    with contextlib.suppress(ExpressionError):
        Expression(data)
        program = verify(data)
        printed: list[str] = []
        frame = TargetFrame(Machine().target(), FIRST_THREAD, printed.append)
        interpreted = _outcome(lambda: interpret(program, frame))
        compiled = _outcome(lambda: compile_expression(program)(frame))
        assert interpreted == compiled


def _outcome(run: Callable[[], int]) -> int | str:
    try:
        return run()
    except (ExpressionError, TargetError) as error:
        return str(error)


ENTRY_POINTS: Mapping[str, Callable[[bytes], None]] = {
    "framing": fuzz_framing,
    "session": fuzz_session,
    "parse": fuzz_parse,
    "agent": fuzz_agent,
}


def write_corpus(directory: Path) -> None:
    """Packets that tests send, each in the form that its entry point takes: a directory for each."""
    from tests.gdbstub.test_agent import push
    from tests.gdbstub.test_packets import CASES
    from tests.gdbstub.wire import framed

    cases = [(before, last) for table in CASES.values() for _, before, last, _ in table]
    payloads = [[packet.encode("latin-1") for packet in (*before, last)] for before, last in cases]
    wires = [b"".join(map(framed, packets)) for packets in payloads]
    binary = [push(7, 5) + bytes((op, Op.END)) for op in BINARY]
    seeds = {
        "session": wires,
        "framing": [bytes((number % 8,)) + wire for number, wire in enumerate(wires)],
        "parse": [packets[-1] for packets in payloads],
        "agent": [*binary, bytes((Op.REG, 0, 0, Op.IF_GOTO, 0, 7, Op.DUP, Op.END))],
    }
    define, actions = b"QTDP:1:1000:E:2:0-", b"QTDP:-1:1000:R3M-1,1010,4SR1X2,2201"
    tracing = [b"QTinit", b"QTDV:1:5:0:68", define, actions, b"QTStart", b"c", b"QTStop", b"QTFrame:0", b"g"]
    seeds["session"] += [b"".join(map(framed, tracing)), framed(b"QCatchSyscalls:1;1;2")]
    for name, contents in seeds.items():
        (directory / name).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents):
            (directory / name / f"seed{number}").write_bytes(content)


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name == "corpus" and len(sys.argv) == 2:
        write_corpus(Path(sys.argv[1]))
        return
    if name not in ENTRY_POINTS:
        sys.exit(f"usage: {sys.argv[0]} corpus DIR | {'|'.join(ENTRY_POINTS)} [DIR] [libFuzzer options]")
    fuzz(name)


def fuzz(name: str) -> None:
    """Run libFuzzer on an entry point, with its options and corpus from the command line."""
    import atheris

    for module in [module for module in sys.modules if module.startswith(("gdbstub", "tests."))]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["gdbstub"]):
        instrumented = importlib.import_module("tests.gdbstub.fuzz_session")
    atheris.Setup(sys.argv, instrumented.ENTRY_POINTS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
