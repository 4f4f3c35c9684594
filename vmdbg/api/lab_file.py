"""A lab's plan from a TOML file. What is wrong with one is said with its file, its line where that can be found, and
what to do.
"""

from __future__ import annotations

import difflib
import inspect
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import NoReturn

from vmdbg.api.boot import launch
from vmdbg.api.lab_desk import NICS, NOT_OF_A_LAB, SYMBOLS
from vmdbg.api.toml_places import Place, TomlPlaces
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.lab.actions import parse_action
from vmdbg.lab.fabric import MILLION
from vmdbg.lab.plan import (
    FILE_OPTIONS,
    USUAL_LATENCY,
    End,
    Happening,
    Instant,
    LinkSpec,
    MachineSpec,
    Plan,
    PlanError,
    SwitchKind,
    SwitchSpec,
)

LARGEST = 1 << 20
_TIME = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*(ns|us|ms|s)")
_LONG = re.compile(r"\S{100,}")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_LISTS = {"disk": "disks", "cdrom": "cdroms", "floppy": "floppies", "share": "shares", "device": "devices", "nic": NICS}
"""Options of `vmdbg run` that may be repeated, and what launch() calls all of a kind."""
_ALIASES = _LISTS | {"boot": "boot_order", "file": "kernel"}
_NEGATED = {"no_apic": "apic", "no_reboot": "reboots"}
_NUMBERS = ("load_address", "memory", "cpus", "start", "checkpoint_memory")
"""Options that take numbers too."""
_TABLES = ("lab", "machines", "switches", "links", "happenings")


def read_plan(path: str | PathLike[str]) -> Plan:
    """Raises UserError."""
    return _Reader(Path(fspath(path))).plan()


