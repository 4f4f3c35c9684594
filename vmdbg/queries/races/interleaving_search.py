"""Finding the interleaving of a part of the history."""

from __future__ import annotations

from dataclasses import replace

from vmdbg.queries.races.gathering import Gathering, Wanted
from vmdbg.queries.races.interleaving import Interleaving, Looking, interleaving
from vmdbg.queries.races.linux_rules import FUNCTIONS
from vmdbg.queries.races.report import looked_at

MOST_INTERLEAVED = 1_000_000
"""Accesses and other events of one question."""


class InterleavingSearch(Gathering):
    """One search of a timeline."""

    def found(self, wanted: Wanted, cpus: frozenset[int] = frozenset()) -> Interleaving:
        """Of some CPUs, without any of all."""
        gathered, known = self.gathered(wanted), self._known
        code = known.functions if known is not None else {}
        own = tuple(range(code[name].start, code[name].end) for name in FUNCTIONS if name in code)
        families, missing = looked_at(known)
        found = interleaving(gathered.events, Looking(gathered.data, cpus, own))
        return replace(found, families=families, missing=missing)
