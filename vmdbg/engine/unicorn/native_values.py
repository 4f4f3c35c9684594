"""The engine port's values in the native part's structures, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vmdbg.engine.exits import (
    Access,
    BreakpointHit,
    Delivery,
    DeliveryKind,
    EventCaught,
    EventKind,
    ExceptionDelivered,
    Exit,
    Halted,
    LimitReached,
    Stepped,
    StopRequested,
    Stuck,
    TripleFault,
    TurnOver,
    VoidFetch,
    WatchHit,
    WatchpointHit,
)
from vmdbg.engine.native import _native
from vmdbg.engine.stops import Catches, Watchpoint
from vmdbg.engine.touches import EVENTS, READ, WRITE, Touches
from vmdbg.units import CpuId, Linear, Physical, Tick
from vmdbg.x86.cpuid import CpuidTable

ffi, lib = _native.ffi, _native.lib

DELIVERIES: int = lib.DELIVERIES
"""That the native part remembers."""
RING_3 = 3
WIDTHS = (16, 32, 64)

_EVENT_BITS = {
    EventKind.CR3_LOAD: lib.CATCH_CR3,
    EventKind.MODE_SWITCH: lib.CATCH_MODE,
    EventKind.MSR_READ: lib.CATCH_MSR_READ,
    EventKind.MSR_WRITE: lib.CATCH_MSR_WRITE,
    EventKind.PORT_READ: lib.CATCH_PORT_READ,
    EventKind.PORT_WRITE: lib.CATCH_PORT_WRITE,
    EventKind.RING: lib.CATCH_RING,
    EventKind.MAGIC: lib.CATCH_MAGIC,
    EventKind.LOCKED: lib.CATCH_LOCKED,
}
_TOUCHED_PORTS = re.compile(rb"[^\0]+")
_EVENTS = {bit: kind for kind, bit in _EVENT_BITS.items()}
_ACCESS_BITS = {Access.READ: lib.WATCH_READ, Access.WRITE: lib.WATCH_WRITE}
_ACCESSES = {bit: access for access, bit in _ACCESS_BITS.items()}
_DELIVERY_KINDS = {
    lib.DELIVER_EXCEPTION: DeliveryKind.EXCEPTION,
    lib.DELIVER_SOFTWARE: DeliveryKind.SOFTWARE,
    lib.DELIVER_EXTERNAL: DeliveryKind.EXTERNAL,
    lib.DELIVER_NMI: DeliveryKind.NMI,
}
_PLAIN_EXITS: dict[int, Exit] = {
    lib.EXIT_LIMIT: LimitReached(),
    lib.EXIT_HALT: Halted(),
    lib.EXIT_STEPPED: Stepped(),
    lib.EXIT_BREAKPOINT: BreakpointHit(),
    lib.EXIT_TRIPLE_FAULT: TripleFault(),
    lib.EXIT_REQUESTED: StopRequested(),
    lib.EXIT_STUCK: Stuck(),
    lib.EXIT_TURN: TurnOver(),
}


def exit_of(vm: _native.Vm, code: int) -> Exit:
    """What a run that did not fail ended with."""
    plain = _PLAIN_EXITS.get(code)
    if plain is not None:
        return plain
    if code == lib.EXIT_WATCHPOINT:
        return WatchpointHit(watch_hits(vm))
    if code == lib.EXIT_EXCEPTION:
        return last_delivery(vm)
    if code == lib.EXIT_CATCH:
        return EventCaught(_EVENTS[vm.exit_detail], vm.exit_linear, vm.exit_value)
    assert code == lib.EXIT_VOID_FETCH, code
    return VoidFetch(Linear(vm.exit_linear), Physical(vm.exit_physical))


def last_delivery(vm: _native.Vm) -> ExceptionDelivered:
    """As what a run has ended with."""
    return ExceptionDelivered(delivery(vm.deliveries[(vm.delivery_count - 1) % DELIVERIES]))


def load_cpuid(vm: _native.Vm, table: CpuidTable) -> None:
    """Of the CPU that is selected."""
    rows = ffi.new("VmCpuid[]", len(table.rows))
    for native, row in zip(rows, table.rows, strict=True):
        native.leaf, native.subleaf = row.leaf, lib.ANY_SUBLEAF if row.subleaf is None else row.subleaf
        native.eax, native.ebx, native.ecx, native.edx = row.eax, row.ebx, row.ecx, row.edx
    lib.vm_set_cpuid(vm, rows, len(table.rows), table.max_basic, table.max_extended)


def load_watchpoints(vm: _native.Vm, watchpoints: Sequence[Watchpoint]) -> None:
    native = ffi.new("VmWatchpoint[]", len(watchpoints))
    for row, watchpoint in zip(native, watchpoints, strict=True):
        row.address, row.size, row.id = watchpoint.address, watchpoint.size, watchpoint.number
        row.kind = lib.WATCH_PHYSICAL if watchpoint.physical else 0
        for access in watchpoint.accesses:
            row.kind |= _ACCESS_BITS[access]
    lib.vm_set_watchpoints(vm, native, len(watchpoints))


def load_catches(vm: _native.Vm, catches: Catches) -> None:
    for word in range(4):
        vm.catch_vectors[word] = _vector_bits(catches.vectors, word)
        vm.catch_interrupts[word] = _vector_bits(catches.interrupts, word)
    mask = 0
    for event in catches.events:
        mask |= _EVENT_BITS[event]
    msrs = sorted(catches.msrs)
    accesses = mask & (lib.CATCH_PORT_READ | lib.CATCH_PORT_WRITE)
    ports = bytearray(0x10000) if catches.ports else bytearray((accesses,)) * 0x10000
    for port in catches.ports:
        ports[port] = accesses
    lib.vm_set_catches(vm, mask, ffi.new("uint32_t[]", msrs), len(msrs), ffi.from_buffer("uint8_t[]", ports))


def watch_hits(vm: _native.Vm) -> tuple[WatchHit, ...]:
    return tuple(_watch_hit(vm.watch_hits[i]) for i in range(vm.watch_hit_count))


def _watch_hit(native: object) -> WatchHit:
    hit = ffi.addressof(native)
    return WatchHit(
        hit.id,
        _ACCESSES[hit.access],
        Linear(hit.linear),
        Physical(hit.physical),
        hit.size,
        bytes(hit.old)[: hit.old_size],
        Linear(hit.pc),
    )


def _vector_bits(vectors: Iterable[int], word: int) -> int:
    """The vectors that are in one of the four words of a mask."""
    return sum(1 << (vector & 63) for vector in vectors if vector >> 6 == word)


def delivery(native: object) -> Delivery:
    d = ffi.addressof(native)
    return Delivery(
        tick=Tick(d.tick),
        kind=_DELIVERY_KINDS[d.kind],
        vector=d.vector,
        error_code=d.error_code,
        rip=d.rip,
        linear_pc=Linear(d.linear_pc),
        rsp=d.rsp,
        cr3=d.cr3,
        cr2=Linear(d.cr2),
        handler=d.handler,
        cpl=d.cpl,
        width=d.width,
        code=ffi.buffer(d.code)[: d.code_size],
        cpu=CpuId(d.cpu),
    )


def are_deliveries(saved: bytes) -> bool:
    """Whether the bytes, which may be a stranger's, are deliveries that can be shown."""
    size = ffi.sizeof("VmDelivery")
    if len(saved) % size or len(saved) > DELIVERIES * size:
        return False
    found = ffi.from_buffer("VmDelivery[]", saved)
    return all(
        one.kind in _DELIVERY_KINDS and one.cpl <= RING_3 and one.width in WIDTHS and one.code_size <= len(one.code)
        for one in found
    )


