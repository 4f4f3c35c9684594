"""Machines for the tests of determinism, and ways of running them that must leave no trace."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.guests.build import assemble, sample_kernel
from tests.linux_assets import busybox_initrd, cloud_kernel
from vmdbg.boot.acpi import AcpiConfig, acpi_segment
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.boot.source import read_input
from vmdbg.engine.exits import LimitReached
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.outcome import Outcome
from vmdbg.machine.power_on import power_on
from vmdbg.timeline.origin import BootOrigin
from vmdbg.units import Tick
from vmdbg.x86.topology import Topology

Make = Callable[[], Machine]
SAMPLE_MEMORY = 16 << 20
SMP_MEMORY = 4 << 20
LINUX_MEMORY = 128 << 20


def image_machine(
    image: bytes,
    append: str = "",
    memory: int = SAMPLE_MEMORY,
    make_engine: EngineFactory = UnicornEngine,
    *,
    apic: bool = True,
) -> Machine:
    machine = Machine(MachineConfig(memory=memory, apic=apic), make_engine)
    options = BootOptions(memory=memory, kernel=InputFile("guest", memoryview(image)), append=append)
    power_on(machine, boot_image(options))
    return machine


def sample_machine() -> Machine:
    """The sample kernel: its demonstration takes 321 million ticks, most of them idle; then it switches off."""
    return image_machine(sample_kernel().read_bytes(), append="autostop")


def pressure_machine() -> Machine:
    """pressure.asm: 7.1 million ticks."""
    return image_machine(assemble((Path(__file__).parent / "pressure.asm").read_text()))


def smp_machine(
    cpus: int, rounds: int = 100, schedule: str = "round-robin", make_engine: EngineFactory = UnicornEngine
) -> Machine:
    """smp.asm on so many CPUs: some 120,000 ticks."""
    return several_machine(Path(__file__).parent / "smp.asm", cpus, schedule, make_engine, ROUNDS=rounds)


def several_machine(
    source: Path,
    cpus: int,
    schedule: str = "round-robin",
    make_engine: EngineFactory = UnicornEngine,
    devices: tuple[str, ...] = (),
    **defines: int,
) -> Machine:
    """A guest that is told the number of CPUs as CPUS."""
    image = assemble(source.read_text(), defines={"CPUS": cpus, **defines})
    topology = Topology(cores=cpus)
    machine = Machine(MachineConfig(SMP_MEMORY, devices=devices, topology=topology, schedule=schedule), make_engine)
    options = BootOptions(memory=SMP_MEMORY, kernel=InputFile(source.stem, memoryview(image)))
    power_on(machine, boot_image(options))
    return machine


def powered_on(origin: BootOrigin) -> Machine:
    """What begins there, with its disks."""
    machine = Machine(origin.config, UnicornEngine, media=origin.media)
    power_on(machine, origin.image)
    return machine


def bios_machine() -> Machine:
    """bios.asm, which never ends: BIOS services, the disk in memory, and the chips as a BIOS leaves them."""
    return image_machine(assemble((Path(__file__).parent / "bios.asm").read_text()))


def linux_machine(cpus: int = 1, schedule: str = "round-robin") -> Machine:
    """The Debian cloud kernel with a busybox initrd."""
    topology = Topology(cores=cpus)
    machine = Machine(MachineConfig(memory=LINUX_MEMORY, topology=topology, schedule=schedule), UnicornEngine)
    firmware = acpi_segment(AcpiConfig(topology=topology))
    options = BootOptions(
        memory=LINUX_MEMORY,
        kernel=read_input(str(cloud_kernel()), "kernel"),
        initrd=read_input(str(busybox_initrd()), "initrd"),
        firmware=(firmware,),
        rsdp=firmware.address,
    )
    power_on(machine, boot_image(options))
    return machine


@contextmanager
def running(make: Make) -> Iterator[Machine]:
    machine = make()
    try:
        yield machine
    finally:
        machine.close()


def digests_at(make: Make, ticks: Sequence[int]) -> list[Digest]:
    """The digests of an undisturbed run at these ticks."""
    with running(make) as machine:
        return [run_to(machine, tick) for tick in ticks]


def run_to(machine: Machine, tick: int) -> Digest:
    """Run on, past whatever stops the run, to `tick` or the end; the digest there."""
    while not isinstance(go_on(machine, tick), LimitReached) and machine.ending is None:
        pass
    return digest(machine)


def go_on(machine: Machine, tick: int) -> Outcome:
    return machine.run(Tick(tick), over_breakpoint=True)


def run_in_slices(machine: Machine, tick: int, sizes: Callable[[], int]) -> Digest:
    while machine.clock < tick and machine.ending is None:
        machine.run(Tick(min(tick, machine.clock + sizes())))
    return digest(machine)


def step_often(machine: Machine, tick: int, every: int, steps: int, rng: random.Random) -> Digest:
    """Single-step `steps` instructions at random places, and around each deadline of a device."""
    while machine.clock < tick and machine.ending is None:
        ahead = machine.clock + rng.randrange(1, every)
        due = machine.scheduler.next_due()
        if due is not None and machine.clock < due < ahead:
            ahead = max(machine.clock, due - rng.randrange(64))
        machine.run(Tick(min(ahead, tick)))
        for _ in range(rng.randrange(steps)):
            if machine.clock >= tick or machine.ending is not None or machine.halted:
                break  # a step of a halted CPU waits, and could pass the tick
            machine.step()
    return digest(machine)