def duration(text: object) -> int:
    """Nanoseconds, of `250us`, `1.5ms`, `2s`. Raises ValueError in words."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f'{text!r} is no time: give a number and ns, us, ms or s in quotes, as "500us"')
    whole, _, part = found[1].partition(".")
    unit = _UNITS[found[2]]
    return int(whole) * unit + (int(part) * unit // 10 ** len(part) if part else 0)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if path.stat().st_size > LARGEST:
                raise UserError(f"{path} is too large for a lab: {LARGEST} bytes at most")
            self._text = path.read_text("utf-8")
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UserError(f"{path} is no TOML file: it is not text in UTF-8") from None
        try:
            self._tables = tomllib.loads(self._text)
        except ValueError as error:  # TOML's own is one; so is that of a number with thousands of digits
            raise UserError(f"{path}: {error}") from None
        except RecursionError:
            raise UserError(f"{path} is no lab: it is nested too deep") from None

    def plan(self) -> Plan:
        self._known(self._tables, _TABLES, "")
        lab = self._table(self._tables.get("lab", {}), "lab")
        self._known(lab, ("latency",), "lab")
        usual = self._time(lab, "latency", "lab", USUAL_LATENCY)
        machines = self._named("machines")
        switches = self._named("switches")
        links = self._array("links")
        plan = Plan(
            tuple(self._machine(name, table) for name, table in machines),
            tuple(self._switch(name, table) for name, table in switches),
            tuple(self._link(number, table, usual) for number, table in enumerate(links, 1)),
            tuple(self._happening(number, table) for number, table in enumerate(self._array("happenings"), 1)),
        )
        try:
            plan.checked()
        except PlanError as error:
            self._refuse(_place(plan, error, links), str(error))
        for number, happening in enumerate(plan.happenings, 1):
            try:
                parse_action(happening.line, plan)
            except UserError as error:
                self._refuse(("happenings", str(number), "do"), str(error))
        return plan

    # parts

    def _machine(self, name: str, table: Mapping[str, object]) -> MachineSpec:
        where = f"machines.{name}"
        parameters = inspect.signature(launch).parameters
        known = [key for key in parameters if key not in NOT_OF_A_LAB] + [SYMBOLS, NICS, "starts", *_ALIASES, *_NEGATED]
        options: dict[str, object] = {}
        for key, value in table.items():
            plain = key.replace("-", "_")
            if plain not in known:
                self._unknown(key, known, where)
            if plain != "starts":
                option = _ALIASES.get(plain, _NEGATED.get(plain, plain))
                if option in options:
                    self._wrong(where, key, "is said twice, by another name too: say it once")
                options[option] = self._value(key, option, value, where)
        return MachineSpec(name, options, Instant(self._time(table, "starts", where, 0)))

    def _value(self, key: str, option: str, value: object, where: str) -> object:
        """As launch() takes it."""
        if option in (*_LISTS.values(), SYMBOLS):
            found = [value] if isinstance(value, str) else value
            if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
                self._wrong(where, key, 'is a text, or a list of texts, as ["a.img", "b.img"]')
            return [self._path_of(option, one) for one in found]
        if key.replace("-", "_") in _NEGATED:
            if not isinstance(value, bool):
                self._wrong(where, key, "is true or false")
            return not value
        default = inspect.signature(launch).parameters[option].default
        if isinstance(default, bool) != isinstance(value, bool) or not isinstance(value, str | int):
            self._wrong(where, key, "is true or false" if isinstance(default, bool) else "is a text or a number")
        if option in _NUMBERS or isinstance(default, bool):
            return value
        if not isinstance(value, str):
            self._wrong(where, key, "is a text: put it in quotes")
        return self._path_of(option, value)

    def _path_of(self, option: str, text: str) -> str:
        return str(self._path.parent / text) if option in FILE_OPTIONS and text else text

    def _switch(self, name: str, table: Mapping[str, object]) -> SwitchSpec:
        where = f"switches.{name}"
        self._known(table, ("kind",), where)
        kind = table.get("kind", SwitchKind.LEARNING)
        if kind not in tuple(SwitchKind):
            self._wrong(where, "kind", f"is one of {', '.join(SwitchKind)}, not {kind!r}")
        return SwitchSpec(name, SwitchKind(str(kind)))

    def _link(self, number: int, table: Mapping[str, object], usual: int) -> LinkSpec:
        where = f"links, the {number}."
        self._known(table, ("ends", "name", "latency", "loss", "seed"), where)
        ends = table.get("ends")
        if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(end, str) for end in ends):
            self._wrong(where, "ends", 'has to be there, two texts, as ["client.net0", "lan"]')
        one, other = (End(*end.partition(".")[::2]) for end in ends)
        name = table.get("name", f"{one.node}-{other.node}")
        loss, seed = table.get("loss", 0), table.get("seed", 0)
        if isinstance(loss, bool) or not isinstance(loss, int | float) or not 0 <= loss <= 100:
            self._wrong(where, "loss", "is per cent of all frames, 0 to 100")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 64:
            self._wrong(where, "seed", "is a number of 64 bits")
        if not isinstance(name, str):
            self._wrong(where, "name", "is a text")
        latency = self._time(table, "latency", where, usual)
        return LinkSpec(name, (one, other), latency, round(loss * MILLION / 100), seed)

    def _happening(self, number: int, table: Mapping[str, object]) -> Happening:
        where = f"happenings, the {number}."
        self._known(table, ("at", "do"), where)
        line = table.get("do")
        if not isinstance(line, str) or "at" not in table:
            self._wrong(where, "do", 'and at have to be there, as at = "2s", do = "cut uplink"')
        return Happening(Instant(self._time(table, "at", where, 0)), line)

    # forms

    def _named(self, key: str) -> list[tuple[str, Mapping[str, object]]]:
        tables = self._table(self._tables.get(key, {}), key)
        return [(name, self._table(table, f"{key}.{name}")) for name, table in tables.items()]

    def _array(self, key: str) -> list[Mapping[str, object]]:
        tables = self._tables.get(key, [])
        if not isinstance(tables, list):
            self._wrong("", key, f"is a list of tables: begin each with [[{key}]]")
        for table in tables:
            if not isinstance(table, dict):
                self._wrong("", key, f"is a list of tables: begin each with [[{key}]]")
        return tables

    def _table(self, value: object, where: str) -> Mapping[str, object]:
        if not isinstance(value, dict):
            self._refuse(_names(where), f"{where} is a table: begin it with [{where}]")
        return value

    def _time(self, table: Mapping[str, object], key: str, where: str, default: int) -> int:
        try:
            return duration(table[key]) if key in table else default
        except ValueError as error:
            self._wrong(where, key, str(error))

    def _known(self, table: Iterable[str], known: Iterable[str], where: str) -> None:
        for key in table:
            if key not in known:
                self._unknown(key, known, where)

    def _unknown(self, key: str, known: Iterable[str], where: str) -> NoReturn:
        near = difflib.get_close_matches(key.replace("-", "_"), known, 1)
        hint = f"do you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known))}"
        self._wrong(where, key, f"is not known: {hint}")

    def _wrong(self, where: str, key: str, what: str) -> NoReturn:
        self._refuse((*_names(where), key), f"{f'{where}: ' if where else ''}{key} {what}")

    def _refuse(self, place: Place, words: str) -> NoReturn:
        line = TomlPlaces(self._text).line(place)
        raise UserError(f"{self._path}{f':{line}' if line else ''}: {_shown(words)}")


def _names(where: str) -> Place:
    """Of a part as people are told of it: `machines.client`, `links, the 2.`."""
    name, _, number = where.partition(", the ")
    if number:
        return name, number.rstrip(".")
    return tuple(name.split(".", 1)) if name else ()


def _place(plan: Plan, error: PlanError, links: Sequence[Mapping[str, object]]) -> Place:
    """Where what is wrong with a plan is said; `links` are as the file has them."""
    match error.part:
        case MachineSpec(name):
            return "machines", name
        case SwitchSpec(name):
            return "switches", name
        case LinkSpec():
            number = next(number for number, link in enumerate(plan.links, 1) if link is error.part)
            if error.key == "latency" and "latency" not in links[number - 1]:
                return "lab", "latency"
            return "links", str(number), error.key
    return ()


def _shown(words: str) -> str:
    """Fit for a terminal, whatever the file has."""
    return printable(_LONG.sub(lambda found: f"{found[0][:60]}...", words))
