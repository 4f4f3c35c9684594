"""Locks, switches and messages of Linux, seen where its functions begin and return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from vmdbg.machine.snapshot import Position
from vmdbg.queries.linux.known import KnownLinux
from vmdbg.queries.races.events import Acquire, Await, Event, Post, Release, Switch
from vmdbg.queries.races.linux_rules import Deed, Rule, When, usable
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
    rule: Rule
    subject: int


class LinuxSync:
    """`places` are where it wants to look now."""

    def __init__(self, looking: Looking, known: KnownLinux) -> None:
        self._looking = looking
        self._locator = known.locator
        families, _ = usable(known.functions)
        rules = {name: rule for family in families for name, rule in family.rules.items() if name in known.functions}
        self._rules = {int(known.functions[name].start): rule for name, rule in rules.items()}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._sites: set[int] = set()
        self.places: tuple[int, ...] = tuple(sorted(self._rules))

    def at_start(self, cpu: int, position: Position) -> Iterator[Event]:
        """Whom a CPU runs, which is looked at."""
        task = self._locator.address(self._looking.ram, self._looking.register)
        if task:
            yield Switch(cpu, position, task)

    def at(self, pc: int, cpu: int, position: Position) -> Iterator[Event]:
        """What comes about at an instruction, before it runs."""
        if pc in self._sites:
            rsp, rax = self._looking.registers(("rsp", "rax"))
            call = self._calls.pop((pc, rsp), None)
            if call is not None and _succeeded(call.rule.when, rax):
                yield from self._done(call.rule, call.subject, cpu, position)
        rule = self._rules.get(pc)
        if rule is not None:
            yield from self._entered(rule, cpu, position)

    def _entered(self, rule: Rule, cpu: int, position: Position) -> Iterator[Event]:
        rsp, *arguments = self._looking.registers(("rsp", *ARGUMENTS))
        subject = arguments[rule.argument]
        if rule.deed is Deed.SWITCH:
            yield Post(cpu, position, ("task", subject))
            yield Switch(cpu, position, arguments[1])
            yield Await(cpu, position, ("task", arguments[1]))
        elif rule.when is When.ENTRY:
            yield from self._done(rule, subject, cpu, position)
        else:
            back = self._looking.read(rsp, 8) or 0
            self._calls[back, rsp + 8] = _Call(rule, subject)
            if back not in self._sites:
                self._sites.add(back)
                self.places = tuple(sorted({*self._rules, *self._sites}))

    def _done(self, rule: Rule, subject: int, cpu: int, position: Position) -> Iterator[Event]:
        owner = self._locator.address(self._looking.ram, self._looking.register) if rule.sleeps else None
        lock = ("lock", subject)
        match rule.deed:
            case Deed.ACQUIRE:
                yield Acquire(cpu, position, lock, rule.shared, owner)
            case Deed.RELEASE:
                yield Release(cpu, position, lock, rule.shared, owner)
            case Deed.DOWNGRADE:
                yield Release(cpu, position, lock, False, owner)
                yield Acquire(cpu, position, lock, True, owner)
            case Deed.POST:
                yield Post(cpu, position, _channel(subject))
            case Deed.AWAIT:
                yield Await(cpu, position, _channel(subject))
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
