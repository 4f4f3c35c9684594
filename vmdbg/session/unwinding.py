"""Backtraces: the operating system's where it has one, else frame pointers, else what looks like a return address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.errors import VmdbgError
from vmdbg.os.seam import Backtrace, Frame, FrameKind
from vmdbg.units import Linear
from vmdbg.x86.instruction import Kind

if TYPE_CHECKING:
    from vmdbg.session.session import Session

MAX_FRAMES = 256
USER = 3
PROLOGUES = (b"\x55\x48\x89\xe5", b"\x55\x48\x8b\xec", b"\x55\x89\xe5", b"\x55\x8b\xec")
ENDBR = (b"\xf3\x0f\x1e\xfa", b"\xf3\x0f\x1e\xfb")


def backtrace(session: Session) -> Backtrace:
    """Of what the CPU executes. Never raises for the guest's state."""
    system = session.system.find() if session.registers.cpl < USER else None
    if system is not None:
        try:
            return system.backtrace()
        except VmdbgError:
            pass
    return FramePointers(session).trace()


class FramePointers:
    """Follows rbp, with care at a function's first and last instructions, where it is still the caller's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._word = session.registers.mode.width // 8
        long = session.registers.mode.is_long
        self._base = 0 if long else session.registers.read("ss_base")
        self._code_base = session.debugger.pc - session.registers.read("rip")

    def trace(self) -> Backtrace:
        read = self._session.registers.read
        sp, bp = self._base + read("rsp"), read("rbp")
        frames = [self._frame(0, self._session.debugger.pc, sp, FrameKind.CURRENT)]
        entry = self._at_entry(sp)
        if entry is not None:
            return_address, sp = entry
            frames.append(self._frame(1, return_address, sp, FrameKind.CALL))
        stopped = self._follow(frames, sp, bp)
        return Backtrace(tuple(frames), not stopped, stopped)

    def _follow(self, frames: list[Frame], sp: int, bp: int) -> str:
        """Why it came to an end; empty at the outermost frame."""
        while len(frames) < MAX_FRAMES:
            if bp == 0:
                return ""
            place = self._base + bp
            if place < sp or place % self._word:
                return f"rbp {bp:#x} is no frame above the stack pointer {sp:#x}"
            saved, return_address = self._load(place), self._load(place + self._word)
            if saved is None or return_address is None:
                return f"the frame at {place:#x} cannot be read"
            if not return_address:
                return ""
            linear = self._code_base + return_address & (1 << 64) - 1
            if not self._follows_call(linear):
                return f"{linear:#x}, the return address at {place + self._word:#x}, does not follow a call"
            sp = place + 2 * self._word
            frames.append(self._frame(len(frames), linear, sp, FrameKind.CALL))
            bp = saved
        return f"more than {MAX_FRAMES} frames"

    def _at_entry(self, sp: int) -> tuple[int, int] | None:
        """Return address and caller's stack pointer while the frame is being made or is gone already."""
        pc = self._session.debugger.pc
        code = self._session.debugger.linear().read_prefix(pc, 8)
        where = self._session.symbols.nearest(pc)
        offset = where.offset if where is not None else -1
        if (
            code[:1] in (b"\xc3", b"\xc2")
            or offset == 0
            or code.startswith(PROLOGUES)
            or (code.startswith(ENDBR) and offset in (0, -1))
        ):
            depth = 0
        elif self._pushed_only(pc, offset):
            depth = self._word
        else:
            return None
        found = self._load(sp + depth)
        if found is None or not self._follows_call(self._code_base + found):
            return None
        return self._code_base + found, sp + depth + self._word

    def _pushed_only(self, pc: int, offset: int) -> bool:
        """Whether the instruction before is the `push rbp` of a prologue."""
        if offset not in (1, 5):
            return False
        start = self._session.debugger.linear().read_prefix(Linear(pc - 1), 4)
        return start.startswith(PROLOGUES) or any(start == prologue[: len(start)] for prologue in PROLOGUES)

    def _load(self, address: int) -> int | None:
        data = self._session.debugger.linear().read_prefix(Linear(address), self._word)
        return int.from_bytes(data, "little") if len(data) == self._word else None

    def _follows_call(self, address: int) -> bool:
        return follows_call(self._session, address)

    def _frame(self, number: int, pc: int, sp: int, kind: FrameKind) -> Frame:
        lookup = pc - 1 if kind is FrameKind.CALL else pc
        location = self._session.symbols.nearest(lookup)
        if location is not None and lookup != pc:
            location = type(location)(location.symbol, location.offset + 1)
        return Frame(number, Linear(pc), Linear(sp), location, kind, "", {})


def follows_call(session: Session, address: int) -> bool:
    """Whether the instruction that ends at the address is a call."""
    for size in (5, 2, 3, 6, 7, 4):
        code = session.debugger.linear().read_prefix(Linear(max(0, address - size)), size)
        if len(code) < size:
            continue
        found = session.disassembler.decode(code, 0)
        if found.length == size and Kind.CALL in found.kind:
            return True
    return False
