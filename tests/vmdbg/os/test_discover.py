"""Finding a kernel, fast, and again from the cache."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.vmdbg.os.conftest import Guest
from tests.vmdbg.os.kernels import Kernel
from tests.vmdbg.os.own_machine import OwnGuest
from tests.vmdbg.os.qemu_guest import DumpView, booted
from vmdbg.c.types import NoSuchTypeError
from vmdbg.errors import VmdbgError
from vmdbg.machine.snapshot import Position
from vmdbg.os.linux.cache import Cache
from vmdbg.os.linux.operating_system import Linux, LinuxDetector
from vmdbg.os.linux.symbols import KernelTable
from vmdbg.units import Tick


def test_a_second_look_keeps_what_was_learnt_of_the_boot(guest: Guest) -> None:
    detector = LinuxDetector()
    first, second = detector.detect(guest.view), detector.detect(guest.view)
    assert first is not None
    assert second is not None
    assert second.boot is first.boot


def test_the_cache_gives_the_same(guest: Guest, tmp_path: Path) -> None:
    LinuxDetector(Cache(tmp_path)).detect(guest.view)
    assert [path.name.endswith(".symbols") for path in tmp_path.iterdir()] == [True]
    again = LinuxDetector(Cache(tmp_path)).detect(guest.view)
    assert again is not None
    assert again.symbols.kernel.names == guest.linux.symbols.kernel.names
    assert list(again.symbols.kernel.iter_addresses()) == list(guest.linux.symbols.kernel.iter_addresses())
    assert again.kernel.type("struct task_struct").size == guest.linux.kernel.type("struct task_struct").size
    assert again.boot.build == guest.linux.boot.build


def test_the_cache_of_one_boot_serves_another_with_another_slide(
    cloud_guest: Guest, kernel_image: Callable[[str], Kernel], tmp_path: Path
) -> None:
    LinuxDetector(Cache(tmp_path)).detect(cloud_guest.view)
    with booted(kernel_image("6.1-cloud"), "nokaslr") as guest:
        while "Run /init" not in guest.console():
            guest.run_for(0.1)
        other = LinuxDetector(Cache(tmp_path)).detect(guest.stop())
        assert other is not None
        assert other.kernel.symbol("_text") == 0xFFFF_FFFF_8100_0000
        assert len(list(tmp_path.iterdir())) == 1
        assert other.current().name
        assert cloud_guest.linux.kernel.symbol("_text") != other.kernel.symbol("_text")


@pytest.mark.parametrize("damage", ["truncate", "garbage", "flip"])
def test_a_damaged_cache_is_ignored_and_rewritten(cloud_guest: Guest, tmp_path: Path, damage: str) -> None:
    LinuxDetector(Cache(tmp_path)).detect(cloud_guest.view)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "garbage":
        path.write_bytes(zstandard.compress(b"\x93\x01\x02\x03"))
    else:
        data[len(data) // 2] ^= 0x40
        path.write_bytes(data)
    linux = LinuxDetector(Cache(tmp_path)).detect(cloud_guest.view)
    assert linux is not None
    assert linux.symbols.kernel.names == cloud_guest.linux.symbols.kernel.names


def test_a_cache_that_cannot_be_written_stops_no_one(cloud_guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert LinuxDetector(Cache(tmp_path / "file")).detect(cloud_guest.view) is not None


def test_a_guest_cannot_plant_names_for_another(cloud_guest: Guest, tmp_path: Path) -> None:
    """A cache entry is used only over tables that are byte for byte the same."""
    LinuxDetector(Cache(tmp_path)).detect(cloud_guest.view)
    build, base = cloud_guest.linux.boot.build, cloud_guest.linux.boot.base
    ram = bytearray(cloud_guest.view.memory.ram)
    physical = cloud_guest.linux.kernel.memory.translate(base + build.offsets)
    assert physical is not None
    ram[physical + 4000 : physical + 4004] = b"\x00\x00\x00\x80"
    view = DumpView(type(cloud_guest.view.memory)(ram), cloud_guest.view.registers)
    linux = LinuxDetector(Cache(tmp_path)).detect(view)
    assert linux is not None
    assert list(linux.symbols.kernel.iter_addresses()) != list(cloud_guest.linux.symbols.kernel.iter_addresses())


def test_a_kernel_without_btf_has_names_and_says_that_it_has_no_types(
    cloud_guest: Guest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = KernelTable.find
    hidden = {"__start_BTF", "__stop_BTF"}
    monkeypatch.setattr(KernelTable, "find", lambda self, name: None if name in hidden else known(self, name))
    for _ in range(2):
        linux = LinuxDetector(Cache(tmp_path)).detect(cloud_guest.view)
        assert linux is not None
        assert linux.symbols.describe(linux.kernel.symbol("vfs_read") + 3) == "vfs_read+0x3"
        with pytest.raises(NoSuchTypeError, match="no type struct"):
            linux.tasks()


def test_every_instant_of_a_boot_answers_or_says_not_yet(own: OwnGuest) -> None:
    """From the first instruction on: no Linux, then not there yet, then everything."""
    questions: dict[str, Callable[[Linux], object]] = {
        "tasks": Linux.tasks,
        "current": Linux.current,
        "dmesg": Linux.dmesg,
        "modules": Linux.modules,
        "mounts": Linux.mounts,
        "interrupts": Linux.interrupts,
        "timers": Linux.timers,
        "slab": Linux.slab_caches,
        "info": Linux.info,
        "backtrace": Linux.backtrace,
    }
    chance = random.Random(1)
    detector = LinuxDetector()
    answered: list[set[str]] = []
    early = chance.sample(range(1_000_000_000), 40)
    for tick in [0, *sorted(early + chance.sample(range(own.ready), 10)), own.ready]:
        own.timeline.seek(Position(Tick(tick)))
        answered.append(set())
        for name, ask in questions.items():
            try:
                linux = detector.detect(own.view)
                if linux is not None:
                    ask(linux)
                    answered[-1].add(name)
            except VmdbgError:
                continue
    assert answered[0] == set()
    assert answered[-1] == set(questions)
    assert any(0 < len(some) < len(questions) for some in answered), "mounts come with the first process"
