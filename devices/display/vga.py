"""A VGA with Bochs' VBE as PCI function 1234:1111, as QEMU's standard VGA: the one that option ROM and drivers know.

Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem; QEMU, docs/specs/standard-vga (BARs).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from devices.copied import copied
from devices.display import vbe as vbe_reg
from devices.display import vga_registers as reg
from devices.display.edid import edid
from devices.display.planes import Planes
from devices.display.shared_vga import SharedVga, VgaRegistersState
from devices.display.vbe import Vbe, VbeState
from devices.display.vga_ports import ADDRESS_ENABLE, VGA_PORTS
from devices.display.vga_registers import VgaRegisters, shown_lines
from devices.fitting import Slot
from devices.pci.bars import Bar, Space
from devices.pci.config_space import Identity, Place
from devices.pci.describe import function_rows
from devices.pci.function import PciFunction, PciFunctionState
from devices.seam import Rows

DISPLAY = Place(2, 0)
MEMORY_SIZE = 16 << 20
VBE_PORTS = range(0x1CE, 0x1D1)
MMIO_SIZE = 0x1000
EDID_SIZE, MMIO_PORTS, MMIO_VBE, MMIO_OWN = 0x400, range(0x400, 0x420), range(0x500, 0x516), range(0x600, 0x608)
LITTLE_ENDIAN = 0x1E1E_1E1E
VIDEO_AREA = 0xA0000
APERTURES = ((0xA0000, 0x20000), (0xA0000, 0x10000), (0xB0000, 0x8000), (0xB8000, 0x8000))
"""Where memory answers, by bits 2 and 3 of miscellaneous in the graphics controller; the first two have banks."""
_BANKED = 1
_ALL_PLANES = 0xF

_IDENTITY = Identity(0x1234, 0x1111, 0x030000, revision=2, subsystem_vendor=0x1AF4, subsystem=0x1100)


@dataclass(slots=True)
class VgaState:
    """`latch` holds what was read last of all planes."""

    function: PciFunctionState
    registers: VgaRegistersState = field(default_factory=VgaRegistersState)
    vbe: VbeState = field(default_factory=VbeState)
    latch: int = 0


class Vga:
    """Legacy ports and memory answer whatever the PCI command register says, as they must where no firmware has run.

    `rom` is the option ROM's contents, b"" for none.
    """

    name = "vga"
    title = "VGA with Bochs' VBE, PCI 1234:1111"
    State: ClassVar[type[VgaState]] = VgaState

    def __init__(self, slot: Slot, rom: bytes) -> None:
        self.memory = memory = slot.memory("video memory", MEMORY_SIZE)
        self.vbe = Vbe(MEMORY_SIZE)
        self._shared = SharedVga()
        self.registers = VgaRegisters(self._follow, self._shared)
        self._planes = Planes(self._shared, memory)
        slot.claim_ports(VGA_PORTS, _Ports(self, range(0x20)))
        slot.claim_ports(reg.MONO_PORTS, _Ports(self, range(0x10, 0x20), colour=False))
        slot.claim_ports(VBE_PORTS, VbePorts(self), wide=True)
        part = _Aperture(self)
        self._apertures = [slot.window_memory(size, part) for _, size in APERTURES]
        slot.share_vga(self._shared, memory, part)
        self._direct = memory.window(vbe_reg.BANK_SIZE)
        bars = {
            0: Bar(Space.MEMORY32, MEMORY_SIZE, memory, prefetchable=True),
            2: Bar(Space.MEMORY32, MMIO_SIZE, _Mmio(self)),
        }
        self.function = PciFunction(slot, _IDENTITY, bars=bars, rom=rom, place=DISPLAY)
        self._follow()

    @property
    def aperture(self) -> int:
        """Which of APERTURES is in use."""
        return self.registers.state.graphics[reg.MISCELLANEOUS] >> 2 & 3

    def read_memory(self, offset: int, size: int) -> int:
        """Through the aperture."""
        return self._planes.read(offset + self._shared.bank, size)

    def write_memory(self, offset: int, size: int, value: int) -> None:
        self._planes.write(offset + self._shared.bank, size, value)

    def read_vbe(self, index: int) -> int:
        return self.vbe.read(index)

    def write_vbe(self, index: int, value: int) -> None:
        if self.vbe.write(index, value):
            self.memory.write(0, bytes(self.vbe.pitch * self.vbe.size[1]))
        if self.vbe.enabled and index not in (vbe_reg.ID, vbe_reg.BANK):
            self._set_registers()
        self._follow()

    def save(self) -> VgaState:
        vbe = replace(self.vbe.state, registers=list(self.vbe.state.registers))
        return VgaState(self.function.save(), self.registers.save(), vbe, self._shared.latch)

    def restore(self, state: VgaState) -> None:
        """Raises ValueError for registers that no VGA has."""
        vbe_reg.check(state.vbe)
        self.registers.restore(state.registers)
        self.vbe.state = copied(state.vbe)
        self._shared.latch = state.latch & 0xFFFF_FFFF
        self.function.restore(state.function)
        self._follow()

    def describe(self, now: int) -> Rows:
        s, start = self.registers.state, APERTURES[self.aperture][0]
        return [
            ("mode", self.mode_text()),
            ("window", f"{start:x}, {self._access_text()}"),
            ("miscellaneous output", f"{s.misc:02x}"),
            ("CRTC", bytes(s.crtc).hex(" ")),
            ("sequencer", bytes(s.sequencer).hex(" ")),
            ("graphics", bytes(s.graphics).hex(" ")),
            ("attributes", bytes(s.attributes).hex(" ")),
            ("VBE", " ".join(f"{value:04x}" for value in self.vbe.state.registers)),
            *function_rows(self.function),
        ]

    def mode_text(self) -> str:
        """What is shown, in words."""
        s = self.registers.state
        if not s.attribute_index & ADDRESS_ENABLE or s.sequencer[reg.CLOCKING_MODE] & reg.SCREEN_OFF:
            return "blank"
        if self.vbe.enabled:
            width, height = self.vbe.size
            return f"VBE {width}x{height}, {self.vbe.depth} bits a pixel"
        columns, lines = s.crtc[reg.H_DISPLAYED] + 1, shown_lines(s)
        if s.graphics[reg.MISCELLANEOUS] & reg.GRAPHICS_MODE:
            colours = (16, 4, 256, 256)[s.graphics[reg.MODE] >> 5 & 3]
            return f"graphics, {8 * columns}x{lines}, {colours} colours"
        return f"text, {columns}x{lines // ((s.crtc[reg.MAXIMUM_SCAN] & 0x1F) + 1)}"

    def _access_text(self) -> str:
        s = self.registers.state
        if not s.misc & reg.RAM_ENABLE:
            return "off"
        if self._shared.linear or s.sequencer[reg.MEMORY_MODE] & reg.CHAIN_4:
            return f"chain-4, bank {self.vbe.bank // vbe_reg.BANK_SIZE}"
        if s.graphics[reg.MODE] & reg.ODD_EVEN:
            return "odd/even"
        compare = " comparing" if s.graphics[reg.MODE] & reg.READ_COMPARE else ""
        return f"planes, write mode {s.graphics[reg.MODE] & 3}{compare}, map mask {s.sequencer[reg.MAP_MASK]:x}"

    def _follow(self) -> None:
        """Colours are as wide, and windows where the registers say."""
        s, aperture = self.registers.state, self.aperture
        enabled = bool(s.misc & reg.RAM_ENABLE)
        self._shared.wide_dac = self.vbe.wide_dac
        self._shared.linear = linear = self.vbe.enabled and self.vbe.depth > 4
        self._shared.bank = self.vbe.bank if aperture == _BANKED else 0
        chained = s.sequencer[reg.MEMORY_MODE] & reg.CHAIN_4 and s.sequencer[reg.MAP_MASK] == _ALL_PLANES
        direct = enabled and (linear or bool(chained)) and aperture == _BANKED
        self._direct.aim(self.vbe.bank)
        for number, window in enumerate(self._apertures):
            window.move(APERTURES[number][0] if enabled and not direct and number == aperture else None)
        self._direct.move(VIDEO_AREA if direct else None)

    def _set_registers(self) -> None:
        """The VGA's own registers follow a VBE mode, as those who find it so expect."""
        s, (width, height) = self.registers.state, self.vbe.size
        s.graphics[reg.MISCELLANEOUS] = s.graphics[reg.MISCELLANEOUS] & ~0x0C | 0x04 | reg.GRAPHICS_MODE
        s.crtc[reg.CRTC_MODE] |= 3
        s.crtc[reg.OFFSET] = self.vbe.pitch >> 3 & 0xFF
        s.crtc[reg.H_DISPLAYED] = (width >> 3) - 1 & 0xFF
        last = height - 1
        s.crtc[reg.V_DISPLAYED] = last & 0xFF
        s.crtc[reg.OVERFLOW] = s.crtc[reg.OVERFLOW] & ~0x42 | last >> 7 & 0x02 | last >> 3 & 0x40 | 0x10
        s.crtc[reg.LINE_COMPARE] = 0xFF
        s.crtc[reg.MAXIMUM_SCAN] = s.crtc[reg.MAXIMUM_SCAN] & ~0x9F | 0x40
        shift = 0 if self.vbe.depth == 4 else 2
        s.graphics[reg.MODE] = s.graphics[reg.MODE] & ~0x60 | shift << 5


