"""Runs inside gdb, not here, after inside_gdb: stacks as vmdbg has them, where gdb knows nothing of the code.

gdb reads stacks as 64-bit code without frame pointers would leave them: of real mode, of 32-bit code and of a kernel
without symbols it makes up frames. Code that gdb has symbols of is left to it.
"""

import gdb
import gdb.FrameDecorator
import gdb.unwinder

OUTERMOST = (1 << 64) - 1
"""Stands for the stack pointer of a caller that nobody knows."""


class FrameId:
    """What tells a frame from others, and is the same throughout its function: its caller's stack pointer."""

    def __init__(self, sp, pc) -> None:
        self.sp = sp
        self.pc = pc


class GuestUnwinder(gdb.unwinder.Unwinder):
    """Takes the callers of the frame that the CPU is in from `monitor gdb-frames`, at every stop anew."""

    def __init__(self) -> None:
        super().__init__("vmdbg")
        self.frames: list[dict[str, int]] = []
        self.names: dict[int, str] = {}

    def __call__(self, pending):
        level = pending.level()
        try:
            pc, sp = pending.read_register("pc"), pending.read_register("sp")
            if known_to_gdb(int(pc)):
                return None
            if not level:
                self.ask()
        except (gdb.error, ValueError):
            return None
        mask = (1 << 8 * pc.type.sizeof) - 1
        if level >= len(self.frames) or self.frames[level]["rip"] & mask != int(pc) & mask:
            return None
        caller = self.frames[level + 1] if level + 1 < len(self.frames) else {"rsp": OUTERMOST, "rip": 0}
        place = (gdb.Value(number & mask).cast(sp.type) for number in (caller["rsp"], self.frames[level]["start"]))
        found = pending.create_unwind_info(FrameId(*place))
        for name, value in caller.items():
            self.save(pending, found, name, value)
        return found

    def save(self, pending, found, name, value) -> None:
        """Clients of 32 bits have short names."""
        for known in (name, "e" + name[1:]):
            try:
                type_ = pending.read_register(known).type
            except (gdb.error, ValueError):
                continue
            found.add_saved_register(known, gdb.Value(value & (1 << 8 * type_.sizeof) - 1).cast(type_))
            return

    def ask(self) -> None:
        """Each line has what is known of a frame's registers, and its function's name, after `=`, where it has one."""
        self.frames, self.names = [], {}
        for line in gdb.execute("monitor gdb-frames", to_string=True).splitlines():
            registers, _, name = line.partition(" =")
            words = [word.partition("=") for word in registers.split()]
            self.frames.append({word: int(value, 16) for word, _, value in words})
            self.names[self.frames[-1]["rip"]] = name


class GuestFrame(gdb.FrameDecorator.FrameDecorator):
    """A frame with vmdbg's name for code that gdb has none for."""

    def function(self):
        pc = self.inferior_frame().pc()
        return super().function() if known_to_gdb(pc) else UNWINDER.names.get(pc) or "??"


class GuestFrames:
    """What `backtrace` shows: names, and no frame behind the last."""

    name, priority, enabled = "vmdbg", 100, True

    def filter(self, frames):
        return (GuestFrame(frame) for frame in frames if frame.inferior_frame().pc())


def known_to_gdb(pc: int) -> bool:
    """Whether gdb has a symbol for that code."""
    return not gdb.execute(f"info symbol {pc & (1 << 64) - 1:#x}", to_string=True).startswith("No symbol matches")


UNWINDER = GuestUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
gdb.frame_filters[GuestFrames.name] = GuestFrames()
