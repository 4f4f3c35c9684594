"""What a user types at a guest with several CPUs, drawn by a seed: looks, points of one CPU, steps, ways back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import vmdbg
from vmdbg.errors import UserError

LOOKS = (
    "cpus",
    "cpu {cpu}",
    "cpu all registers rip rsp",
    "cpu {cpu} bt",
    "bt --cpu {cpu}",
    "schedule",
    "context",
    "deliveries",
    "irq",
    "devices lapic",
    "when",
    "digest",
)
POINTS = (
    "break {function} --cpu {cpu}",
    "tbreak {function} --cpu {cpu}",
    "break {function} if cpu % 2",
    "break rip --cpu {cpu}",
    "watch {variable} --cpu {cpu}",
    "rwatch {variable} --cpu {cpu}",
    "awatch rsp 16 --any --cpu {cpu}",
    "logpoint {function} 'rax {{rax}}'",
    "catch locked",
    "catch ring",
    "catch ipi",
    "catch ipi --cpu 1 --to 0",
    "catch cr3",
    "catch interrupt",
)
BACK = ("reverse-stepi", "reverse-stepi 5", "reverse-nexti", "reverse-step", "reverse-continue")
STEPS = ("stepi", "stepi 7", "nexti", "step", "next")
FAR = ("finish", "until", "reverse-next", "reverse-finish", "next-call", "next-ret")
"""They may go on for as long as there is something to go through."""
LONGEST = 100
"""Stops that one run goes past."""


@dataclass(frozen=True, slots=True)
class Places:
    """What lines are about: functions and variables of the guest."""

    functions: Sequence[str]
    variables: Sequence[str]
    looks: Sequence[str] = ()
    """Lines beside LOOKS."""


def debug(guest: vmdbg.Guest, places: Places, rng: random.Random, ticks: int, rounds: int, *, far: bool) -> list[str]:
    """A session in which the guest goes on by at most about `ticks` a round. Returns the lines that did something.

    Without `far` nothing is typed that may run on for long. What is set is taken away again.
    """
    done = []

    def type_in(line: str) -> None:
        line = line.format(
            cpu=rng.randrange(len(guest.cpus)),
            function=rng.choice(places.functions),
            variable=rng.choice(places.variables),
            start=max(guest.start.tick, guest.tick - ticks),
        )
        try:
            guest.execute(line)
            done.append(line)
        except UserError:
            pass  # a CPU that sleeps, no caller, nothing mapped: said in words

    for _ in range(rounds):
        type_in(rng.choice(POINTS))
        end = guest.tick + rng.randrange(1, ticks)
        for _ in range(rng.randrange(1, LONGEST)):
            if guest.tick >= end:
                break
            guest.run(end - guest.tick)
        for lines in (LOOKS, (*LOOKS, *places.looks), STEPS, BACK, FAR if far else LOOKS):
            awake = [cpu for cpu in guest.cpus if not cpu.halted and not cpu.waits_to_be_started]
            if lines is STEPS and not far:
                if not awake:
                    continue
                rng.choice(awake).look_at()
            type_in(rng.choice(lines))
        if rng.random() < 0.6:
            guest.execute("delete")
            guest.execute("uncatch all")
    guest.execute("delete")
    guest.execute("uncatch all")
    return done
