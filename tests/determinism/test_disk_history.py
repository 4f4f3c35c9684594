"""A disk through time, held to blocks in a list: written, trimmed, reset, gone back to, forked, saved, committed.

Whatever only looks at it leaves the machine as it is.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import vmdbg
from devices.disk.medium import SECTOR
from tests.guests.build import assemble
from vmdbg.commands import catalog
from vmdbg.machine.snapshot import Position
from vmdbg.session.registry import Effect, Group

SECTORS, PAGE = 256, 8
FIRST = 8
"""The guest's own code is before it."""
Blocks = tuple[bytes, ...]
CODE = assemble((Path(__file__).parent / "obedient_disk.asm").read_text())
DISCS = {name: bytes([value]) * 2048 * 20 for name, value in (("a.iso", 0xAA), ("b.iso", 0xBB))}
LOOKS = sorted(
    command.name
    for command in catalog.commands()
    if command.group is Group.DEVICES and command.effect is Effect.NONE and command.name not in {"irq", "io"}
)
WORDS = (
    "0", "8", "255", "256", "-1", "1<<70", "2", "rax", "start", "end", "here", "50%", "7000000", "ide", "disk0", "cd0",
    "--disk", "--sector", "--limit", "-x", "nothing", "0x10 4", "9999999999999999999", "\u202e", "'",
)  # fmt: skip
sectors = st.integers(FIRST, SECTORS - 1)


