"""How a question to a whole history is put: the words of `query` at the prompt and of `vmdbg query` alike."""

from __future__ import annotations

import argparse

from vmdbg.session.drives import add_drive
from vmdbg.session.numbers import how_many

SHOWN = 50
"""Rows that are shown unless more are asked for."""
MEMORY = ("writes", "reads", "accesses", "executions")
WHO_WROTE, DIFFERENCE, RACES = "who-wrote", "diff", "races"
QUESTION_WORDS = {
    WHO_WROTE: "the last write to some bytes: ADDRESS [SIZE] [--before POSITION]",
    "writes": "all writes to some bytes, by CPUs and devices: ADDRESS [SIZE]",
    "reads": "all reads of some bytes: ADDRESS [SIZE]",
    "accesses": "all reads and writes of some bytes: ADDRESS [SIZE]",
    "executions": "each time that an instruction was run, or any in a range: ADDRESS [SIZE]",
    "calls": "all calls of a function, with arguments and result: FUNCTION [NUMBER]",
    "syscalls": "system calls, of Linux by name and with results: [CALL ...] [--process P] [--failed] [--durations]",
    "page-faults": "page faults of Linux: [--process P]",
    "switches": "from which task to which a CPU went, and why: [--process P]",
    "wakeups": "who woke whom: [--process P]",
    "allocations": "memory that Linux's slab allocator gave: [--process P] [--size N] [--cache NAME]",
    "frees": "memory that went back to it: [--process P] [--size N] [--cache NAME]",
    "object": "who allocated and freed the object at an address: ADDRESS",
    "profile": "which code ran how much, by samples: [--process P] [--every TIME]",
    "exceptions": "exceptions and INT n that were delivered: [VECTOR ...]",
    "interrupts": "external interrupts and NMIs that were taken: [VECTOR ...]",
    "ipis": "interrupts that CPUs sent to one another, and what for",
    "ports": "accesses to I/O ports: [PORT ...]",
    "disk": "requests to drives: [--drive DRIVE] [--sector N]",
    "packets": "frames that network adapters sent and got: [FILTER]",
    "cr3": "loads of CR3",
    "console": "lines on a console: [PORT]",
    "screens": "pictures of the screen, as it changed: [--every TIME]",
    RACES: "accesses by different CPUs that nothing orders and no lock keeps apart: ADDRESS [SIZE], or "
    "--address ADDRESS, or --function FUNCTION, or none; [--from POSITION] [--to POSITION] [--sync ADDRESS] [--mixed]",
    DIFFERENCE: "what differs between two instants: POSITION [POSITION]",
}
NAMES = tuple(QUESTION_WORDS)


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", metavar="QUESTION", help=", ".join(NAMES))
    parser.add_argument(
        "what",
        nargs="*",
        default=[],
        metavar="ADDRESS",
        help="ADDRESS SIZE, FUNCTION, CALL ..., VECTOR ..., PORT ..., FILTER, POSITION POSITION",
    )
    parser.add_argument("--physical", "-p", action="store_true", help="the address is physical")
    parser.add_argument("--before", default="", metavar="POSITION", help="who-wrote: before this instant (now)")
    parser.add_argument("--arguments", default="", metavar="NUMBER", help="of calls: how many arguments they take (6)")
    parser.add_argument("--process", default="", metavar="PROCESS", help="of Linux's events, those of this PID or name")
    parser.add_argument("--failed", action="store_true", help="of system calls, those that returned an error")
    parser.add_argument("--durations", action="store_true", help="how many ticks each system call took")
    parser.add_argument("--size", default="", metavar="EXPRESSION", help="of allocations and frees: so many bytes")
    parser.add_argument("--cache", default="", metavar="NAME", help="of allocations and frees: this slab cache")
    add_drive(parser, "of requests to drives: those to this one")
    parser.add_argument("--sector", default="", metavar="EXPRESSION", help="of requests to drives: those that move it")
    often = "how often a profile (a million ticks) or screens (1/60 s) looks"
    parser.add_argument("--every", default="", metavar="TIME", help=often)
    parser.add_argument("--function", default="", metavar="FUNCTION", help="races: of the data that its code accesses")
    parser.add_argument("--address", default="", metavar="ADDRESS", help="races: of what lies there")
    parser.add_argument("--from", dest="begin", default="", metavar="POSITION", help="races: from this instant on")
    parser.add_argument("--to", dest="until", default="", metavar="POSITION", help="races: up to this instant")
    parser.add_argument(
        "--sync", action="append", default=[], metavar="ADDRESS", help="races: no data, CPUs are in step by it"
    )
    parser.add_argument("--mixed", action="store_true", help="races: of locked accesses with others, too")
    parser.add_argument("--if", dest="condition", default="", metavar="CONDITION", help="as `if` at the line's end")
    parser.add_argument("--count-by", default="", metavar="FIELDS", help="count rows by columns, as task,function")
    parser.add_argument("--csv", action="store_true", help="all rows as comma-separated values")
    shown = f"rows shown ({SHOWN} at the prompt, else all)"
    parser.add_argument("--limit", type=how_many, default=None, metavar="NUMBER", help=shown)
