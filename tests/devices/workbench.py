"""Devices of the tests on the board, as if they were of the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest

from devices import catalog
from devices.inputs import input_types
from vmdbg.recording import records


@contextmanager
def fitted_devices(*modules: str) -> Iterator[None]:
    """Devices of these modules can be added meanwhile, by the kinds of their FITTINGs."""
    caches = (input_types, records.input_types_by_name)
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setitem(catalog.MODULES, import_module(module).FITTING.kind, module)
        for cached in caches:
            cached.cache_clear()
        try:
            yield
        finally:
            for cached in caches:
                cached.cache_clear()
