"""Names that an operating system adds to expressions: the current task, objects by C type, per-CPU variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmdbg.expressions.values import whole

if TYPE_CHECKING:
    from vmdbg.commands.session import Session
    from vmdbg.os.linux.kernel import Kernel


def add_typed_names(session: Session) -> None:
    """`task`, `object("struct file", address)`, `pointer()`, `variable()`, `per_cpu()`, `task_of()`, `sizeof()`,
    `offsetof()`. Each raises UserError where no operating system is known.
    """

    def kernel() -> Kernel:
        return session.system.need().kernel

    def object_(spelling: Any, where: Any) -> Any:
        return kernel().object(str(spelling), where if isinstance(where, str) else whole(where))

    session.scope.objects["task"] = lambda: kernel().current_task()
    session.scope.functions |= {
        "object": object_,
        "pointer": lambda spelling, address: kernel().pointer(str(spelling), whole(address)),
        "variable": lambda name: kernel()[str(name)],
        "per_cpu": lambda name, cpu=0: kernel().per_cpu(str(name), whole(cpu)),
        "task_of": lambda pid: session.system.need().task(whole(pid)),
        "sizeof": lambda spelling: kernel().type(str(spelling)).size,
        "offsetof": lambda spelling, member: kernel().type(str(spelling)).offset_of(str(member)),
    }
