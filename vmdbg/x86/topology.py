"""How a machine's logical processors lie in sockets, cores and threads, and the APIC IDs that follow from it.

Source: Intel SDM 3A, 9.9.3 and 9.9.4: an APIC ID has a field for the thread, one for the core and one for the package,
each as wide as its largest number needs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod

MOST_CPUS = 32


@dataclass(frozen=True, slots=True)
class Topology:
    """CPU n is thread n % `threads` of its core; cores and then sockets follow one another."""

    sockets: int = 1
    cores: int = 1
    """Of a socket; `threads` of a core."""
    threads: int = 1

    @property
    def cpus(self) -> int:
        return self.sockets * self.cores * self.threads

    @property
    def thread_bits(self) -> int:
        """Of an APIC ID, from bit 0 on."""
        return (self.threads - 1).bit_length()

    @property
    def package_shift(self) -> int:
        """The bit of an APIC ID at which the number of the socket begins."""
        return self.thread_bits + (self.cores - 1).bit_length()

    def apic_id(self, cpu: int) -> int:
        core, thread = divmod(cpu, self.threads)
        socket, core = divmod(core, self.cores)
        return socket << self.package_shift | core << self.thread_bits | thread

    @property
    def apic_ids(self) -> tuple[int, ...]:
        """Of all CPUs, rising."""
        return tuple(map(self.apic_id, range(self.cpus)))

    @property
    def io_apic_id(self) -> int:
        """The first that no CPU has, or 0: the I/O APIC's has four bits."""
        free = max(self.apic_ids) + 1
        return free if free < 16 else 0

    def __str__(self) -> str:
        return f"{self.cpus},sockets={self.sockets},cores={self.cores},threads={self.threads}"


ONE_CPU = Topology()
PARTS = tuple(field.name for field in fields(Topology))


def parse_topology(text: str) -> Topology:
    """`4`, `8,cores=4,threads=2`: what is not said is one, but for the first of cores, sockets, threads, which takes
    what is left. Raises ValueError in words.
    """
    count, *settings = text.split(",")
    cpus = _number(count, text)
    chosen: dict[str, int] = {}
    for setting in settings:
        part, equals, value = setting.partition("=")
        if part not in PARTS or not equals or part in chosen:
            raise ValueError(f"{setting!r} says nothing of CPUs: give sockets=N, cores=N or threads=N, each once")
        chosen[part] = _number(value, setting)
    rest, left = divmod(cpus, prod(chosen.values()))
    free = [part for part in ("cores", "sockets", "threads") if part not in chosen]
    if left or not rest or (rest > 1 and not free):
        said = " x ".join(f"{value} {part}" for part, value in chosen.items())
        raise ValueError(f"{text!r}: {cpus} CPUs cannot be laid out as {said}")
    if free:
        chosen[free[0]] = rest
    return Topology(**chosen)


def _number(text: str, where: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 3 or not 1 <= int(text) <= MOST_CPUS:
        raise ValueError(
            f"{text!r} in {where!r} is no number of CPUs: give 1 to {MOST_CPUS}, as 4 or 8,cores=4,threads=2"
        )
    return int(text)
