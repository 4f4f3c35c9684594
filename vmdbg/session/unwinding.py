"""Backtraces: by call frame information, else by the operating system's tables, else by frame pointers."""

from __future__ import annotations

from dataclasses import replace

from vmdbg.debugger.back_to import calls_to
from vmdbg.dwarf.registers import PRESERVED_64
from vmdbg.errors import VmdbgError
from vmdbg.os.seam import Backtrace, Frame, FrameKind
from vmdbg.session.known_guest import KnownGuest
from vmdbg.units import Linear

MAX_FRAMES = 256
USER = 3
PROLOGUES = (b"\x55\x48\x89\xe5", b"\x55\x48\x8b\xec", b"\x55\x89\xe5", b"\x55\x8b\xec")
ENDBR = (b"\xf3\x0f\x1e\xfa", b"\xf3\x0f\x1e\xfb")
_GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16)), "rip")
_OTHERS = ("rflags", "fs_base", "gs_base", *(f"xmm{n}" for n in range(16)))


def backtrace(guest: KnownGuest) -> Backtrace:
    """Of what the CPU executes. Never raises for the guest's state."""
    system = guest.system.find() if guest.registers.cpl < USER else None
    if system is not None:
        try:
            return _with_user(guest, system.backtrace())
        except VmdbgError:
            pass
    return Unwinder(guest).trace([current_frame(guest)])


def current_frame(guest: KnownGuest) -> Frame:
    """The frame that the CPU is in."""
    known = guest.debugger.cpu.names
    registers = guest.debugger.cpu.read_several([*_GENERAL, *(name for name in _OTHERS if name in known)])
    pc = guest.debugger.pc
    location = guest.symbols.nearest(pc)
    kind = FrameKind.CURRENT
    return Frame(0, pc, Linear(guest.debugger.cpu.linear_sp), location, kind, "", registers, is_exact=True)


def _with_user(guest: KnownGuest, trace: Backtrace) -> Backtrace:
    """The frames of the process behind those of the kernel that it called, as far as its files tell of them."""
    frames = list(trace.frames)
    if not frames:
        return trace
    if frames[0].kind is not FrameKind.USER and not frames[0].number:
        frames[0] = replace(frames[0], registers=current_frame(guest).registers | frames[0].registers)
    last = frames[-1]
    if last.kind is FrameKind.USER and guest.call_frames.caller(last.registers, is_exact=last.is_exact) is not None:
        return Unwinder(guest).trace(frames)
    return replace(trace, frames=tuple(frames))


class Unwinder:
    """From any frame on: by symbol files, else by rbp, else to where neither leads further."""

    def __init__(self, guest: KnownGuest) -> None:
        self._guest = guest
        self._files = guest.call_frames
        self._pointers = FramePointers(guest)
        self._is_flat = not guest.debugger.cpu.code_base and not self._pointers.stack_base

    def trace(self, frames: list[Frame]) -> Backtrace:
        """Goes on from the last of `frames`."""
        seen = set()
        while len(frames) < MAX_FRAMES:
            last = frames[-1]
            if (last.pc, last.sp) in seen:
                return Backtrace(tuple(frames), False, f"the stack at {last.sp:#x} leads back to itself")
            seen.add((last.pc, last.sp))
            found = self._files.caller(last.registers, is_exact=last.is_exact) if self._is_flat else None
            if found is None:
                step = self._pointers.step(last)
                if isinstance(step, str):
                    return Backtrace(tuple(frames), not step, step)
                found = step, False
            registers, is_exact = found
            if not registers or not registers["rip"]:
                return Backtrace(tuple(frames), True, "")
            frames.append(self._frame(len(frames), registers, is_exact))
        return Backtrace(tuple(frames), False, f"more than {MAX_FRAMES} frames")

    def _frame(self, number: int, registers: dict[str, int], is_exact: bool) -> Frame:
        pc = self._pointers.code_base + registers["rip"] & (1 << 64) - 1
        location = self._guest.symbols.nearest(pc if is_exact else pc - 1)
        if location is not None and not is_exact:
            location = type(location)(location.symbol, location.offset + 1)
        sp = self._pointers.stack_base + registers["rsp"]
        kind = FrameKind.INTERRUPTED if is_exact else FrameKind.CALL
        return Frame(number, Linear(pc), Linear(sp), location, kind, "", registers, is_exact=is_exact)


