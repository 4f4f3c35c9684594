"""The commands of a CD drive (SPC-3 and MMC-5): what each packet comes to, whichever controller brings it."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass

from devices.disk.cd_unit import CdUnit
from devices.disk.medium import SECTOR

CD_SECTOR = 2048
RATIO = CD_SECTOR // SECTOR
PACKET_SIZE = 12


@dataclass(slots=True)
class CdState:
    """What a drive remembers for its host: sense data that was not asked for yet, a reset to tell of, and which change
    of the disc it was told of last.
    """

    key: int = 0
    code: int = 0
    qualifier: int = 0
    attention: bool = True
    changes: int = 0


_LEAD_OUT = 0xAA
_CD_ROM_PROFILE, _DVD_ROM_PROFILE = 0x08, 0x10
_SPEED = 706
"""KB/s."""
_LARGEST_CD = 450_000
"""Sectors; what has more is taken for a DVD."""


class Sense(enum.Enum):
    """Sense key, additional code and its qualifier (SPC-3, 4.5.6)."""

    NONE = (0, 0, 0)
    NO_MEDIUM = (2, 0x3A, 0)
    MEDIUM_ERROR = (3, 0x11, 0)
    INVALID_COMMAND = (5, 0x20, 0)
    OUT_OF_RANGE = (5, 0x21, 0)
    INVALID_FIELD = (5, 0x24, 0)
    LOCKED = (5, 0x53, 2)
    RESET = (6, 0x29, 0)
    CHANGED = (6, 0x28, 0)


class Opcode(enum.IntEnum):
    """MMC-5, 6, and SPC-3, 6."""

    TEST_UNIT_READY = 0x00
    REQUEST_SENSE = 0x03
    INQUIRY = 0x12
    MODE_SENSE_6 = 0x1A
    START_STOP = 0x1B
    PREVENT_ALLOW = 0x1E
    READ_CAPACITY = 0x25
    READ_10 = 0x28
    SEEK = 0x2B
    SYNCHRONIZE_CACHE = 0x35
    READ_SUBCHANNEL = 0x42
    READ_TOC = 0x43
    GET_CONFIGURATION = 0x46
    GET_EVENT_STATUS = 0x4A
    READ_DISC_INFORMATION = 0x51
    MODE_SENSE_10 = 0x5A
    READ_12 = 0xA8
    SET_CD_SPEED = 0xBB
    MECHANISM_STATUS = 0xBD
    READ_CD = 0xBE


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to the host, cut to what it asked for."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ReadBlocks:
    """Sectors of 2,048 bytes, all of them on the medium."""

    lba: int
    count: int


@dataclass(frozen=True, slots=True)
class Good:
    """Nothing to move."""


@dataclass(frozen=True, slots=True)
class CheckCondition:
    sense: Sense


Outcome = Reply | ReadBlocks | Good | CheckCondition


def decode(packet: bytes) -> tuple[int, int, int]:
    """Opcode, and of a READ the first sector and how many."""
    opcode = packet[0]
    (lba,) = struct.unpack_from(">I", packet, 2)
    match opcode:
        case Opcode.READ_10:
            (count,) = struct.unpack_from(">H", packet, 7)
        case Opcode.READ_12:
            (count,) = struct.unpack_from(">I", packet, 6)
        case Opcode.READ_CD:
            count = int.from_bytes(packet[6:9], "big")
        case _:
            count = 0
    return opcode, lba, count


class ScsiCd:
    """The logic of the drive of `unit`. What it remembers is in the CdState that it is given."""

    def __init__(self, unit: CdUnit) -> None:
        self._unit = unit

    @property
    def sectors(self) -> int:
        """Of 2,048 bytes."""
        medium = self._unit.medium
        return medium.sectors // RATIO if medium is not None else 0

    def execute(self, packet: bytes, cd: CdState) -> Outcome:
        """`packet` has 12 bytes."""
        opcode = packet[0]
        if opcode == Opcode.REQUEST_SENSE:
            return self._request_sense(packet, cd)
        if opcode not in _WITHOUT_ATTENTION and (pending := self._attention(cd)) is not None:
            return CheckCondition(pending)
        command = _COMMANDS.get(opcode)
        if command is None:
            return CheckCondition(Sense.INVALID_COMMAND)
        needs_medium, run = command
        if needs_medium and self._unit.medium is None:
            return CheckCondition(Sense.NO_MEDIUM)
        return run(self, packet, cd)

    def _attention(self, cd: CdState) -> Sense | None:
        """What the host is to hear once before anything else."""
        if cd.attention:
            cd.attention = False
            return Sense.RESET
        if cd.changes != self._unit.changes:
            cd.changes = self._unit.changes
            return Sense.CHANGED if self._unit.medium is not None else Sense.NO_MEDIUM
        return None

    def _request_sense(self, packet: bytes, cd: CdState) -> Outcome:
        pending = self._attention(cd)
        key, code, qualifier = pending.value if pending is not None else (cd.key, cd.code, cd.qualifier)
        cd.key = cd.code = cd.qualifier = 0
        return Reply(struct.pack(">BBBIB4xBB4x", 0x70, 0, key, 0, 10, code, qualifier)[: packet[4]])

    def _test_unit_ready(self, packet: bytes, cd: CdState) -> Outcome:
        return Good()

    def _inquiry(self, packet: bytes, cd: CdState) -> Outcome:
        if packet[1] & 1 or packet[2]:
            return CheckCondition(Sense.INVALID_FIELD)
        head = bytes((0x05, 0x80, 0, 0x21, 31, 0, 0, 0))
        return Reply((head + b"VMDBG   " + b"CD-ROM          " + b"1.0 ")[: packet[4]])

    def _start_stop(self, packet: bytes, cd: CdState) -> Outcome:
        start, load_eject = packet[4] & 1, packet[4] & 2
        if load_eject and not start:
            if self._unit.locked:
                return CheckCondition(Sense.LOCKED)
            self._unit.open_tray()
        elif load_eject:
            self._unit.close_tray()
        return Good()

    def _prevent_allow(self, packet: bytes, cd: CdState) -> Outcome:
        self._unit.lock(bool(packet[4] & 1))
        return Good()

    def _read_capacity(self, packet: bytes, cd: CdState) -> Outcome:
        return Reply(struct.pack(">II", self.sectors - 1, CD_SECTOR))

    def _read(self, packet: bytes, cd: CdState) -> Outcome:
        _, lba, count = decode(packet)
        if lba + count > self.sectors:
            return CheckCondition(Sense.OUT_OF_RANGE)
        return ReadBlocks(lba, count) if count else Good()

    def _read_cd(self, packet: bytes, cd: CdState) -> Outcome:
        """Only user data of data sectors (MMC-5, 6.16)."""
        wanted = packet[9] & 0xF8
        if not wanted:
            return Good()
        if wanted != 0x10 or packet[1] >> 2 & 7 not in (0, 2, 4) or packet[10] & 7:
            return CheckCondition(Sense.INVALID_FIELD)
        return self._read(packet, cd)

    def _seek(self, packet: bytes, cd: CdState) -> Outcome:
        _, lba, _ = decode(packet)
        return Good() if lba < self.sectors else CheckCondition(Sense.OUT_OF_RANGE)

    def _good(self, packet: bytes, cd: CdState) -> Outcome:
        return Good()

    def _read_toc(self, packet: bytes, cd: CdState) -> Outcome:
        """One session with one data track (MMC-5, 6.26)."""
        msf, form, track = bool(packet[1] & 2), (packet[2] & 0xF) or packet[9] >> 6, packet[6]
        match form:
            case 0:
                if track > 1 and track != _LEAD_OUT:
                    return CheckCondition(Sense.INVALID_FIELD)
                entries = [(1, 0)] if track <= 1 else []
                entries.append((_LEAD_OUT, self.sectors))
                body = b"".join(struct.pack(">BBBB4s", 0, 0x14, n, 0, _address(at, msf)) for n, at in entries)
            case 1:
                body = struct.pack(">BBBB4s", 0, 0x14, 1, 0, _address(0, msf))
            case 2:
                first_and_last = [(point, b"\0\1\0\0") for point in (0xA0, 0xA1)]
                points = [*first_and_last, (0xA2, _address(self.sectors, True)), (1, _address(0, True))]
                body = b"".join(struct.pack(">BBBB3x4s", 1, 0x14, 0, point, where) for point, where in points)
            case _:
                return CheckCondition(Sense.INVALID_FIELD)
        return self._cut(struct.pack(">HBB", len(body) + 2, 1, 1) + body, packet, 7)

    def _read_subchannel(self, packet: bytes, cd: CdState) -> Outcome:
        """No audio plays (MMC-5, 6.23)."""
        return self._cut(bytes((0, 0x15, 0, 0)), packet, 7)

    def _get_configuration(self, packet: bytes, cd: CdState) -> Outcome:
        """The profile list, core and removable medium features (MMC-5, 5.3 and 6.6)."""
        profile = 0
        if self._unit.medium is not None:
            profile = _DVD_ROM_PROFILE if self.sectors > _LARGEST_CD else _CD_ROM_PROFILE
        profiles = b"".join(
            struct.pack(">HBx", known, known == profile) for known in (_DVD_ROM_PROFILE, _CD_ROM_PROFILE)
        )
        features = struct.pack(">HBB", 0, 0x03, len(profiles)) + profiles
        features += struct.pack(">HBBIBxxx", 1, 0x0B, 8, 2, 0)
        features += struct.pack(">HBBBxxx", 3, 0x03, 4, 0x29)
        return self._cut(struct.pack(">IHH", len(features) + 4, 0, profile) + features, packet, 7)

    def _get_event_status(self, packet: bytes, cd: CdState) -> Outcome:
        """Polled, and of the media class alone (MMC-5, 6.7)."""
        if not packet[1] & 1:
            return CheckCondition(Sense.INVALID_FIELD)
        if not packet[4] & 0x10:
            return self._cut(struct.pack(">HBB", 2, 0x80, 0x10), packet, 7)
        status = self._unit.tray_open | (self._unit.medium is not None) << 1
        return self._cut(struct.pack(">HBBBBxx", 6, 4, 0x10, self._unit.take_event(), status), packet, 7)

    def _read_disc_information(self, packet: bytes, cd: CdState) -> Outcome:
        """A complete disc of one session (MMC-5, 6.22)."""
        return self._cut(struct.pack(">HBBBBBBB25x", 32, 0x0E, 1, 1, 1, 1, 0x20, 0), packet, 7)

    def _mode_sense_6(self, packet: bytes, cd: CdState) -> Outcome:
        pages = self._mode_pages(packet[2])
        if pages is None:
            return CheckCondition(Sense.INVALID_FIELD)
        return Reply((struct.pack(">BBBB", len(pages) + 3, self._medium_type, 0, 0) + pages)[: packet[4]])

    def _mode_sense_10(self, packet: bytes, cd: CdState) -> Outcome:
        pages = self._mode_pages(packet[2])
        if pages is None:
            return CheckCondition(Sense.INVALID_FIELD)
        return self._cut(struct.pack(">HB5x", len(pages) + 6, self._medium_type) + pages, packet, 7)

    @property
    def _medium_type(self) -> int:
        return 0x70 if self._unit.medium is None else 0x01

    def _mode_pages(self, selector: int) -> bytes | None:
        """Current or default values: the error recovery page, and capabilities (MMC-5, annex E); None for others."""
        control, page = selector >> 6, selector & 0x3F
        lock = 0x29 | self._unit.locked << 1
        pages = {
            0x01: bytes((0x01, 6, 0, 5, 0, 0, 0, 0)),
            0x2A: struct.pack(">BBBBBBBBHHHHxxxx", 0x2A, 18, 0x08, 0, 0x60, 0, lock, 0, _SPEED, 0, 128, _SPEED),
        }
        if control == 3 or (page not in pages and page != 0x3F):
            return None
        chosen = pages.values() if page == 0x3F else [pages[page]]
        whole = b"".join(chosen)
        return bytes(len(whole)) if control == 1 else whole

    def _mechanism_status(self, packet: bytes, cd: CdState) -> Outcome:
        return self._cut(struct.pack(">BB3xBH", 0, self._unit.tray_open << 4, 0, 0), packet, 8)

    def _cut(self, data: bytes, packet: bytes, at: int) -> Reply:
        """To the allocation length, at this place in the packet."""
        (length,) = struct.unpack_from(">H", packet, at)
        return Reply(data[:length])


def _address(lba: int, msf: bool) -> bytes:
    """A sector as four bytes: its number, or its minute, second and frame."""
    if not msf:
        return struct.pack(">I", lba)
    frames = lba + 150
    return bytes((0, min(frames // 75 // 60, 255), frames // 75 % 60, frames % 75))


_Run = Callable[[ScsiCd, bytes, CdState], Outcome]
_COMMANDS: dict[int, tuple[bool, _Run]] = {
    Opcode.TEST_UNIT_READY: (True, ScsiCd._test_unit_ready),
    Opcode.INQUIRY: (False, ScsiCd._inquiry),
    Opcode.MODE_SENSE_6: (False, ScsiCd._mode_sense_6),
    Opcode.START_STOP: (False, ScsiCd._start_stop),
    Opcode.PREVENT_ALLOW: (False, ScsiCd._prevent_allow),
    Opcode.READ_CAPACITY: (True, ScsiCd._read_capacity),
    Opcode.READ_10: (True, ScsiCd._read),
    Opcode.READ_12: (True, ScsiCd._read),
    Opcode.READ_CD: (True, ScsiCd._read_cd),
    Opcode.SEEK: (True, ScsiCd._seek),
    Opcode.SYNCHRONIZE_CACHE: (False, ScsiCd._good),
    Opcode.READ_SUBCHANNEL: (True, ScsiCd._read_subchannel),
    Opcode.READ_TOC: (True, ScsiCd._read_toc),
    Opcode.GET_CONFIGURATION: (False, ScsiCd._get_configuration),
    Opcode.GET_EVENT_STATUS: (False, ScsiCd._get_event_status),
    Opcode.READ_DISC_INFORMATION: (True, ScsiCd._read_disc_information),
    Opcode.MODE_SENSE_10: (False, ScsiCd._mode_sense_10),
    Opcode.SET_CD_SPEED: (False, ScsiCd._good),
    Opcode.MECHANISM_STATUS: (False, ScsiCd._mechanism_status),
}
"""Whether a command needs a disc in the drive, and what carries it out."""
_WITHOUT_ATTENTION = frozenset({Opcode.INQUIRY, Opcode.GET_CONFIGURATION, Opcode.GET_EVENT_STATUS})
"""Commands that are carried out though there is something to tell (SPC-3, 5.11)."""
