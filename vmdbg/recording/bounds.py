"""What values the first block of a recording may have: whoever wrote the file chose them.

The bytes that it refers to are checked where they are put together (content.py), the image as a whole by its digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from devices.disk.drive import Drive
from devices.disk.medium import MOST_SECTORS
from devices.fitting import LONGEST_NAME
from devices.network.frame import parse_mac
from devices.network.net import FarEnd, Net, NicModel
from devices.network.quiet.options import LONGEST_BOOT_FILE, MOST_HOSTS, Quiet, is_host_name
from devices.network.quiet.packets import address
from devices.ninep.share import LARGEST, LONGEST_TAG, SMALLEST, Share
from devices.timers.rtc_calendar import LAST_INSTANT
from vmdbg.boot.image import CpuStart, DescriptorTable, SegmentRegister
from vmdbg.boot.layout import FLASH, FOUR_GIB, LARGEST_MEMORY
from vmdbg.document.printable import printable
from vmdbg.errors import RecordingError
from vmdbg.machine.config import MINIMUM_MEMORY, BootKind, kind_of, meant_kind
from vmdbg.machine.schedules import is_schedule
from vmdbg.recording.records import FileOptions, FileRef, ImageMeta, Meta, SegmentRef
from vmdbg.units import PAGE_MASK, PAGE_SIZE
from vmdbg.x86.cpu_models import is_model
from vmdbg.x86.ram import LOW_RAM
from vmdbg.x86.topology import MOST_CPUS

LONGEST_TEXT = 1 << 16
"""Of names, descriptions and command lines, in characters."""
MOST_DRIVES = 64
_TAG = re.compile(r"[A-Za-z0-9_.-]+")
_SHARE = re.compile(r"share[0-9]{1,3}")
"""Names that no other device has."""
_NET = re.compile(r"net[0-9]{1,3}")
MOST_NETS = 32
_NETWORK = re.compile(r"([0-9]{1,3}\.){2}[0-9]{1,3}")
MOST_PARTS = 1 << 12
"""Segments, E820 entries, writes to chips."""
LARGEST_ADDRESS = 1 << 32
"""Of what is loaded: beyond lies no ROM."""
LARGEST_ROMS = 64 << 20
LARGEST_OPTION_ROM = 16 << 20
"""What a base address register for one can have."""
WORD = 1 << 64
GENERAL = frozenset({f"r{name}" for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp", *range(8, 16))})
SHOWN = 60

Claim = tuple[str, object, bool]
"""A field's name, its value, and whether that may be."""


def check_bounds(meta: Meta, name: str) -> None:
    """Raises RecordingError that names the first field out of bounds, and the file `name`."""
    for field, value, good in _claims(meta):
        if not good:
            shown = printable(repr(value))
            raise RecordingError(
                f"{name} has {shown if len(shown) <= SHOWN else shown[:SHOWN] + '...'} as {field}: it is damaged, or "
                "not made by vmdbg"
            )


def _claims(meta: Meta) -> Iterator[Claim]:
    memory = meta.config.memory
    yield "memory size", memory, MINIMUM_MEMORY <= memory <= LARGEST_MEMORY and not memory & PAGE_MASK
    topology = meta.config.topology
    parts = (topology.sockets, topology.cores, topology.threads)
    yield "CPUs", parts, min(parts) >= 1 and max(parts) <= MOST_CPUS and topology.cpus <= MOST_CPUS
    yield "schedule", meta.config.schedule, is_schedule(meta.config.schedule)
    yield "CPU model", meta.config.cpu, is_model(meta.config.cpu)
    yield "start date", meta.config.start, 0 <= meta.config.start <= LAST_INSTANT
    yield from _flash(meta)
    yield "option ROM", meta.config.option_rom, len(meta.config.option_rom) <= LARGEST_OPTION_ROM
    boot = meta.config.boot
    yield "boot order", boot.kinds, len(boot.kinds) <= len(BootKind)
    known = all(meant_kind(name) is not None for name in boot.names)
    yield "boot order", boot.names, known and len(boot.names) <= len(BootKind) + MOST_DRIVES
    yield from _drives(meta.config.drives)
    yield from _shares(meta.config.shares)
    yield from _nets(meta.config.nets)
    yield "description", meta.description, _is_short(meta.description)
    yield "command line", meta.command_line, _is_short(meta.command_line)
    yield from _roms(meta.roms, memory)
    if meta.elf is not None:
        yield "ELF file's name", meta.elf.name, _is_short(meta.elf.name)
    if meta.image is not None:
        yield from _image(meta.image, memory)
    if meta.files is not None:
        yield from _files(meta.files)


