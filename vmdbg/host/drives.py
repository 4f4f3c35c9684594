"""What `--disk`, `--cdrom` and `--floppy` say, and the images that they name, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from devices.disk.drive import Drive, DriveBus, DriveKind
from devices.disk.medium import SECTOR
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.images.formats import Format
from vmdbg.images.opening import open_cd, open_image
from vmdbg.machine.floppies import check_floppy
from vmdbg.machine.image_media import add_image
from vmdbg.machine.media import Media

LONGEST_SERIAL = 20
LONGEST_INDEX = 9
NAMES = {DriveKind.DISK: "disk", DriveKind.CD: "cd", DriveKind.FLOPPY: "floppy"}
_DEFAULT_BUS = {DriveKind.DISK: DriveBus.IDE, DriveKind.CD: DriveBus.IDE, DriveKind.FLOPPY: DriveBus.FLOPPY}
_BUSES = tuple(bus for bus in DriveBus if bus is not DriveBus.FLOPPY)
"""What disks and CDs can be at."""
_OPTIONS = {
    DriveKind.DISK: ("bus", "format", "snapshot", "serial", "backing", "bootindex"),
    DriveKind.CD: ("bus", "serial", "bootindex"),
    DriveKind.FLOPPY: ("format", "snapshot", "backing", "readonly", "bootindex"),
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
    read_only: bool = False
    boot_index: int | None = None


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
            continue
        if key in chosen:
            raise UserError(f"{option} has {key} twice: give it once")
        chosen[key] = value
    bus = _one_of(_BUSES, chosen["bus"], f"{option} bus") if "bus" in chosen else _DEFAULT_BUS[kind]
    form = _one_of(tuple(Format), chosen["format"], f"{option} format") if "format" in chosen else None
    direct, read_only = not _is_on(chosen, option, "snapshot", default=True), _is_on(chosen, option, "readonly")
    serial, index = _serial(chosen, option), _boot_index(chosen, option)
    return DriveChoice(kind, path, bus, form, direct, serial, tuple(backing), read_only, index)


def _split(text: str) -> list[str]:
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def _one_of(kinds: Sequence[_Choice], value: str, what: str) -> _Choice:
    for kind in kinds:
        if kind.value == value:
            return kind
    raise UserError(f"{what} is one of {', '.join(kind.value for kind in kinds)}, not {printable(value)!r}")


_MEANINGS = {"snapshot": "the image is never written", "readonly": "the guest cannot write"}


def _is_on(chosen: dict[str, str], option: str, key: str, *, default: bool = False) -> bool:
    value = chosen.get(key)
    if value not in ("on", "off", None):
        raise UserError(f"{option} {key} is on ({_MEANINGS[key]}) or off, not {printable(value)!r}")
    return default if value is None else value == "on"


def _boot_index(chosen: dict[str, str], option: str) -> int | None:
    value = chosen.get("bootindex")
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) <= LONGEST_INDEX):
        raise UserError(f"{option} bootindex is a number from 0 up, the first to be tried, not {printable(value)!r}")
    return int(value)


def _serial(chosen: dict[str, str], option: str) -> str:
    serial = chosen.get("serial", "")
    if len(serial) > LONGEST_SERIAL or not (serial.isascii() and serial.isprintable()):
        raise UserError(f"{option} serial is at most {LONGEST_SERIAL} printable ASCII characters")
    return serial


def open_drives(choices: Sequence[DriveChoice], media: Media) -> tuple[Drive, ...]:
    """The drives of a machine, with what is in them among `media`, which closes it.

    Raises UserError for an image that cannot be had.
    """
    drives = list[Drive]()
    counts = dict.fromkeys(DriveKind, 0)
    for choice in choices:
        name = f"{NAMES[choice.kind]}{counts[choice.kind]}"
        counts[choice.kind] += 1
        drives.append(_open(choice, name, media))
    return tuple(drives)


def _open(choice: DriveChoice, name: str, media: Media) -> Drive:
    if choice.kind is DriveKind.CD:
        image = open_cd(choice.path)
    else:
        image = open_image(choice.path, choice.form, writable=choice.direct, backing=choice.backing)
    medium = add_image(image, choice.path, media)
    sectors = image.size // SECTOR
    if choice.kind is DriveKind.FLOPPY:
        check_floppy(medium, sectors, whole=choice.direct)
    serial = choice.serial or f"VMDBG-{name.upper()}"
    kept = choice.direct, choice.read_only, choice.boot_index
    return Drive(name, choice.kind, choice.bus, medium, sectors, serial, *kept)
