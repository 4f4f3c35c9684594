"""Putting functions into a registry."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.session.registry import Arguments, Effect, Group, Registry
from vmdbg.session.session import Session


def test_a_function_is_a_command_of_that_registry_and_stays_a_function(session: Session) -> None:
    registry: Registry[Session] = Registry()

    @command("greet", Group.SESSION, aliases=("hi",), effect=Effect.FILES, registry=registry)
    def greet(_session: Session, _arguments: Arguments) -> Document:
        """Greet."""
        return document("hello")

    found = registry.find("hi")
    assert (found.name, found.summary, found.effect, found.function) == ("greet", "Greet.", Effect.FILES, greet)
    assert session.registry.get("greet") is None
    session.registry.add(found)
    assert session.execute("hi") == "hello\n"
    del session.registry.commands["greet"]
    for name in ("greet", "hi"):
        del session.registry._names[name]
