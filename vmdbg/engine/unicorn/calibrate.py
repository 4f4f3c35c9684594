"""Whether the engine is the one that vmdbg was built for.

The native part knows where Unicorn's private structures keep things, and replaces functions of it at link time.
Each check runs a few instructions and looks for their effect where the native part expects it; nothing here goes
through Unicorn's own interface.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from vmdbg.engine.exits import BreakpointHit, Delivery, Exit, Halted, LimitReached, Stepped
from vmdbg.engine.stops import Breakpoints
from vmdbg.engine.unicorn.bare import CODE, DATA, HANDLERS, WINDOW, BareCpu
from vmdbg.errors import EngineError
from vmdbg.units import Linear, Tick

GENERAL = ("rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
PI = (0x4000, 0xC90FDAA22168C235)
SYSTEM_VALUE = 0x5678_1234_5000
MEMORY_TYPES = 0x0605_0401_0506_0104
DR6_BS = 0xFFFF4FF0


@dataclass(frozen=True, slots=True)
class Check:
    """`judge` is given the CPU after the code has run from tick `start`, and says what is wrong, or nothing."""

    name: str
    code: str
    judge: Callable[[BareCpu, int], str]
    end: type[Exit] = Halted


def _wrong(**pairs: tuple[int, int]) -> str:
    return ", ".join(f"{name} is {got:#x}, not {want:#x}" for name, (got, want) in pairs.items() if got != want)


def _general(cpu: BareCpu, _start: int) -> str:
    expected = {name: 0x1111111111111111 * n for n, name in enumerate(GENERAL, 1)}
    return _wrong(**{name: (cpu[name], value & (1 << 64) - 1) for name, value in expected.items()})


def _system(cpu: BareCpu, _start: int) -> str:
    low, high = SYSTEM_VALUE & 0xFFFFFFFF, SYSTEM_VALUE
    wanted = {"cr2": low, "dr0": low, "lstar": high, "fs_base": high, "kernel_gs_base": high, "sysenter_esp": high}
    wanted["mtrr_fixed0"] = MEMORY_TYPES
    return _wrong(**{name: (cpu[name], value) for name, value in wanted.items()})


def _floating(cpu: BareCpu, _start: int) -> str:
    sign_exponent, mantissa = PI
    wanted = {"st0": sign_exponent << 64 | mantissa, "mxcsr": 0x3F80, "xmm15": 0x123456789ABCDEF0, "fctrl": 0x37F}
    return _wrong(**{name: (cpu[name], value) for name, value in wanted.items()})


def _clock(cpu: BareCpu, start: int) -> str:
    loop = 5 * 4
    stamp = start + 3 + 5 + loop
    return _wrong(tick=(cpu.engine.clock, stamp + 3), RDTSC=(cpu["rdx"] << 32 | cpu["rax"], stamp))


def _ports(cpu: BareCpu, start: int) -> str:
    seen = [(a.kind, a.address, a.size, a.value, a.now - start) for a in cpu.bus.log]
    wanted = [("in", 0x42, 1, 0x88, 0), ("out", 0x1234, 2, 0x88, 6), ("in", 0x1234, 4, 0x55667788, 8)]
    return "" if seen == wanted else f"the bus saw {seen}"


def _mmio(cpu: BareCpu, start: int) -> str:
    seen = [(a.kind, a.address, a.size, a.value, a.now - start) for a in cpu.bus.log]
    wanted = [("read", WINDOW + 4, 4, 0x55667788, 5), ("write", WINDOW + 8, 2, 0x7788, 8)]
    return "" if seen == wanted else f"the bus saw {seen}"


def _cpuid(cpu: BareCpu, _start: int) -> str:
    name = b"".join(cpu[r].to_bytes(4, "little") for r in ("rbx", "rdx", "rcx"))
    return "" if name in (b"GenuineIntel", b"AuthenticAMD") else f"the vendor is {name!r}"


def _delivery(cpu: BareCpu, start: int) -> Delivery | None:
    last = cpu.engine.deliveries()[-1:]
    return last[0] if last and last[0].tick >= start else None


def _exception(vector: int, error_code: int | None = None, cr2: int | None = None) -> Callable[[BareCpu, int], str]:
    def judge(cpu: BareCpu, start: int) -> str:
        last = _delivery(cpu, start)
        if last is None:
            return "nothing was delivered"
        wanted = {"vector": (last.vector, vector), "handler": (last.handler, HANDLERS + vector)}
        if error_code is not None:
            wanted["error code"] = (last.error_code, error_code)
        if cr2 is not None:
            wanted["CR2"] = (cpu["cr2"], cr2)
        return _wrong(**wanted)

    return judge


def _trap(cpu: BareCpu, start: int) -> str:
    last = _delivery(cpu, start)
    rip = last.rip if last is not None else 0
    return _exception(1)(cpu, start) or _wrong(rip=(rip, CODE + 7), dr6=(cpu["dr6"], DR6_BS))


def _syscall(cpu: BareCpu, _start: int) -> str:
    return _wrong(rip=(cpu["rip"], HANDLERS + 0x41), rcx=(cpu["rcx"], CODE + 2))


def _accessed(cpu: BareCpu, _start: int) -> str:
    """A cleared A bit stays clear until the guest flushes: Unicorn's TLB is a cache of ours."""
    bits = {name: cpu[register] >> shift & 0x20 for name, register, shift in _ACCESSED_AT}
    return _wrong(
        **{
            "before INVLPG": (bits["before"], 0),
            "after INVLPG": (bits["invlpg"], 0x20),
            "after CR3": (bits["cr3"], 0x20),
        }
    )