def image() -> bytes:
    """The guest's code, and sectors that tell themselves apart."""
    return CODE + b"".join(bytes([number, 0x5A]) * (SECTOR // 2) for number in range(1, SECTORS))


def blocks(data: bytes) -> Blocks:
    return tuple(data[at : at + SECTOR] for at in range(0, len(data), SECTOR))


class DiskThroughTime(RuleBasedStateMachine):
    """`now` and `written` are the disk, `disc` is what is in the CD drive; `known` has them at instants of the past."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="vmdbg-disk-"))
        for name, data in {"disk.img": image(), "as it was.img": image(), **DISCS}.items():
            (self.directory / name).write_bytes(data)
        self.now, self.written, self.disc = blocks(image()), frozenset[int](), "a.iso"
        self.known: list[tuple[Position, Blocks, frozenset[int], str]] = []
        self.count = 0

    @initialize()
    def power_on(self) -> None:
        self.guest = vmdbg.launch(
            disks=[f"{self.directory / 'disk.img'},bus=ide"], cdroms=[self.directory / "a.iso"], memory="16M"
        )
        self.guest.expect("~")
        self.note()

    def note(self) -> None:
        self.known.append((self.guest.position, self.now, self.written, self.disc))

    def teardown(self) -> None:
        if hasattr(self, "guest"):
            self.guest.close()
        shutil.rmtree(self.directory)

    def live(self) -> bool:
        return self.guest.live

    def ask(self, what: bytes, sector: int = 0, number: int = 0, value: int = 0) -> None:
        self.guest.send(what + bytes([sector, number, value]))
        self.guest.expect("~")

    def new_file(self, suffix: str) -> Path:
        self.count += 1
        return self.directory / f"{self.count}{suffix}"

    # what happens to the guest

    @precondition(live)
    @rule(sector=sectors, number=st.integers(1, 40), value=st.integers(0, 255))
    def write(self, sector: int, number: int, value: int) -> None:
        end = min(sector + number, SECTORS)
        self.ask(b"w", sector, end - sector, value)
        self.now = tuple(
            bytes([value, at]) * (SECTOR // 2) if sector <= at < end else block for at, block in enumerate(self.now)
        )
        self.written |= {at // PAGE for at in range(sector, end)}
        self.note()

    @precondition(live)
    @rule(sector=sectors, number=st.integers(1, 80))
    def trim(self, sector: int, number: int) -> None:
        end = min(sector + number, SECTORS)
        self.ask(b"t", sector, end - sector)
        gone = {page for page in self.written if sector <= page * PAGE and page * PAGE + PAGE <= end}
        self.now = tuple(bytes(SECTOR) if at // PAGE in gone else block for at, block in enumerate(self.now))
        self.note()

    @precondition(live)
    @rule(sector=sectors)
    def read(self, sector: int) -> None:
        self.ask(b"r", sector, 1)
        self.note()

    @precondition(live)
    @rule()
    def reset(self) -> None:
        self.guest.send(b"x\0\0\0")
        self.guest.expect("~")
        self.note()

    @precondition(live)
    @rule(name=st.sampled_from(["", *DISCS]))
    def change_disc(self, name: str) -> None:
        if name or self.disc:
            self.guest.execute(f"insert cd0 {self.directory / name}" if name else "eject cd0 --force")
        else:
            with pytest.raises(vmdbg.UserError, match="no disc in cd0"):
                self.guest.execute("eject cd0 --force")
        self.guest.run(1000)
        self.disc = name
        self.note()

    # where in time it is looked at

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        position, self.now, self.written, self.disc = data.draw(st.sampled_from(self.known))
        self.guest.seek(position)

    @rule()
    def go_to_the_end(self) -> None:
        self.guest.seek("end")
        _, self.now, self.written, self.disc = self.known[-1]

    @rule()
    def fork(self) -> None:
        if not self.guest.live:
            self.guest.fork()
        self.known = [one for one in self.known if one[0] <= self.guest.position]

    # what is made of it

    @rule()
    def export(self) -> None:
        path = self.new_file(".img")
        self.guest.execute(f"disk export {path}")
        assert blocks(path.read_bytes()) == self.now

    @rule()
    def commit(self) -> None:
        self.guest.execute("disk commit")
        assert blocks((self.directory / "disk.img").read_bytes()) == self.now

    @rule(data=st.data())
    def compare(self, data: st.DataObject) -> None:
        one, other = (data.draw(st.sampled_from(self.known)) for _ in range(2))
        expected = sum(a != b for a, b in zip(one[1], other[1], strict=True))
        assert f"{expected} sectors of disk0 differ" in self.guest.execute(f"disk diff {one[0]} {other[0]}")

    @rule()
    def save_and_go_on_from_there(self) -> None:
        path, before = self.new_file(".vmdbg"), self.guest.digest()
        self.guest.save_snapshot(path)
        with vmdbg.open_recording(path, left_out=self.images()) as other:
            assert other.digest() == before
            assert self.seen_by(other) == b"".join(self.now)

    @rule(name=st.sampled_from(LOOKS), words=st.lists(st.sampled_from(WORDS), max_size=3))
    def look(self, name: str, words: list[str]) -> None:
        """The invariant holds the machine to the digest that it had."""
        before = self.guest.position, self.guest.digest()
        with suppress(vmdbg.UserError):
            self.guest.execute(" ".join([name, *words]))
        assert (self.guest.position, self.guest.digest()) == before

    def images(self) -> Sequence[Path]:
        """As they were at the beginning: a commit makes another image of one."""
        return [self.directory / name for name in ("as it was.img", *DISCS)]

    @staticmethod
    def seen_by(guest: vmdbg.Guest) -> bytes:
        return bytes.fromhex("".join(guest.session.run(f"disk read 0 {SECTORS}").data))

    @invariant()
    def it_is_as_it_should_be(self) -> None:
        if not hasattr(self, "guest"):
            return
        before = self.guest.digest()
        assert self.seen_by(self.guest) == b"".join(self.now)
        shown = self.guest.execute("disk")
        assert f"{len(self.written) * 4096:,}\n" in shown.replace(" \n", "\n")
        assert (self.disc or "no disc") in shown
        assert self.guest.digest() == before


def test_a_disk_is_what_was_done_to_it() -> None:
    run_state_machine_as_test(DiskThroughTime, settings=_settings(4, 25))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_disk_is_what_was_done_to_it_for_long() -> None:
    run_state_machine_as_test(DiskThroughTime, settings=_settings(40, 60))


def test_a_disc_that_was_put_in_twice_is_given_once(tmp_path: Path) -> None:
    for name, data in {"disk.img": image(), **DISCS}.items():
        (tmp_path / name).write_bytes(data)
    with vmdbg.launch(disks=[f"{tmp_path / 'disk.img'},bus=ide"], cdroms=[tmp_path / "a.iso"], memory="16M") as guest:
        guest.expect("~")
        guest.execute(f"insert cd0 {tmp_path / 'a.iso'}")
        guest.run(1000)
        before = guest.digest()
        guest.save_snapshot(tmp_path / "s.vmdbg")
    given = [tmp_path / name for name in ("disk.img", *DISCS)]
    with vmdbg.open_recording(tmp_path / "s.vmdbg", left_out=given) as other:
        assert other.digest() == before


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
