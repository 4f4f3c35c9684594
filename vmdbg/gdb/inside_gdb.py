"""Runs inside gdb, not here: disassembles 16- and 32-bit code as the guest's CPU decodes it.

gdb disassembles by the layout it was given, which is 64-bit whatever mode the guest is in. This asks vmdbg instead
while the CPU is in another mode. It also gives gdb the command `goto POSITION`. In gdb, 13 or newer, while attached:

    python exec(gdb.execute("monitor gdb-helper", to_string=True))
"""

import gdb  # type: ignore[import-untyped,import-not-found,unused-ignore]  # only gdb has it
import gdb.disassembler  # type: ignore[import-untyped,import-not-found,unused-ignore]  # the same

EFER_LMA, CS_LONG = 1 << 10, 1 << 21


class GuestDisassembler(gdb.disassembler.Disassembler):  # type: ignore[misc]  # a base that mypy cannot see
    """Asks vmdbg for one instruction at a time."""

    def __init__(self) -> None:
        super().__init__("vmdbg")

    def __call__(self, info):  # type: ignore[no-untyped-def]  # gdb's own types
        if not outside_64bit_mode():
            return None
        flavor = gdb.parameter("disassembly-flavor")
        answer = gdb.execute(f"monitor gdb-disassemble {info.address:#x} {flavor}", to_string=True)
        length, _, text = answer.strip().partition(" ")
        if not length.isdigit():
            raise gdb.MemoryError(f"Cannot access memory at address {info.address:#x}")
        return gdb.disassembler.DisassemblerResult(int(length), text)


def outside_64bit_mode() -> bool:
    """Whether there is a guest of vmdbg's, in another mode."""
    try:
        read = gdb.newest_frame().read_register
        efer, flags = (int(read(name).format_string(format="x"), 16) for name in ("efer", "cs_flags"))
    except (gdb.error, ValueError):
        return False
    return not (efer & EFER_LMA and flags & CS_LONG)


class GotoCommand(gdb.Command):  # type: ignore[misc]  # a base that mypy cannot see
    """Go to an instant: goto 50%, goto "login:", goto 4.5G, goto hit:schedule#3."""

    def __init__(self) -> None:
        super().__init__("goto", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):  # type: ignore[no-untyped-def]  # gdb's own types
        answer = gdb.execute(f"monitor goto {argument}", to_string=True).strip()
        if answer.startswith("error"):
            raise gdb.GdbError(answer)
        gdb.execute("stepi", from_tty)


GotoCommand()
gdb.disassembler.register_disassembler(GuestDisassembler())
