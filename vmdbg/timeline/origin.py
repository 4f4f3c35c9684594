"""What a timeline begins with: enough to build its machine again anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.boot import elf_file
from vmdbg.boot.image import BootImage, BootOptions, InputFile, Segment
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.media import Media
from vmdbg.machine.power_on import place_rom, power_on


def _new_machine(config: MachineConfig, media: Media | None) -> Machine:
    from vmdbg.engine.unicorn import calibrated_engine  # the native part: whoever makes no machine need not wait for it

    return Machine(config, calibrated_engine, media=media)


@dataclass(frozen=True, slots=True)
class BootOrigin:
    """The machine is switched on with `image` in it. `options`, where known, say from which files that was made."""

    config: MachineConfig
    image: BootImage
    options: BootOptions | None = None
    recorded_elf: InputFile | None = None
    """The ELF file that was booted, where a recording has it."""
    media: Media | None = None
    """What is in the drives, if there are any."""

    @property
    def description(self) -> str:
        return self.image.description

    @property
    def command_line(self) -> str | None:
        return self.image.command_line

    @property
    def elf(self) -> InputFile | None:
        """The file that was booted, if it is known and an ELF file: it has the guest's symbols."""
        kernel = self.options.kernel if self.options is not None else self.recorded_elf
        return kernel if kernel is not None and bytes(kernel.data[:4]) == elf_file.MAGIC else None

    @property
    def roms(self) -> tuple[Segment, ...]:
        """What is not RAM."""
        return tuple(segment for segment in self.image.segments if segment.rom)

    def machine(self) -> Machine:
        """A machine at its first instruction. Raises EngineError."""
        machine = _new_machine(self.config, self.media)
        power_on(machine, self.image)
        return machine


@dataclass(frozen=True, slots=True)
class StateOrigin:
    """The machine goes on from a snapshot, which is the timeline's first checkpoint."""

    config: MachineConfig
    roms: tuple[Segment, ...]
    description: str
    command_line: str | None = None
    elf: InputFile | None = None
    """As BootOrigin's."""
    media: Media | None = None
    """As BootOrigin's."""

    def machine(self) -> Machine:
        """A machine whose RAM and state are still to be restored. Raises EngineError."""
        machine = _new_machine(self.config, self.media)
        for segment in self.roms:
            place_rom(machine, segment)
        return machine


Origin = BootOrigin | StateOrigin
