"""Locks, switches and messages of Linux, seen where its functions begin and return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from vmdbg.machine.snapshot import Position
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.races.events import Acquire, Await, Event, Post, Release, Switch
from vmdbg.queries.races.linux_rules import WAKES, Deed, Rule, When, usable
from vmdbg.x86.physical_memory import PhysicalMemory


class Looking(Protocol):
    """At the CPU that came to a stop."""

    @property
    def ram(self) -> PhysicalMemory: ...

    def register(self, name: str) -> int: ...

    def registers(self, names: Iterable[str]) -> list[int]: ...

    def read(self, address: int, size: int) -> int | None:
        """The value of `size` bytes at a linear address."""
        ...


ARGUMENTS = ("rdi", "rsi", "rdx")


@dataclass(frozen=True, slots=True)
class _Call:
    named: _Named
    subject: int


@dataclass(frozen=True, slots=True)
class _Named:
    rule: Rule
    name: str


class LinuxSync:
    """`places` are where it wants to look now."""

    def __init__(self, looking: Looking, known: KnownLinux) -> None:
        self._looking = looking
        self._locator = known.locator
        families, _ = usable(known.functions)
        rules = {name: rule for family in families for name, rule in family.rules.items() if name in known.functions}
        self._rules = {int(known.functions[name].start): _Named(rule, name) for name, rule in rules.items()}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._sites: set[int] = set()
        self.places: tuple[int, ...] = tuple(sorted(self._rules))

    def at_start(self, cpu: int, position: Position) -> Iterator[Event]:
        """Whom a CPU runs, which is looked at."""
        task = self._locator.address(self._looking.ram, self._looking.register)
        if task:
            yield self._switch(cpu, position, task)

    def at(self, pc: int, cpu: int, position: Position) -> Iterator[Event]:
        """What comes about at an instruction, before it runs."""
        if pc in self._sites:
            rsp, rax = self._looking.registers(("rsp", "rax"))
            call = self._calls.pop((pc, rsp), None)
            if call is not None and _succeeded(call.named.rule.when, rax):
                yield from self._done(call.named, call.subject, cpu, position)
        named = self._rules.get(pc)
        if named is not None:
            yield from self._entered(named, cpu, position)

    def _switch(self, cpu: int, position: Position, address: int) -> Switch:
        return Switch(cpu, position, address, self._task_name(address))

    def _task_name(self, address: int) -> str:
        task = self._locator.task(self._looking.ram, address)
        return f"{task.name} ({task.pid})" if task is not None else ""

    def _entered(self, named: _Named, cpu: int, position: Position) -> Iterator[Event]:
        rsp, *arguments = self._looking.registers(("rsp", *ARGUMENTS))
        rule = named.rule
        subject = arguments[rule.argument]
        if rule.deed is Deed.SWITCH:
            yield Post(cpu, position, ("task", subject), by=named.name)
            yield self._switch(cpu, position, arguments[1])
            yield Await(cpu, position, ("task", arguments[1]), by=named.name)
        elif rule.when is When.ENTRY:
            yield from self._done(named, subject, cpu, position)
        else:
            back = self._looking.read(rsp, 8) or 0
            self._calls[back, rsp + 8] = _Call(named, subject)
            if back not in self._sites:
                self._sites.add(back)
                self.places = tuple(sorted({*self._rules, *self._sites}))

    def _done(self, named: _Named, subject: int, cpu: int, position: Position) -> Iterator[Event]:
        rule, by = named.rule, named.name
        owner = self._locator.address(self._looking.ram, self._looking.register) if rule.sleeps else None
        lock = ("lock", subject)
        match rule.deed:
            case Deed.ACQUIRE:
                yield Acquire(cpu, position, lock, rule.shared, owner, by)
            case Deed.RELEASE:
                yield Release(cpu, position, lock, rule.shared, owner, by)
            case Deed.DOWNGRADE:
                yield Release(cpu, position, lock, False, owner, by)
                yield Acquire(cpu, position, lock, True, owner, by)
            case Deed.POST:
                whom = self._task_name(subject) if by in WAKES else ""
                yield Post(cpu, position, _channel(subject), by=by, whom=whom)
            case Deed.AWAIT:
                yield Await(cpu, position, _channel(subject), by)
            case Deed.SWITCH:
                pass


def _channel(subject: int) -> tuple[str, int]:
    """A task that is woken, or something else that one waits for: addresses of both never meet."""
    return ("task", subject)


def _succeeded(when: When, result: int) -> bool:
    match when:
        case When.IF_ZERO:
            return not result & 0xFFFF_FFFF
        case When.IF_NOT_ZERO:
            return bool(result & 0xFFFF_FFFF)
        case _:
            return True
