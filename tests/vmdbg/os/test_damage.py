"""Guests whose memory lies: every question gets an answer or a typed error, soon."""

from __future__ import annotations

import contextlib
import random
import struct
import time
from collections.abc import Callable

import pytest

from tests.vmdbg.os.conftest import Guest
from tests.vmdbg.os.qemu_guest import DumpView, FileMemory
from vmdbg.errors import VmdbgError
from vmdbg.os.linux.operating_system import Linux, LinuxDetector
from vmdbg.os.seam import NotThereYetError
from vmdbg.units import Physical
from vmdbg.x86.physical_memory import UnmappedPhysicalError

SECONDS = 20.0
"""Of CPU time: whoever comes near walks in a circle."""
QUESTIONS: dict[str, Callable[[Linux], object]] = {
    "tasks": lambda linux: linux.tasks(),
    "current": lambda linux: linux.current(),
    "backtraces": lambda linux: [linux.backtrace(task) for task in linux.tasks()[:10]],
    "dmesg": lambda linux: linux.dmesg(),
    "modules": lambda linux: linux.modules(),
    "mounts": lambda linux: linux.mounts(),
    "files": lambda linux: linux.files(1),
    "maps": lambda linux: linux.maps(1),
    "interrupts": lambda linux: linux.interrupts(),
    "timers": lambda linux: linux.timers(),
    "run queues": lambda linux: linux.run_queues(),
    "slab": lambda linux: linux.slab_caches(),
    "info": lambda linux: linux.info(),
    "symbols": lambda linux: linux.symbols.describe(linux.symbols.address_of("loop_add")),
    "print": lambda linux: str(linux.kernel["init_task"]),
    "programs": lambda linux: linux.user_programs(1),
    "quick current": lambda linux: linux.current_locator().read(linux.kernel.view.memory, linux.kernel.view.register),
    "oops": lambda linux: linux.oops(),
    "threads": lambda linux: [str(task.comm) for task in linux.names.threads()],
    "module types": lambda linux: linux.kernel.module_types,
}


@pytest.fixture(scope="module")
def detector() -> LinuxDetector:
    return LinuxDetector()


class Patched:
    """RAM with some bytes changed, without a copy of it all."""

    def __init__(self, guest: Guest, patches: dict[int, bytes]) -> None:
        self.memory = guest.view.memory
        self.ram = self.memory.ram
        self.pages: dict[int, bytearray] = {}
        for address, data in patches.items():
            for offset, byte in enumerate(data):
                page = (address + offset) >> 12
                self.pages.setdefault(page, bytearray(self.memory.read(page << 12, 4096)))  # type: ignore[arg-type]
                self.pages[page][(address + offset) & 0xFFF] = byte

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(self.memory.read(address, size))  # type: ignore[arg-type]
        for page, contents in self.pages.items():
            start = page << 12
            if start < address + size and address < start + 4096:
                low, high = max(start, address), min(start + 4096, address + size)
                data[low - address : high - address] = contents[low - start : high - start]
        return bytes(data)

    def write(self, address: Physical, data: bytes) -> None:
        raise UnmappedPhysicalError(address, len(data))


def ask_everything(detector: LinuxDetector, view: DumpView) -> int:
    """How many questions were answered. Anything but an answer or a `VmdbgError` fails the test."""
    started, answered = time.process_time(), 0
    try:
        linux = detector.detect(view)
    except VmdbgError:
        return 0
    for ask in QUESTIONS.values():
        try:
            if linux is not None:
                ask(linux)
                answered += 1
        except VmdbgError:
            continue
    assert time.process_time() - started < SECONDS
    return answered


def interesting_addresses(guest: Guest) -> list[int]:
    """Physical addresses of what the questions read: tasks, their stacks, lists, log, modules, page tables."""
    kernel, found = guest.linux.kernel, list[int]()
    names = ("init_task", "modules", "slab_caches", "tk_core", "init_uts_ns", "__per_cpu_offset")
    found += map(kernel.symbol, names)
    for task in guest.linux.tasks()[:20]:
        value = kernel.object("struct task_struct", task.address)
        found += [task.address, int(value.stack) + 0x3E00, int(value.thread.sp), int(value.signal), int(value.files)]
    found += [module.address for module in guest.linux.modules()]
    found.append(kernel.memory.u64(kernel.symbol("prb")))
    physical = [kernel.memory.translate(address) for address in found if address]
    return [address for address in physical if address is not None] + [guest.view.register("cr3") & ~0xFFF]


WORDS = (0, 1, 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_8880_0000_0000, 0xFFFF_FFFF_8100_0000, 7 << 40)


@pytest.fixture(scope="module")
def places(cloud_guest: Guest) -> list[int]:
    return interesting_addresses(cloud_guest)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 200))])
def test_random_damage_where_it_hurts(
    cloud_guest: Guest, detector: LinuxDetector, places: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    patches = {}
    for place in chance.sample(places, chance.randint(1, 6)):
        word = chance.choice([*WORDS, chance.getrandbits(64)])
        patches[place + 8 * chance.randrange(500)] = struct.pack("<Q", word)
    memory = Patched(cloud_guest, patches)
    ask_everything(detector, DumpView(memory, cloud_guest.view.registers))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_whole_pages_overwritten(cloud_guest: Guest, seed: int) -> None:
    chance = random.Random(seed)
    patches = {}
    for _ in range(400):
        page = chance.randrange(len(cloud_guest.view.memory.ram) >> 12) << 12
        patches[page] = chance.randbytes(4096) if chance.random() < 0.5 else bytes(4096)
    memory = Patched(cloud_guest, patches)
    ask_everything(LinuxDetector(), DumpView(memory, cloud_guest.view.registers))  # type: ignore[arg-type]


def test_every_list_that_leads_back_to_itself_ends(cloud_guest: Guest, detector: LinuxDetector) -> None:
    """A task list whose second element points to itself never comes back to its head."""
    kernel = cloud_guest.linux.kernel
    first = int(kernel["init_task"].tasks.next)
    physical = kernel.memory.translate(first)
    assert physical is not None
    memory = Patched(cloud_guest, {physical: struct.pack("<Q", first)})
    linux = detector.detect(DumpView(memory, cloud_guest.view.registers))  # type: ignore[arg-type]
    assert linux is not None
    with pytest.raises(VmdbgError, match="list of struct task_struct"):
        linux.tasks()


@pytest.mark.parametrize("fill", [0x00, 0xFF, 0xCC])
def test_memory_without_linux_is_no_linux(cloud_guest: Guest, fill: int) -> None:
    view = DumpView(FileMemory(bytes([fill]) * (16 << 20)), cloud_guest.view.registers)
    with contextlib.suppress(NotThereYetError):
        assert LinuxDetector().detect(view) is None


def test_real_mode_is_no_linux(cloud_guest: Guest) -> None:
    registers = {**cloud_guest.view.registers, "cr0": 0x10, "efer": 0, "idtr_base": 0, "rip": 0xFFF0, "cr3": 0}
    assert LinuxDetector().detect(DumpView(cloud_guest.view.memory, registers)) is None
