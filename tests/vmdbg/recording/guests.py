"""Guests to record: the sample kernel with a session at its prompt."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from devices.serial.feed import SerialInput
from tests.guests.build import sample_kernel
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions
from vmdbg.boot.source import read_input
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.snapshot import Position
from vmdbg.recording.save import save_recording
from vmdbg.recording.writer import RecordingWriter, start_recording
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

MEMORY = 16 << 20
TYPED_AT = Tick(330_000_000)
CHECKPOINTS_AT = (Tick(300_000), Tick(1_000_000), Tick(1_100_000))
"""While the guest is busy: a halted CPU needs no checkpoint."""
ENDS_AT = Tick(360_000_000)


@cache
def sample_origin(cpu: str = "base") -> BootOrigin:
    options = BootOptions(memory=MEMORY, kernel=read_input(sample_kernel(), "kernel"))
    return BootOrigin(MachineConfig(memory=MEMORY, cpu=cpu), boot_image(options), options)


def new_timeline(cpu: str = "base") -> Timeline:
    origin = sample_origin(cpu)
    return Timeline(origin.machine(), origin=origin)


def session(timeline: Timeline) -> None:
    """The sample's demonstration, then two commands at its prompt."""
    for tick in CHECKPOINTS_AT:
        timeline.run(tick)
        timeline.take_checkpoint()
    timeline.run(TYPED_AT)
    timeline.push(SerialInput(0, b"threads\r"))
    timeline.run(Tick(TYPED_AT + 10_000_000))
    timeline.push(SerialInput(0, b"pages\r"))
    timeline.run(ENDS_AT)


def record_session(path: Path, *, embed: bool = True) -> Digest:
    """A recording of the session; the digest of its end."""
    timeline = new_timeline()
    try:
        writer: RecordingWriter = start_recording(path, timeline, embed=embed)
        session(timeline)
        found = digest(timeline.machine)
        writer.close()
        return found
    finally:
        timeline.machine.close()


AGREES_AT, DIVERGES_AT = Tick(1 << 30), Tick(2 << 30)
"""Of record_divergence(): one digest is right, the next one is not."""


def record_divergence(path: Path) -> None:
    """The session and the guest's waiting after it, in a recording that no machine replays: one of its digests lies."""
    timeline = new_timeline()
    try:
        timeline.keeping.wanted = True
        session(timeline)
        timeline.run(Tick(DIVERGES_AT + 100_000_000))
        known = timeline.verification.digests
        known[DIVERGES_AT] = replace(known[DIVERGES_AT], ram="0" * 32)
        timeline.checkpoints.clear()
        timeline.seek(Position(Tick(DIVERGES_AT // 4)))
        save_recording(timeline, path)
    finally:
        timeline.machine.close()
