"""input."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

from devices.seam import DeviceInput, InputDevice
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, document, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("device", nargs="?", metavar="DEVICE", help="who takes it; none: what all of them take")
    parser.add_argument("kind", nargs="?", metavar="INPUT", help="which of the device's inputs")
    parser.add_argument("fields", nargs="*", metavar="FIELD=EXPRESSION", help="what it is of")


@command("input", Group.DEVICES, declare, examples=("input acpi-pm PowerButton",), effect=Effect.CHANGES)
def input_command(session: Session, arguments: Arguments) -> Document:
    """Give a device something from outside, now, as a recorded input; or list what devices take.

    `press` and `send` do this for the buttons and the serial lines.
    """
    takers = {name: d for name, d in session.debugger.machine.pc.devices.items() if isinstance(d, InputDevice)}
    if arguments.device is None:
        rows = [(text(name, Style.LABEL), text(_forms(device))) for name, device in takers.items()]
        return document(table(("device", "takes"), rows))
    device = takers.get(arguments.device)
    if device is None:
        raise UserError(f"{arguments.device!r} takes no inputs; these do: {', '.join(takers)}")
    kinds = {kind.__name__: kind for kind in device.INPUTS}
    kind = kinds.get(arguments.kind or "")
    if kind is None:
        raise UserError(f"{device.name} takes {_forms(device)}")
    session.debugger.timeline.push(_made(session, device, kind, arguments.fields))
    return document(f"{device.name} was given {kind.__name__}")


def _own_fields(kind: type[DeviceInput]) -> dict[str, type]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.name != "device"}  # type: ignore[arg-type]  # a dataclass


def _forms(device: InputDevice) -> str:
    return ", ".join(" ".join([k.__name__, *(f"{name}=..." for name in _own_fields(k))]) for k in device.INPUTS)


def _made(session: Session, device: InputDevice, kind: type[DeviceInput], words: list[str]) -> DeviceInput:
    types = _own_fields(kind)
    values: dict[str, object] = {"device": device.name} if "device" in get_type_hints(kind) else {}
    for word in words:
        name, equals, source = word.partition("=")
        if not equals or name not in types:
            raise UserError(f"{word!r} is no field of {kind.__name__}; it has {', '.join(types) or 'none'}")
        value = session.evaluate(source)
        values[name] = value.encode() if isinstance(value, str) and types[name] is bytes else value
        if not isinstance(values[name], types[name]):
            raise UserError(f"{name} of {kind.__name__} is of type {types[name].__name__}, not {value!r}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{kind.__name__}: {error}") from None
