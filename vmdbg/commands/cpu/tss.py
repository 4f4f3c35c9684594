"""tss."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, address, document, hexadecimal, joined, pairs, text
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session
from vmdbg.session.tables import read_task, task_segment
from vmdbg.x86.descriptor_tables import task_problems
from vmdbg.x86.task_state import TaskState


@command("tss", Group.CPU, aliases=("info tss",), examples=("tss",))
def tss(session: Session, arguments: Arguments) -> Document:
    """Show the current task-state segment: stacks, IST, I/O bitmap, saved registers, and what is wrong with it."""
    segment, task = task_segment(session), read_task(session)
    if task is None:
        return document(
            f"TR is {session.registers.read('tr'):#x}: there is no task-state segment that can be read", value={}
        )
    title = joined(
        (text(f"{task.width.value}-bit TSS at ", Style.HEADING), address(segment.base), f" limit {segment.limit:#x}")
    )
    problems = [text(f"problem: {one}", Style.BAD) for one in task_problems(task, segment)]
    return document(title, pairs(_rows(session, task)), *problems)


def _rows(session: Session, task: TaskState) -> list[tuple[str, Text]]:
    rows: list[tuple[str, Text]] = []
    for ring, (selector, pointer) in enumerate(task.stacks):
        where = f"{selector:#06x}:" if selector is not None else ""
        rows.append((f"stack of ring {ring}", joined((where, _pointer(session, pointer)), f"{where}{pointer:#x}")))
    rows += [(f"IST{number}", _pointer(session, pointer)) for number, pointer in enumerate(task.ist, 1)]
    rows += [(name, hexadecimal(value)) for name, value in task.registers]
    if task.io_map_base is not None:
        rows.append(("I/O bitmap", joined(("at offset ", hexadecimal(task.io_map_base)))))
    if task.link is not None:
        rows.append(("link", hexadecimal(task.link)))
    return rows


def _pointer(session: Session, pointer: int) -> Text:
    return joined((address(pointer), text(f"  {session.describe(pointer)}", Style.SYMBOL)), f"{pointer:#x}")
