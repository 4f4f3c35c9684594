"""The machines of a lab that are switched on, wherever each is run: in this process, or in one of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmdbg.api.lab_desk import Desk, DeskSpec
from vmdbg.lab.conductor import LocalMember, Member
from vmdbg.lab.station import Puller
from vmdbg.lab.workers import Worker, close_all


class Machines:
    """By name, in the order in which they were switched on."""

    def __init__(self, puller: Puller, *, processes: bool) -> None:
        """`puller`: who has the others catch up where somebody runs one by hand."""
        self.processes = processes
        self.desks: dict[str, Desk] = {}
        """Of those in this process."""
        self._workers: dict[str, Worker] = {}
        self._puller = puller

    @property
    def names(self) -> list[str]:
        return list(self._workers if self.processes else self.desks)

    def make(self, specs: Iterable[DeskSpec]) -> None:
        """Switch them on, at once where each has its process: all, or none. Raises UserError, EngineError."""
        names: list[str] = []
        try:
            for spec in specs:
                names.append(spec.machine.name)
                self._begin(spec)
            for name in names if self.processes else ():
                self._workers[name].ready()
        except BaseException:
            for name in names:
                self.drop(name)
            raise

    def _begin(self, spec: DeskSpec) -> None:
        name = spec.machine.name
        if self.processes:
            self._workers[name] = Worker(name, Desk, spec)
        else:
            self.desks[name] = desk = Desk(spec)
            desk.station.puller = self._puller

    def member(self, name: str) -> Member:
        return self._workers[name] if self.processes else LocalMember(self.desks[name].station)

    def call(self, name: str, method: str, *words: object) -> object:
        """What a method of its Desk returns. Raises what that raises."""
        if self.processes:
            return self._workers[name].call(method, *words)
        return getattr(self.desks[name], method)(*words)

    def drop(self, name: str) -> str:
        """Free one, if it is there. What was not kept of it, in words."""
        found = (self._workers if self.processes else self.desks).pop(name, None)
        return found.close() if found is not None else ""

    def close(self) -> Iterator[str]:
        """Free all. What was not kept of each, in words."""
        try:
            yield from close_all(list(self._workers.values()))
            for desk in self.desks.values():
                yield desk.close()
        finally:
            self._workers.clear()
            self.desks.clear()