_ACCESSED_AT = (("before", "rbx", 0), ("invlpg", "rbx", 8), ("cr3", "rcx", 0))


def _alias(cpu: BareCpu, _start: int) -> str:
    return _wrong(al=(cpu["rax"] & 0xFF, 0), ah=(cpu["rax"] >> 8 & 0xFF, 0xFF))


def _compare_exchange(cpu: BareCpu, _start: int) -> str:
    return _wrong(flags=(cpu["rsi"] & 0x8D5, 0x41), memory=(cpu.read(DATA + 0x100, 8), 4 << 32 | 3))


CHECKS = (
    Check(
        "general registers",
        "48b8111111111111111148b9222222222222222248ba333333333333333348bb444444444444444448bd5555555555555555"
        "48be666666666666666648bf777777777777777749b8888888888888888849b9999999999999999949baaaaaaaaaaaaaaaaa"
        "49bbbbbbbbbbbbbbbbbb49bccccccccccccccccc49bddddddddddddddddd49beeeeeeeeeeeeeeeee49c7c7ffffffff",
        _general,
    ),
    Check(  # CR2, DR0, LSTAR, FS_BASE, KERNEL_GS_BASE, SYSENTER_ESP, MTRR_FIX64K
        "system registers",
        "b8005034120f22d00f23c0b9820000c0ba785600000f30b9000100c00f30b9020100c00f30b9750100000f30"
        "b804010605ba01040506b9500200000f30",
        _system,
    ),
    Check("x87 and SSE registers", "dbe3d9eb68803f00000fae142448b8f0debc9a78563412664c0f6ef8", _floating),
    Check("the clock, exact in a block", "90eb00b905000000ffc975fc0f31", _clock),
    Check("ports", "e44266ba341266efed", _ports),
    Check("memory outside RAM", "bb000001008b430466894308", _mmio),
    Check("CPUID", "31c00fa2", _cpuid),
    Check("#GP and its error code", "b8341200008ed8", _exception(13, error_code=0x1234)),
    Check("#PF and CR2", "bbd0ea0d00894307", _exception(14, error_code=2, cr2=0xDEAD7)),
    Check("#UD", "0f0b", _exception(6)),
    Check("INT n", "cd80", _exception(0x80)),
    Check("single-step traps", "68020100009d9090", _trap),
    Check("SYSCALL", "0f05", _syscall),
    Check(
        "CMPXCHG8B and its flags",
        "bf00a10000c70701000000c7470402000000b801000000ba02000000bb03000000b904000000f90fc70f9c5e",
        _compare_exchange,
    ),
    Check(
        "A bits and flushes",
        "8b042500a0000080242550400000df8b042500a000008a1c25504000000f013c2500a000008b042500a000008a3c2550400000"
        "80242550400000df0f20d80f22d88b042500a000008a0c2550400000",
        _accessed,
    ),
    Check("code changed through another mapping", "bf00a00000c707ffc0c30031c0ffd7c6042500f00000feb4ffb0ffffd7", _alias),
)


def _judge(cpu: BareCpu, check: Check) -> str:
    cpu.reset()
    cpu.engine.write_registers({"star": 8 << 32, "lstar": HANDLERS + 0x40, "fmask": 0})
    cpu.bus.log.clear()
    start = cpu.engine.clock
    ended = cpu.run(bytes.fromhex(check.code))
    if not isinstance(ended, check.end):
        return f"the run ended with {ended}"
    return check.judge(cpu, start)


def _stops(cpu: BareCpu) -> str:
    """A limit, a step and a breakpoint in one block of five NOPs."""
    engine = cpu.engine
    cpu.reset()
    cpu.load(b"\x90" * 5)
    engine.set_breakpoints(Breakpoints((Linear(CODE + 3),)))
    seen = [engine.run(Tick(engine.clock + 1)), engine.step(), engine.run(Tick(engine.clock + 100))]
    engine.set_breakpoints(Breakpoints())
    if seen != [LimitReached(), Stepped(), BreakpointHit()]:
        return f"the stops were {seen}"
    return _wrong(rip=(cpu["rip"], CODE + 3))


def check() -> list[tuple[str, bool, str]]:
    """Name, whether it is as it must be, and what is wrong, for each thing checked. Takes a few milliseconds."""
    cpu = BareCpu()
    try:
        results = [(item.name, _judge(cpu, item)) for item in CHECKS]
        results.append(("limits, steps and breakpoints", _stops(cpu)))
    finally:
        cpu.close()
    return [(name, not wrong, wrong) for name, wrong in results]


@cache
def require() -> None:
    """Once a process. Raises EngineError if the engine is another."""
    wrong = [f"{name}: {detail}" for name, right, detail in check() if not right]
    if wrong:
        raise EngineError(
            "the engine is not the one vmdbg was built for (" + "; ".join(wrong) + "). "
            "Install vmdbg again, with the Unicorn that it names"
        )
