"""Runs guests on Bochs' core: `python bochs_child.py FILE`, FILE being the guest's RAM, which both sides have mapped.

A line of registers as JSON on standard input runs it: a line on standard output has the number of the process that
does, and another, when it has halted or shut down, how it ended. Each run is a process of its own, so that no
instruction is taken for one that an earlier guest had at its address.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import sys
from collections.abc import Mapping
from signal import SIGKILL
from typing import Any

import bochscpu
import bochscpu.cpu
import bochscpu.memory

PAGE_SIZE, PR_SET_PDEATHSIG = 4096, 1
PLAIN = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
PLAIN += ("rip", "rflags", "dr6", "dr7", "cr0", "cr3", "cr4", "efer")
SEGMENTS, TABLES = ("cs", "ss", "ds", "es", "fs", "gs", "ldtr", "tr"), ("gdtr", "idtr")
DEFAULTS = {"xcr0": 1, "fpcw": 0x37F, "mxcsr": 0x1F80, "mxcsr_mask": 0xFFFF}
LIMIT = 0xFFFF


def segment(values: Mapping[str, int], name: str) -> Any:
    found = bochscpu.Segment()
    found.present, found.selector = True, values.get(name, 0)
    found.base, found.limit = values.get(f"{name}_base", 0), values.get(f"{name}_limit", LIMIT)
    found.attr = values[f"{name}_flags"] >> 8
    return found


def table(values: Mapping[str, int], name: str) -> Any:
    found = bochscpu.GlobalSegment()
    found.base, found.limit = values.get(f"{name}_base", 0), values.get(f"{name}_limit", LIMIT)
    return found


def state(values: Mapping[str, int]) -> Any:
    found = bochscpu.State()
    for name in PLAIN:
        setattr(found, name, values[name])
    for name, default in DEFAULTS.items():
        setattr(found, name, values.get(name, default))
    for name in SEGMENTS:
        if f"{name}_flags" in values:
            setattr(found, name, segment(values, name))
    for name in TABLES:
        setattr(found, name, table(values, name))
    return found


def nothing() -> Any:
    """What is where there is no RAM: a page of its own for each run."""
    page = mmap.mmap(-1, PAGE_SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return lambda physical: bochscpu.memory.page_insert(physical & -PAGE_SIZE, address)


def run(session: Any, values: Mapping[str, int]) -> None:
    hook = bochscpu.Hook()
    hook.hlt = lambda session, _: session.stop()
    session.cpu.state = state(values)
    session.run([hook])


def main() -> None:
    with open(sys.argv[1], "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    session = bochscpu.Session()
    session.missing_page_handler = nothing()
    for at in range(0, len(memory), PAGE_SIZE):
        bochscpu.memory.page_insert(at, base + at)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
            run(session, json.loads(line))
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
