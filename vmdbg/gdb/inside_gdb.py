"""Runs inside gdb, not here: disassembles 16- and 32-bit code as the guest's CPU decodes it.

gdb disassembles by the layout it was given, which is 64-bit whatever mode the guest is in. This asks vmdbg instead
while the CPU is in another mode. It also gives gdb the commands `goto POSITION` and `follow STEP`, and has
`checkpoint`, `restart`, `info checkpoints` and `gcore` do with vmdbg's means what gdb would have processes of the host
for. In gdb, 13 or newer, while attached:

    python exec(gdb.execute("monitor gdb-helper", to_string=True))
"""

import gdb
import gdb.disassembler

EFER_LMA, CS_LONG = 1 << 10, 1 << 21


class GuestDisassembler(gdb.disassembler.Disassembler):
    """Asks vmdbg for one instruction at a time."""

    def __init__(self) -> None:
        super().__init__("vmdbg")

    def __call__(self, info):
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


class GotoCommand(gdb.Command):
    """Go to an instant: goto 50%, goto "login:", goto 4.5G, goto hit:schedule#3."""

    def __init__(self) -> None:
        super().__init__("goto", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        monitor(f"goto {argument}")
        gdb.execute("stepi", from_tty)


class FollowCommand(gdb.Command):
    """Step as vmdbg does, after a task to whatever CPU it goes: follow next, follow step, follow finish, follow until,
    and their reverses, as follow reverse-next.
    """

    def __init__(self) -> None:
        super().__init__("follow", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        monitor(f"follow {argument}")
        gdb.execute("stepi", from_tty)


def monitor(command: str) -> str:
    """The answer to a monitor command. Raises gdb.GdbError."""
    answer: str = gdb.execute(f"monitor {command}", to_string=True).strip()
    if answer.startswith("error"):
        raise gdb.GdbError(answer)
    return answer


class CheckpointCommand(gdb.Command):
    """Give this instant a number, which `restart` goes back to: a bookmark of vmdbg's, which costs nothing."""

    def __init__(self) -> None:
        super().__init__("checkpoint", gdb.COMMAND_RUNNING)
        self.last = 0

    def invoke(self, _argument: str, _from_tty: bool) -> None:
        self.last += 1
        monitor(f"bookmark checkpoint{self.last}")
        print(f"Checkpoint {self.last}: {monitor('tick')}")


class RestartCommand(gdb.Command):
    """Go to a checkpoint: restart N."""

    def __init__(self) -> None:
        super().__init__("restart", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if not argument.isdigit():
            raise gdb.GdbError("restart wants the number of a checkpoint: info checkpoints")
        monitor(f"goto checkpoint{argument}")
        gdb.execute("stepi", from_tty)


class InfoCheckpointsCommand(gdb.Command):
    """Show the checkpoints, and what else has a name in time."""

    def __init__(self) -> None:
        super().__init__("info checkpoints", gdb.COMMAND_STATUS)

    def invoke(self, _argument: str, _from_tty: bool) -> None:
        print(monitor("bookmark"))


class CoreCommand(gdb.Command):
    """Write a core of the whole guest where vmdbg puts files of gdb's: gcore [NAME]."""

    def __init__(self, name: str) -> None:
        super().__init__(name, gdb.COMMAND_SUPPORT)

    def invoke(self, argument: str, _from_tty: bool) -> None:
        print(monitor(f"dump core {argument or 'guest.core'}"))


GotoCommand()
FollowCommand()
CheckpointCommand()
RestartCommand()
InfoCheckpointsCommand()
CoreCommand("generate-core-file")
CoreCommand("gcore")
gdb.disassembler.register_disassembler(GuestDisassembler())