@dataclass(frozen=True, slots=True)
class _Ports:
    """Those of `offsets` from 3C0h; of CRTC and input status, the ones that miscellaneous output has put there."""

    vga: Vga
    offsets: range
    colour: bool = True

    def read(self, offset: int, size: int, now: int) -> int:
        at = self.offsets[offset]
        return self.vga.registers.read(at, now) if self._answers(at) else 0xFF

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        at = self.offsets[offset]
        if self._answers(at):
            self.vga.registers.write(at, value)

    def _answers(self, at: int) -> bool:
        return at < 0x10 or bool(self.vga.registers.state.misc & reg.COLOUR) == self.colour


@dataclass(frozen=True, slots=True)
class VbePorts:
    """Index at 1CEh; data, of 16 bits, at 1CFh, and at 1D0h for those who want it even."""

    vga: Vga

    def read(self, offset: int, size: int, now: int) -> int:
        state = self.vga.vbe.state
        value = state.index if offset == 0 else self.vga.read_vbe(state.index)
        return value & (1 << 8 * size) - 1 if size <= 2 else value | 0xFFFF_0000

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset == 0:
            self.vga.vbe.state.index = value & 0xFFFF
        elif size == 2:
            self.vga.write_vbe(self.vga.vbe.state.index, value)


@dataclass(frozen=True, slots=True)
class _Aperture:
    """Memory at A0000h to BFFFFh."""

    vga: Vga

    def read(self, offset: int, size: int, now: int) -> int:
        return self.vga.read_memory(offset, size)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self.vga.write_memory(offset, size, value)


