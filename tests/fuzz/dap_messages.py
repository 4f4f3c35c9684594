"""Messages of a hostile client: by the protocol's own schema, with what does not belong there, and plain bytes."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.vmdbg.dap.specification import definitions

DEEPEST = 4
MOST_SAID, AGAIN = 256, 0.7
"""Messages kept, and how many are of those: making one takes longer than answering it."""
NUMBERS = (0, 1, 2, 3, 4, 7, 16, 255, 1000, 1001, 4096, 65535, 1 << 31, 1 << 63, (1 << 64) - 1, 1 << 64, -1, -(1 << 63))
WRONG: tuple[Any, ...] = (
    None, True, False, -1, 1.5, float("inf"), float("nan"), 1e308, "", "x", "\0", "\ud800", "ä" * 40, [], {}, [[]],
    {"a": {}}, 1 << 200,
)  # fmt: skip
WORDS = (
    "rax", "rip", "$rsp", "mem[rsp]", "phys[0]", "((((", ")", "1/0", "1 << 100000", "'a' * 9999999", "demo_run",
    "printk", "main.c", "main.c:67", "/samples/kernel/main.c", "0x1000", "0xffffffffffffffff", "phys:0", "phys:0x7000",
    "", " ", "%", "% 0", "% 3", ">= 2", "{rax}", "{", "{{}}", "{rax:#x} {nosuch}", "0x1000/8", "0x1000/99999999999",
    "vector14", "oops", "syscall", "disk", "line", "instruction", "readWrite", "hover", "watch", "repl", "clipboard",
    "\x1b[2J", "%s%n", "a" * 5000, "AAECAw==", "=", "printk.format", "*(int *)0", "object(\"int\", 0)",
)  # fmt: skip
COMMANDS = (
    "registers", "bt", "help", "gdt", "x 0", "points", "stepi 3", "reverse-stepi", "goto +500", "goto start", "tick",
    "set rax = 1", "print 1", "break printk", "delete all", "nosuch", "x/99999999i 0", "search 0", "frame 3", "fork",
)  # fmt: skip
"""Lines of the debug console."""


@functools.cache
def requests() -> Mapping[str, Mapping[str, Any]]:
    """The schema of each command's arguments."""
    found = {}
    for name, body in definitions().items():
        if name.endswith("Request") and name != "Request":
            properties = body["allOf"][1]["properties"]
            (command,) = properties["command"]["enum"]
            found[str(command)] = properties.get("arguments", {"type": "object"})
    return found


class Messages:
    """`chance` decides everything: the same seed says the same."""

    def __init__(self, chance: random.Random, commands: Sequence[str] = ()) -> None:
        """`commands`: those that are asked, some of them oftener than others; all where there are none."""
        self._chance = chance
        self._commands = commands or sorted(requests())
        self._seq = 0
        self._said: list[bytes] = []

    def request(self) -> dict[str, Any]:
        """One with arguments that are, for the most part, what they should be."""
        chance = self._chance
        self._seq += 1
        command = chance.choice(self._commands)
        arguments = self._value(requests().get(command, {}), DEEPEST)
        if command == "evaluate" and isinstance(arguments, dict) and arguments.get("context") == "repl":
            arguments["expression"] = chance.choice(COMMANDS)
        made = {"seq": self._seq, "type": "request", "command": command, "arguments": arguments}
        if chance.random() < 0.02:
            made[chance.choice(tuple(made))] = chance.choice(WRONG)
        return made

    def bytes(self) -> bytes:
        """A message, or what is nearly one; now and then one that was said before, which means another thing now."""
        chance = self._chance
        how = chance.random()
        if how < 0.001:
            return chance.randbytes(chance.randrange(200))
        body = self._body()
        if 0.002 < how < 0.05:
            body = self._damaged(body)
        if how < 0.002:
            return b"Content-Length: %d\r\n\r\n%b" % (len(body) + chance.choice((-3, -1, 1, 9)), body)
        return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    def _body(self) -> bytes:
        if len(self._said) >= MOST_SAID and self._chance.random() < AGAIN:
            return self._chance.choice(self._said)
        body = json.dumps(self.request()).encode()
        if len(self._said) < MOST_SAID:
            self._said.append(body)
        else:
            self._said[self._seq % MOST_SAID] = body
        return body

    def _damaged(self, body: bytes) -> bytes:
        changed = bytearray(body)
        for _ in range(self._chance.randrange(1, 4)):
            changed[self._chance.randrange(len(changed))] = self._chance.randrange(256)
        return bytes(changed[: self._chance.randrange(len(changed) + 1)] if self._chance.random() < 0.3 else changed)

    def _value(self, schema: Mapping[str, Any], depth: int) -> Any:
        chance = self._chance
        if chance.random() < 0.015:
            return chance.choice(WRONG)
        if "$ref" in schema:
            return self._value(definitions()[schema["$ref"].rpartition("/")[2]], depth)
        if "allOf" in schema:
            made: dict[str, Any] = {}
            for part in schema["allOf"]:
                value = self._value(part, depth)
                made |= value if isinstance(value, dict) else {}
            return made
        if "enum" in schema:
            return chance.choice(schema["enum"])
        kind = schema.get("type", "object")
        kind = chance.choice(kind) if isinstance(kind, list) else kind
        return self._of_kind.get(kind, Messages._object)(self, schema, depth)

    def _object(self, schema: Mapping[str, Any], depth: int) -> Any:
        chance, required = self._chance, schema.get("required", ())
        return {
            name: self._value(value, depth - 1)
            for name, value in schema.get("properties", {}).items()
            if (name in required and chance.random() > 0.01) or (depth > 0 and chance.random() < 0.4)
        }

    def _array(self, schema: Mapping[str, Any], depth: int) -> Any:
        length = self._chance.choice((0, 1, 1, 2, 3)) if depth > 0 else 0
        return [self._value(schema.get("items", {}), depth - 1) for _ in range(length)]

    _of_kind: Mapping[str, Callable[[Messages, Mapping[str, Any], int], Any]] = {
        "object": _object,
        "array": _array,
        "integer": lambda self, _schema, _depth: self._chance.choice(NUMBERS),
        "number": lambda self, _schema, _depth: self._chance.choice(NUMBERS),
        "string": lambda self, _schema, _depth: self._chance.choice(WORDS),
        "boolean": lambda self, _schema, _depth: self._chance.random() < 0.5,
        "null": lambda _self, _schema, _depth: None,
    }
