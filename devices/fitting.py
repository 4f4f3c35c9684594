"""How a device that a user may add sits on the board: what it is called, what can be chosen, and what it is joined to.

A module of the catalog has one FITTING. Its options are the fields of a frozen dataclass with defaults; they are
integers, texts or truth values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from devices.pci.config_space import ConfigSpace, Pin, Place
from devices.seam import (
    AddressedDevice,
    BusMaster,
    Device,
    DeviceInput,
    DeviceMemory,
    DmaChannel,
    Line,
    Pages,
    Timer,
    Window,
)
from devices.serial.backend import Backend
from devices.wiring.shared_ports import PlainPorts, StreamPort

if TYPE_CHECKING:
    from devices.display.shared_vga import SharedVga

LONGEST_NAME = 32
_TRUTH = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


class Slot(Protocol):
    """A place on the board, for the device called `name`."""

    @property
    def name(self) -> str: ...

    def claim_ports(self, ports: range, part: AddressedDevice, *, wide: bool = False) -> None:
        """Raises BusError if they are no ports, or another device's."""
        ...

    def claim_memory(self, addresses: range, part: AddressedDevice) -> None:
        """Raises BusError as claim_ports()."""
        ...

    def window_ports(self, size: int, part: AddressedDevice, *, wide: bool = False) -> Window:
        """`size` ports that can be moved, off at first."""
        ...

    def window_memory(self, size: int, part: AddressedDevice) -> Window:
        """`size` bytes of physical addresses that can be moved, off at first; RAM and ROM are in front of it."""
        ...

    def bus_master(self) -> BusMaster:
        """The way to memory for DMA."""
        ...

    def dma_channel(self, number: int) -> DmaChannel:
        """Channel 0 to 3 of the ISA bus, which the device has for itself. Raises ValueError."""
        ...

    def pages(self, name: str, size: int) -> Pages:
        """So many bytes of state by page, for what is too much for the device's own. Raises ValueError for none."""
        ...

    def memory(self, name: str, size: int) -> DeviceMemory:
        """Memory for the guest to have directly; whole pages. Raises ValueError."""
        ...

    def msi(self) -> Callable[[int, int], None]:
        """What takes a message signalled interrupt: a store of a dword to an address. Elsewhere it goes nowhere."""
        ...

    def pci_function(self, target: ConfigSpace, pin: Pin, place: Place | None = None) -> Line:
        """Put a function on the PCI bus: there, or at the next device number that is free.

        The line is what its interrupt pin drives; a function without a pin gets one that leads nowhere.
        Raises ValueError if the place is taken, or this machine has no such bus.
        """
        ...

    def share_ports(self, ports: range, memory: PlainPorts | StreamPort) -> None:
        """Of ports that it has claimed: the plain accesses may be answered out of `memory`. A StreamPort's is one."""
        ...

    def share_vga(self, vga: SharedVga, memory: DeviceMemory, part: AddressedDevice) -> None:
        """What the part behind windows does with `memory`, and what the ports of a VGA do, which it has claimed, may be
        done by what `vga` holds. The board says in it where the guest finds the part.
        """
        ...

    def irq(self, number: int) -> Line:
        """An interrupt request line of the ISA bus, which the device has for itself. Raises ValueError."""
        ...

    def any_irq(self, number: int) -> Line:
        """The same of any number, 0 to 15, which others may drive too: who sets it last has it. Raises ValueError."""
        ...

    def timer(self) -> Timer: ...

    @property
    def option_rom(self) -> bytes:
        """What the user has put into the device's PCI function for firmware to run; b"" for nothing."""
        ...

    @property
    def debug_output(self) -> Backend:
        """Where debug consoles write."""
        ...

    def end_run(self, code: int) -> None:
        """The run ends for good, with an exit code that has yet to be cut to what a host can return."""
        ...


@dataclass(frozen=True, slots=True)
class Fitting:
    """`options` is a frozen dataclass; `fit` gets the slot and one of those (`Any`); `inputs` are what it takes.

    `pci` says that it sits on the PCI bus, or is for guests that look for what comes with one, so that the machine is
    one that has such. `for_qemu` says that its guests were made for QEMU: an interrupt that they raise
    comes before their next instruction, and a Multiboot kernel that goes back to real mode finds a BIOS there.
    """

    kind: str
    summary: str
    options: type
    fit: Callable[[Slot, Any], Device]
    inputs: tuple[type[DeviceInput], ...] = ()
    pci: bool = False
    for_qemu: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A device that was asked for: `debugcon,port=0x402,id=firmware`."""

    fitting: Fitting
    name: str
    options: object


def parse_choice(text: str, fittings: Mapping[str, Fitting]) -> Choice:
    """`KIND[,OPTION=VALUE...]`; `id=NAME` gives the device another name than its kind. Raises ValueError in words."""
    kind, *settings = text.split(",")
    fitting = fittings.get(kind)
    if fitting is None:
        raise ValueError(f"there is no device {kind!r} to add; there are: {', '.join(fittings)}")
    types = {field.name: get_type_hints(fitting.options)[field.name] for field in fields(fitting.options)}
    name, chosen = kind, {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or (key != "id" and key not in types):
            raise ValueError(f"{kind} has no option {key!r}; it has: {', '.join(['id', *types])}, each as NAME=VALUE")
        if key == "id":
            name = _checked_name(value)
        else:
            chosen[key] = _value(types[key], value, f"{kind},{key}")
    return Choice(fitting, name, fitting.options(**chosen))


def _checked_name(text: str) -> str:
    if not text.replace("-", "").isalnum() or not text.isascii() or len(text) > LONGEST_NAME:
        shown = repr(text[:LONGEST_NAME])
        raise ValueError(f"{shown} is no name of a device: letters, digits and -, at most {LONGEST_NAME} of them")
    return text


def _value(type_: type[object], text: str, what: str) -> int | str | bool:
    if type_ is str:
        return text
    if type_ is bool:
        if text not in _TRUTH:
            raise ValueError(f"{what} is on or off, not {text!r}")
        return _TRUTH[text]
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"{what} is a number, decimal or as 0x402, not {text!r}") from None
