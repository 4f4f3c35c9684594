"""How a module of this room puts its functions into the registry."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.document.document import Document
from vmdbg.session.registry import Arguments, Command, Declaration, Effect, Group, Registry, nothing
from vmdbg.session.session import Session

Function = Callable[[Session, Arguments], Document]
REGISTRY: Registry[Session] = Registry()


def command(
    name: str,
    group: Group,
    declare: Declaration = nothing,
    *,
    aliases: tuple[str, ...] = (),
    examples: tuple[str, ...] = (),
    rest: str = "",
    condition: bool = False,
    letters: bool = False,
    effect: Effect = Effect.NONE,
    repeats: bool = False,
    requires: Callable[[Session], object] | None = None,
    registry: Registry[Session] = REGISTRY,
) -> Callable[[Function], Function]:
    """Put the function into the registry."""

    def add(function: Function) -> Function:
        registry.add(
            Command(
                name, function, group, declare, aliases, examples, rest, condition, letters, effect, repeats, requires
            )
        )
        return function

    return add