@dataclass(frozen=True, slots=True)
class _Mmio:
    """BAR 2: the EDID, the ports of the VGA from 3C0h, VBE's registers, and which byte of a pixel comes first."""

    vga: Vga

    def read(self, offset: int, size: int, now: int) -> int:
        if offset < EDID_SIZE:
            return int.from_bytes(_EDID[offset : offset + size].ljust(size, b"\0"), "little")
        if offset in MMIO_PORTS:
            registers = self.vga.registers
            return sum(
                registers.read(at, now) << 8 * (at - offset + MMIO_PORTS.start)
                for at in self._lanes(offset, size, MMIO_PORTS)
            )
        if offset in MMIO_VBE:
            return self.vga.read_vbe((offset - MMIO_VBE.start) // 2) & (1 << 8 * size) - 1
        own = len(MMIO_OWN).to_bytes(4, "little") + LITTLE_ENDIAN.to_bytes(4, "little")
        at = offset - MMIO_OWN.start
        return int.from_bytes(own[at : at + size].ljust(size, b"\0"), "little") if offset in MMIO_OWN else 0

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if offset in MMIO_PORTS:
            for at in self._lanes(offset, size, MMIO_PORTS):
                self.vga.registers.write(at, value >> 8 * (at - offset + MMIO_PORTS.start))
        elif offset in MMIO_VBE and size == 2 and not offset & 1:
            self.vga.write_vbe((offset - MMIO_VBE.start) // 2, value)

    @staticmethod
    def _lanes(offset: int, size: int, ports: range) -> range:
        return range(offset - ports.start, min(offset + size, ports.stop) - ports.start)


_EDID = edid()