def _flash(meta: Meta) -> Iterator[Claim]:
    """Whole pages at the top, where nothing else is; what is put in it has its size."""
    flash = meta.config.flash
    if flash is None:
        return
    whole = not (flash.address | flash.size) % PAGE_SIZE
    there = flash.address >= FLASH and 0 < flash.size <= FOUR_GIB - flash.address
    yield "place of flash memory", (flash.address, flash.size), whole and there
    for ref in meta.image.segments if meta.image is not None else ():
        if ref.address == flash.address:
            yield "size of what is in flash memory", ref.size, ref.size == flash.size


def _drives(drives: tuple[Drive, ...]) -> Iterator[Claim]:
    yield "number of drives", len(drives), len(drives) <= MOST_DRIVES
    names = [drive.name for drive in drives]
    for drive in drives:
        yield "drive's name", drive.name, kind_of(drive.name) is not None and names.count(drive.name) == 1
        yield "medium's name", drive.medium, _is_short(drive.medium)
        yield "drive's size", drive.sectors, 0 <= drive.sectors <= MOST_SECTORS
        yield "drive's serial number", drive.serial, len(drive.serial) <= LONGEST_NAME


def _shares(shares: tuple[Share, ...]) -> Iterator[Claim]:
    yield "number of shares", len(shares), len(shares) <= MOST_DRIVES
    names = [share.name for share in shares]
    for share in shares:
        yield "share's name", share.name, bool(_SHARE.fullmatch(share.name)) and names.count(share.name) == 1
        yield "share's tag", share.tag, bool(_TAG.fullmatch(share.tag)) and len(share.tag) <= LONGEST_TAG
        yield "share's size", share.size, SMALLEST <= share.size <= LARGEST


def _nets(nets: tuple[Net, ...]) -> Iterator[Claim]:
    yield "number of network devices", len(nets), len(nets) <= MOST_NETS
    names = [net.name for net in nets]
    for net in nets:
        yield "network device's name", net.name, bool(_NET.fullmatch(net.name)) and names.count(net.name) == 1
        yield "network device's address", net.mac, _is_mac(net.mac)
        yield "network device's option ROM", net.rom, len(net.rom) <= LARGEST_OPTION_ROM
        yield "network device's other end", net.far, (net.far is FarEnd.QUIET) == (net.quiet is not None)
        cuts = net.far is FarEnd.OUTSIDE and net.model is NicModel.VIRTIO_TSO
        yield "network device's segments", net.whole_segments, cuts or not net.whole_segments
        if net.quiet is not None:
            yield from _quiet(net.quiet)


def _quiet(quiet: Quiet) -> Iterator[Claim]:
    yield "quiet network", quiet.network, bool(_NETWORK.fullmatch(quiet.network)) and _is_address(quiet.network + ".1")
    yield "boot file", quiet.boot, len(quiet.boot) <= LONGEST_BOOT_FILE
    yield "number of hosts", len(quiet.hosts), len(quiet.hosts) <= MOST_HOSTS
    for host in quiet.hosts:
        yield "host's name", host.name, is_host_name(host.name)
        yield "host's address", host.address, _is_address(host.address)


def _is_address(text: str) -> bool:
    try:
        return len(address(text)) > 0
    except ValueError:
        return False


def _is_mac(text: str) -> bool:
    try:
        return len(parse_mac(text)) > 0
    except ValueError:
        return False


def _is_short(text: str | None) -> bool:
    return text is None or len(text) <= LONGEST_TEXT


def _roms(roms: tuple[SegmentRef, ...], memory: int) -> Iterator[Claim]:
    yield "number of ROMs", len(roms), len(roms) <= MOST_PARTS
    yield from _segments("ROM", roms, memory, above=True)


