"""What the engine answers of ports, out of memory that it shares with a device, is what the device would have said."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import Structure, c_uint32

import pytest

from devices.board.acpi_pm import AcpiPm, pm_timer_ticks
from devices.scheduler import Scheduler
from devices.serial.uart import Uart16550A
from devices.wiring.shared_ports import PlainPorts, StreamPort
from tests.devices.conformance import RecordingLine
from tests.devices.disk.bench import PORTS, Bench
from tests.devices.disk.test_hostile_drivers import make, operation
from tests.guests.build import assemble
from vmdbg.engine.unicorn.bare import DATA, PATIENCE, BareCpu
from vmdbg.errors import EngineError
from vmdbg.units import Tick

OPERATIONS = int(os.environ.get("VMDBG_FUZZ", "1500"))
COM1 = 0x3F8
NOT_SHARED = 0xA5A5_A5A5
READS = {size: assemble(f"in {name}, dx") for size, name in ((1, "al"), (2, "ax"), (4, "eax"))}
WRITES = {size: assemble(f"out dx, {name}") for size, name in ((1, "al"), (2, "ax"), (4, "eax"))}
STREAMS = {name: assemble(f"rep {name}") for name in ("insb", "insw", "insd", "outsb", "outsw", "outsd")}
Shared = Sequence[tuple[range, PlainPorts | StreamPort]]


@contextmanager
def _cpu(
    read: Callable[[int, int], int], write: Callable[[int, int, int], None], shared: Shared
) -> Iterator[tuple[BareCpu, list[int]]]:
    """A CPU at those ports, and how often they were asked."""
    cpu, asked = BareCpu(), [0]

    def port_read(port: int, size: int, _now: int) -> int:
        asked[0] += 1
        return read(port, size)

    def port_write(port: int, size: int, value: int, _now: int) -> None:
        asked[0] += 1
        write(port, value, size)

    cpu.engine.port_read, cpu.engine.port_write = port_read, port_write
    for ports, memory in shared:
        if isinstance(memory, StreamPort):
            cpu.engine.share_stream_port(ports.start, memory)
        else:
            cpu.engine.share_plain_ports(ports, memory)
    yield cpu, asked
    cpu.close()


def _run(cpu: BareCpu, code: bytes, **registers: int) -> int:
    cpu.engine.write_registers(registers)
    cpu.run(code)
    return cpu["rax"]


def _transfer(chance: random.Random, bench: Bench, cpu: BareCpu) -> None:
    """Sectors, as a driver in its senses moves them, but for how many words it moves at a time."""
    base, command = PORTS[0][0], chance.choice([0x20, 0x30, 0xC4, 0xC5])
    for offset, value in ((0x206, 2), (6, 0xE0), (2, 4), (3, chance.randrange(500)), (4, 0), (5, 0), (7, command)):
        _run(cpu, WRITES[1], rdx=base + offset, rax=value)
    for words in (256, 100, 156, 300, 212):
        bench.pass_time()
        _run(
            cpu,
            STREAMS["outsw" if command & 0x10 or command == 0xC5 else "insw"],
            rdx=base,
            rcx=words,
            rdi=DATA,
            rsi=DATA,
        )


def _drive(seed: int, bench: Bench, cpu: BareCpu) -> Iterator[tuple[object, ...]]:
    """What a driver that does anything sees after each access, and now and then the whole state."""
    chance = random.Random(seed)
    cpu.write(DATA, chance.randbytes(4096))
    for number in range(OPERATIONS):
        # time is the driver's own here: what is answered elsewhere passes none
        port, size, value = operation(chance)
        if chance.random() < 0.05:
            _transfer(chance, bench, cpu)
        elif not port:
            bench.pass_time()
        elif chance.random() < 0.1:
            code, words = STREAMS[chance.choice(list(STREAMS))], chance.choice([1, 3, 100, 256, 300])
            _run(cpu, code, rdx=chance.choice(PORTS)[0], rcx=words, rdi=DATA, rsi=DATA)
        elif value is None:
            yield port, _run(cpu, READS[size], rdx=port, rax=0)
        else:
            _run(cpu, WRITES[size], rdx=port, rax=value)
        if number % 20 == 0:
            yield bench.ide.save(), bytes(cpu.engine.ram[DATA : DATA + 4096]), bench.board.irqs[14].level


def _without_time(bench: Bench) -> tuple[Callable[[int, int], int], Callable[[int, int, int], None]]:
    """Accesses take no time, so that it does not count who answers them."""

    def read(port: int, size: int) -> int:
        bench.board.now -= 10
        return bench.read(port, size)

    def write(port: int, value: int, size: int) -> None:
        bench.board.now -= 10
        bench.write(port, value, size)

    return read, write


@pytest.mark.parametrize("seed", range(3))
def test_ide_cannot_tell_who_answers(seed: int) -> None:
    plain, shared = make(), make()
    for bench in (plain, shared):
        bench.board.now = 1000
    memory = shared.board.shared
    with _cpu(*_without_time(plain), ()) as (one, all_), _cpu(*_without_time(shared), memory) as (other, asked):
        for expected, found in zip(_drive(seed, plain, one), _drive(seed, shared, other), strict=True):
            assert found == expected
        assert asked[0] < all_[0] * 0.8


def test_the_words_of_a_sector_come_without_the_device_but_for_the_last() -> None:
    bench = make()
    with _cpu(*_without_time(bench), bench.board.shared) as (cpu, asked):
        base = PORTS[0][0]
        for offset, value in ((2, 1), (3, 5), (4, 0), (5, 0), (6, 0xE0), (7, 0x20)):
            _run(cpu, WRITES[1], rdx=base + offset, rax=value)
        bench.pass_time()
        asked[0] = 0
        _run(cpu, STREAMS["insw"], rdx=base, rcx=256, rdi=DATA)
        assert asked[0] == 1
        assert _run(cpu, READS[1], rdx=base + 7, rax=0) == 0x50
        assert cpu.engine.ram[DATA : DATA + 4] == bytes(4)


@pytest.mark.parametrize("seed", range(2))
def test_a_uart_cannot_tell_who_answers(seed: int) -> None:
    class Wire:
        def transmit(self, data: int, now: int) -> None:
            pass

    uarts = [Uart16550A("com1", RecordingLine(), Scheduler().timer("com1"), Wire()) for _ in range(2)]
    seen: list[list[object]] = [[], []]
    for uart, log, shared in zip(uarts, seen, ((), ((range(COM1, COM1 + 8), uarts[1].plain),)), strict=True):
        chance = random.Random(seed)

        def read(port: int, size: int, uart: Uart16550A = uart) -> int:
            return uart.read(port - COM1, size, 0)

        def write(port: int, value: int, size: int, uart: Uart16550A = uart) -> None:
            uart.write(port - COM1, size, value, 0)

        with _cpu(read, write, shared) as (cpu, asked):
            for _ in range(OPERATIONS):
                kind = chance.random()
                port = COM1 + chance.choice([0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 7])
                value = chance.choice([0, 3, 0x0B, 0x13, 0x81, 0xFF])
                if kind < 0.1:
                    uart.receive(value, 0, chance.choice([0, 0, 4, 8]))
                elif kind < 0.12:
                    uart.set_modem_inputs(value)
                elif kind < 0.14:
                    uart.restore(uart.save())
                elif kind < 0.4:
                    _run(cpu, WRITES[1], rdx=port, rax=value)
                else:
                    log.append((port, _run(cpu, READS[1], rdx=port, rax=0), uart.save()))
            log.append(asked[0] < OPERATIONS * 0.7 if shared else True)
    assert seen[0] == seen[1]


def test_the_pm_timer_is_as_the_device_has_it_at_any_time() -> None:
    chip = AcpiPm(RecordingLine(), Scheduler().timer(AcpiPm.name), lambda: None)
    chance = random.Random(1)
    with _cpu(lambda port, size: NOT_SHARED, lambda port, value, size: None, ()) as (cpu, asked):
        cpu.engine.share_pm_timer(chip.shared)
        for tick in sorted(chance.randrange(1 << chance.randrange(64)) for _ in range(OPERATIONS)):
            port, other = chance.randrange(8, 1 << 16), chance.randrange(1 << 16)
            chip.shared.port = port
            cpu.engine.advance_clock(max(Tick(tick), cpu.engine.clock))
            value = _run(cpu, READS[4], rdx=port, rax=0)
            assert value == pm_timer_ticks(chip.save().last_access) & 0xFF_FFFF
            assert cpu.engine.clock - PATIENCE < chip.save().last_access <= cpu.engine.clock
            before = chip.save()
            chip.shared.port = chance.choice([0, port])
            assert _run(cpu, READS[2], rdx=port, rax=0) == NOT_SHARED & 0xFFFF
            if other != chip.shared.port:
                assert _run(cpu, READS[4], rdx=other, rax=0) == NOT_SHARED
            assert chip.save() == before
        assert asked[0] > OPERATIONS


class OtherPorts(Structure):
    _fields_ = (("values", c_uint32),)


def test_memory_of_another_layout_is_refused() -> None:
    cpu = BareCpu()
    with pytest.raises(EngineError, match="of 4 bytes"):
        cpu.engine.share_plain_ports(range(0x60, 0x64), OtherPorts())
    with pytest.raises(EngineError, match="of 4 bytes"):
        cpu.engine.share_stream_port(0x60, OtherPorts())
    with pytest.raises(EngineError, match="of 4 bytes"):
        cpu.engine.share_pm_timer(OtherPorts())
    cpu.close()