class FramePointers:
    """Follows rbp, with care at a function's first and last instructions, where it is still the caller's."""

    def __init__(self, guest: KnownGuest) -> None:
        self._guest = guest
        self._word = guest.registers.mode.width // 8
        cpu = guest.debugger.cpu
        self.stack_base, self._stack_mask = cpu.stack_base, cpu.stack_mask
        self.code_base = cpu.code_base

    def step(self, frame: Frame) -> dict[str, int] | str:
        """The caller's registers that follow; why there are none; "" at the outermost frame."""
        sp: int = frame.sp
        bp = frame.registers.get("rbp")
        entry = self._at_entry(frame.pc, sp) if frame.is_exact else None
        if entry is not None:
            return_address, sp = entry
            kept = {name: value for name, value in frame.registers.items() if name in PRESERVED_64}
            return kept | {"rip": return_address, "rsp": sp - self.stack_base}
        return self._follow(sp, bp)

    def _follow(self, sp: int, bp: int | None) -> dict[str, int] | str:
        if bp is None:
            return "rbp is not known, and no frame information covers the code"
        bp &= self._stack_mask
        if bp == 0:
            return ""
        place = self.stack_base + bp
        if place < sp or place % self._word:
            return f"rbp {bp:#x} is no frame above the stack pointer {sp:#x}"
        saved, return_address = self._load(place), self._load(place + self._word)
        if saved is None or return_address is None:
            return f"the frame at {place:#x} cannot be read"
        if not return_address:
            return ""
        linear = self.code_base + return_address & (1 << 64) - 1
        if not follows_call(self._guest, linear):
            return f"{linear:#x}, the return address at {place + self._word:#x}, does not follow a call"
        return {"rip": return_address, "rsp": bp + 2 * self._word, "rbp": saved}

    def _at_entry(self, pc: int, sp: int) -> tuple[int, int] | None:
        """Return address and caller's stack pointer while the frame is being made or is gone already."""
        code = self._guest.debugger.linear().read_prefix(Linear(pc), 8)
        where = self._guest.symbols.nearest(pc)
        offset = where.offset if where is not None else -1
        if (
            code[:1] in (b"\xc3", b"\xc2")
            or offset == 0
            or code.startswith(PROLOGUES)
            or (code.startswith(ENDBR) and offset in (0, -1))
            or self._was_called(pc, sp)
        ):
            depth = 0
        elif self._pushed_only(pc, offset):
            depth = self._word
        else:
            return None
        found = self._load(sp + depth)
        if found is None or not follows_call(self._guest, self.code_base + found):
            return None
        return found, sp + depth + self._word

    def _was_called(self, pc: int, sp: int) -> bool:
        """Whether the top of the stack is behind a direct call to this very place."""
        found = self._load(sp)
        return found is not None and _call_before(self._guest, self.code_base + found, pc)

    def _pushed_only(self, pc: int, offset: int) -> bool:
        """Whether the instruction before is the `push rbp` of a prologue."""
        if offset not in (1, 5):
            return False
        start = self._guest.debugger.linear().read_prefix(Linear(pc - 1), 4)
        return start.startswith(PROLOGUES) or any(start == prologue[: len(start)] for prologue in PROLOGUES)

    def _load(self, address: int) -> int | None:
        data = self._guest.debugger.linear().read_prefix(Linear(address), self._word)
        return int.from_bytes(data, "little") if len(data) == self._word else None


def follows_call(guest: KnownGuest, address: int) -> bool:
    """Whether the instruction that ends at the address is a call."""
    return _call_before(guest, address)


def _call_before(guest: KnownGuest, address: int, target: int | None = None) -> bool:
    """Whether a call ends at the address; a direct one to `target` if that is given."""
    debugger = guest.debugger
    for start in calls_to(debugger, address):
        code = debugger.linear().read_prefix(Linear(start), address - start)
        found = guest.disassembler.decode_at(code, start, debugger.cpu.code_base)
        if target in (None, found.target):
            return True
    return False