def touches(vm: _native.Vm) -> Touches:
    """What was gathered, of which nothing is left in the native part."""
    touched, count = vm.touched, vm.touched.count
    linear, lines, written, words = (ffi.new("uint64_t[]", count) for _ in range(4))
    physical, kinds = ffi.new("uint32_t[]", count), ffi.new("uint8_t[]", count)
    lib.touched_export(vm, linear, lines, written, words, physical, kinds)
    return Touches(
        bytes(ffi.buffer(linear)),
        bytes(ffi.buffer(lines)),
        bytes(ffi.buffer(written)),
        bytes(ffi.buffer(words)),
        bytes(ffi.buffer(physical)),
        bytes(ffi.buffer(kinds)),
        _touched_ports(bytes(ffi.buffer(touched.ports))),
        _vectors(touched.exceptions),
        _vectors(touched.interrupts),
        frozenset(kind for kind in EVENTS if touched.events & _EVENT_BITS[kind]),
        bool(touched.overflowed),
    )


def _touched_ports(kinds: bytes) -> bytes:
    wanted = []
    for found in _TOUCHED_PORTS.finditer(kinds):
        for port in range(*found.span()):
            read = READ if kinds[port] & lib.CATCH_PORT_READ else 0
            wrote = WRITE if kinds[port] & lib.CATCH_PORT_WRITE else 0
            wanted.append(port.to_bytes(2, "little") + bytes([read | wrote]))
    return b"".join(wanted)


def _vectors(bits: _native.Numbers) -> int:
    return int.from_bytes(bytes(ffi.buffer(bits)), "little")