def _segments(what: str, refs: tuple[SegmentRef, ...], memory: int, *, above: bool) -> Iterator[Claim]:
    """Sorted by address they do not overlap, and lie in RAM or, page by page, above it."""
    low, end, roms = min(memory, LOW_RAM), 0, 0
    for ref in sorted(refs, key=lambda ref: (ref.address, ref.size)):
        yield f"{what}'s name", ref.name, _is_short(ref.name)
        yield f"{what}'s size", ref.size, 0 <= ref.size <= LARGEST_ADDRESS
        in_ram = not above and ref.address + ref.size <= low
        is_rom = ref.address >= low and not (ref.address | ref.size) % PAGE_SIZE and ref.size > 0
        fits = ref.address >= 0 and ref.address + ref.size <= LARGEST_ADDRESS
        yield f"{what}'s address", ref.address, fits and (in_ram or is_rom)
        yield f"{what}'s address, which another's bytes have,", ref.address, ref.address >= end or not ref.size
        end, roms = max(end, ref.address + ref.size), roms + (0 if in_ram else ref.size)
    yield f"size of all that is above RAM, {what} by {what},", roms, roms <= LARGEST_ROMS


def _image(image: ImageMeta, memory: int) -> Iterator[Claim]:
    yield "image's description", image.description, _is_short(image.description)
    yield "image's command line", image.command_line, _is_short(image.command_line)
    yield "image's memory size", image.memory, image.memory == memory
    yield "needed memory", image.memory_needed, 0 <= image.memory_needed < WORD
    for what, count in (("segments", image.segments), ("E820 entries", image.e820), ("writes to chips", image.chips)):
        yield f"number of {what}", len(count), len(count) <= MOST_PARTS
    yield from _segments("segment", image.segments, memory, above=False)
    for entry in image.e820:
        yield "E820 entry", (entry.address, entry.size), 0 <= entry.address < WORD and 0 <= entry.size < WORD
    for write in image.chips:
        yield (
            "firmware's write to a port",
            (write.port, write.value),
            write.port in range(1 << 16) and (write.value in range(1 << 8)),
        )
    yield from _start(image.start)


def _start(start: CpuStart) -> Iterator[Claim]:
    for field in fields(start):
        value = getattr(start, field.name)
        match value:
            case int():
                yield field.name, value, 0 <= value < WORD
            case SegmentRegister(selector, base, limit, attributes):
                good = all((selector in range(1 << 16), base in range(WORD), limit in range(1 << 32)))
                yield field.name, (selector, base, limit), good and attributes in range(1 << 16)
            case DescriptorTable(base, limit):
                yield field.name, (base, limit), base in range(WORD) and limit in range(1 << 16)
            case Mapping():
                for name, number in value.items():
                    yield "register", name, name in GENERAL
                    yield f"register {name}", number, 0 <= number < WORD


def _files(files: FileOptions) -> Iterator[Claim]:
    for what, ref in (("kernel", files.kernel), ("initrd", files.initrd), ("BIOS", files.bios)):
        if isinstance(ref, FileRef):
            yield f"{what}'s name", ref.name, _is_short(ref.name) and "\0" not in ref.name
            yield f"{what}'s SHA-256", ref.sha256, len(ref.sha256) == 64 and ref.sha256.isalnum()
    yield "text to append", files.append, _is_short(files.append)
    yield "command line", files.command_line, _is_short(files.command_line)
    for what, place in (("load address", files.load_address), ("ACPI root pointer", files.rsdp)):
        yield what, place, place is None or 0 <= place < LARGEST_ADDRESS
    yield "seed", files.seed, len(files.seed) <= LONGEST_TEXT
    yield "number of firmware's segments", len(files.firmware), len(files.firmware) <= MOST_PARTS
    for part in files.firmware:
        fits = 0 <= part.address < LARGEST_ADDRESS and 0 <= part.size < LARGEST_ADDRESS
        yield "firmware's name", part.name, _is_short(part.name)
        yield "firmware's address", part.address, fits
