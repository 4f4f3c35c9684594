"""What `--disk`, `--cdrom` and `--floppy` say, and the images that they name, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from devices.disk.drive import Drive, DriveBus, DriveKind
from devices.disk.medium import SECTOR
from vmdbg.document.layout import printable
from vmdbg.errors import UserError
from vmdbg.images.opening import Format, open_cd, open_image
from vmdbg.machine.drives import check_bus
from vmdbg.machine.image_media import add_image
from vmdbg.machine.media import Media

LONGEST_SERIAL = 20
NAMES = {DriveKind.DISK: "disk", DriveKind.CD: "cd", DriveKind.FLOPPY: "floppy"}
_DEFAULT_BUS = {DriveKind.DISK: DriveBus.IDE, DriveKind.CD: DriveBus.IDE, DriveKind.FLOPPY: DriveBus.FLOPPY}
_OPTIONS = {
    DriveKind.DISK: ("bus", "format", "snapshot", "serial", "backing"),
    DriveKind.CD: ("bus", "serial"),
    DriveKind.FLOPPY: ("format", "snapshot"),
}


_Choice = TypeVar("_Choice", DriveBus, Format)


@dataclass(frozen=True, slots=True)
class DriveChoice:
    """A drive that was asked for. `backing` are the files behind a qcow2 image, one after the other."""

    kind: DriveKind
    path: str
    bus: DriveBus
    form: Format | None = None
    direct: bool = False
    serial: str = ""
    backing: tuple[str, ...] = ()


def parse_drive(kind: DriveKind, text: str) -> DriveChoice:
    """`FILE[,OPTION=VALUE...]`; a comma in a file's name is written twice. Raises UserError in words."""
    option = f"--{'cdrom' if kind is DriveKind.CD else kind}"
    path, *settings = _split(text)
    if not path:
        raise UserError(f"{option} names no file: give one, as {option} FILE")
    chosen, backing = dict[str, str](), list[str]()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in _OPTIONS[kind]:
            known = ", ".join(_OPTIONS[kind])
            raise UserError(f"{option} has no option {printable(key)!r}; it has: {known}, each as NAME=VALUE")
        if key == "backing":
            backing.append(value)
        else:
            chosen[key] = value
    bus = _one_of(DriveBus, chosen.get("bus", _DEFAULT_BUS[kind]), f"{option} bus")
    check_bus(bus)
    form = _one_of(Format, chosen["format"], f"{option} format") if "format" in chosen else None
    return DriveChoice(kind, path, bus, form, _is_direct(chosen, option), _serial(chosen, option), tuple(backing))


def _split(text: str) -> list[str]:
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def _one_of(kinds: type[_Choice], value: str, what: str) -> _Choice:
    try:
        return kinds(value)
    except ValueError:
        known = ", ".join(kind.value for kind in kinds)
        raise UserError(f"{what} is one of {known}, not {printable(value)!r}") from None


def _is_direct(chosen: dict[str, str], option: str) -> bool:
    value = chosen.get("snapshot", "on")
    if value not in ("on", "off"):
        raise UserError(f"{option} snapshot is on (the image is never written) or off, not {printable(value)!r}")
    return value == "off"


def _serial(chosen: dict[str, str], option: str) -> str:
    serial = chosen.get("serial", "")
    if len(serial) > LONGEST_SERIAL or not (serial.isascii() and serial.isprintable()):
        raise UserError(f"{option} serial is at most {LONGEST_SERIAL} printable ASCII characters")
    return serial


@dataclass(slots=True)
class Drives:
    """The drives as the machine's configuration has them, and their media. Whoever has the media closes them."""

    drives: tuple[Drive, ...] = ()
    media: Media = field(default_factory=Media)


def open_drives(choices: Sequence[DriveChoice]) -> Drives:
    """Raises UserError for an image that cannot be had; the others are closed then."""
    found = Drives()
    counts = dict.fromkeys(DriveKind, 0)
    try:
        for choice in choices:
            name = f"{NAMES[choice.kind]}{counts[choice.kind]}"
            counts[choice.kind] += 1
            found.drives += (_open(choice, name, found),)
    except BaseException:
        found.media.close()
        raise
    return found


def _open(choice: DriveChoice, name: str, found: Drives) -> Drive:
    if choice.kind is DriveKind.CD:
        image = open_cd(choice.path)
    else:
        image = open_image(choice.path, choice.form, writable=choice.direct, backing=choice.backing)
    medium = add_image(image, choice.path, found.media)
    serial = choice.serial or f"VMDBG-{name.upper()}"
    return Drive(name, choice.kind, choice.bus, medium, image.size // SECTOR, serial, choice.direct)
