"""step-mode."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.actions import StepMode
from vmdbg.document.document import Document, document
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session

MEANINGS = {
    StepMode.SAME_CONTEXT: "an interrupt or fault taken during a step runs to its return before the step counts",
    StepMode.ARCHITECTURAL: "a step ends at the next instruction, be it a handler's",
}


def declare(parser: Parser) -> None:
    parser.add_argument(
        "mode",
        nargs="?",
        choices=[mode.value for mode in StepMode],
        metavar="MODE",
        help="same-context or architectural",
    )


@command("step-mode", Group.RUN, declare, examples=("step-mode", "step-mode architectural", "step-mode same-context"))
def step_mode(session: Session, arguments: Arguments) -> Document:
    """Show or choose what a step does when an interrupt or fault comes: run through it, or show it."""
    if arguments.mode:
        session.debugger.step_mode = StepMode(arguments.mode)
    mode = session.debugger.step_mode
    return document(f"{mode.value}: {MEANINGS[mode]}", value={"mode": mode.value})
