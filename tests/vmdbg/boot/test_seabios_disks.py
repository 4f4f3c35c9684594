"""A boot sector is found by SeaBIOS at each controller, and run; recorded, it runs the same in another machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import vmdbg
from tests.guests.boot_media import make_iso
from tests.guests.build import assemble, require
from vmdbg.boot.installed_firmware import installed_seabios
from vmdbg.errors import UserError
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.outcome import PoweredOff
from vmdbg.recording.replay import replay_file
from vmdbg.units import Tick

FOREVER = Tick(1 << 40)
SECTOR = """
bits 16
org 7c00h
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ah, 42h                 ; the second sector to 8000h, by LBA
    mov si, packet
    int 13h
    jc failed
    mov ah, 03h                 ; and back to the third
    mov al, 1
    mov cx, 3
    mov dh, 0
    mov bx, 8000h
    int 13h
    jc failed
    cmp dword [8000h], 'data'
    jne failed
    mov al, 'Y'
    jmp told
failed:
    mov al, 'N'
told:
    out 0e9h, al
    mov ax, 2000h
    mov dx, 604h
    out dx, ax
    hlt
    align 4
packet: db 16, 0, 1, 0
    dw 8000h, 0
    dq 1
    times 510 - ($ - $$) db 0
    dw 0aa55h
    db 'data'
"""


@pytest.fixture(scope="module", autouse=True)
def firmware() -> None:
    try:
        installed_seabios()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(assemble(SECTOR).ljust(1 << 20, b"\0"))
    return path


@pytest.mark.parametrize("bus", ["ide", "virtio", "nvme", "ahci"])
def test_a_disk_boots_and_replays(bus: str, disk: Path, tmp_path: Path) -> None:
    before, recording = disk.read_bytes(), tmp_path / "boot.rec"
    told: list[int] = []
    with vmdbg.launch(disks=[f"{disk},bus={bus}"], memory="32M", record=recording) as guest:
        machine = guest.debugger.machine
        machine.debug_console.listeners.append(lambda _port, data, _now: told.extend(data))
        while not isinstance(outcome := guest.debugger.timeline.run(FOREVER), PoweredOff):
            assert machine.ending is None, outcome
        seen = digest(machine)
    assert bytes(told[-1:]) == b"Y"
    assert disk.read_bytes() == before
    disk.unlink()
    timeline = replay_file(recording)
    try:
        timeline.run(FOREVER)
        assert digest(timeline.machine) == seen
    finally:
        timeline.machine.close()


ON_CD = """
bits 16
org 7c00h
    mov al, 'C'
    out 0e9h, al
    mov ax, 2000h
    mov dx, 604h
    out dx, ax
    hlt
    times 2048 - ($ - $$) db 0
"""


@pytest.mark.parametrize(("order", "letter"), [("", b"Y"), ("cdrom,disk", b"C"), ("disk,cdrom", b"Y")])
def test_of_a_disk_and_a_cd_the_one_that_comes_first_boots(
    order: str, letter: bytes, disk: Path, tmp_path: Path
) -> None:
    tree, iso = tmp_path / "tree", tmp_path / "cd.iso"
    tree.mkdir()
    (tree / "boot.bin").write_bytes(assemble(ON_CD))
    boot = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
    command = [require("xorriso"), "-as", "mkisofs", "-quiet", "-o", str(iso), *boot, str(tree)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    told: list[int] = []
    with vmdbg.launch(disks=[disk], cdroms=[iso], memory="32M", boot_order=order) as guest:
        guest.debugger.machine.debug_console.listeners.append(lambda _port, data, _now: told.extend(data))
        while not isinstance(guest.debugger.timeline.run(FOREVER), PoweredOff):
            assert guest.debugger.machine.ending is None
    assert bytes(told[-1:]) == letter


FLOPPY = """
bits 16
org 7c00h
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ax, 0201h               ; the second sector of the other side of cylinder 1 to 8000h
    mov bx, 8000h
    mov cx, 0102h
    mov dx, 0100h | DRIVE
    int 13h
    jc failed
    cmp dword [8000h], 'data'
    jne failed
    mov ax, 0301h               ; and back to the third
    inc cx
    int 13h
    jc failed
    mov al, 'Y'
    jmp told
failed:
    mov al, 'N'
told:
    out 0e9h, al
    mov ax, 2000h
    mov dx, 604h
    out dx, ax
    hlt
    times 510 - ($ - $$) db 0
    dw 0aa55h
"""


def boot_floppy(paths: list[str], record: Path | None = None, **options: str) -> tuple[bytes, Digest]:
    """What it told, to power-off."""
    told: list[int] = []
    with vmdbg.launch(floppies=paths, memory="32M", record=record, boot_order="floppy", **options) as guest:
        machine = guest.debugger.machine
        machine.debug_console.listeners.append(lambda _port, data, _now: told.extend(data))
        while not isinstance(outcome := guest.debugger.timeline.run(FOREVER), PoweredOff):
            assert machine.ending is None, outcome
        return bytes(told[-1:]), digest(machine)


@pytest.mark.parametrize(("size", "track"), [(360, 9), (720, 9), (1200, 15), (1440, 18), (2880, 36)])
def test_a_floppy_boots_and_replays(size: int, track: int, tmp_path: Path) -> None:
    path, recording = tmp_path / "a.img", tmp_path / "boot.rec"
    content = bytearray(assemble(FLOPPY.replace("DRIVE", "0")).ljust(size << 10, b"\0"))
    at = (3 * track + 1) * 512
    content[at : at + 4] = b"data"
    path.write_bytes(content)
    told, seen = boot_floppy([str(path)], recording)
    assert told == b"Y"
    assert path.read_bytes() == content
    path.unlink()
    timeline = replay_file(recording)
    timeline.run(FOREVER)
    assert digest(timeline.machine) == seen
    timeline.machine.close()


def test_a_boot_sector_alone_boots_and_reaches_the_second_drive(tmp_path: Path) -> None:
    first, second = tmp_path / "boot.bin", tmp_path / "b.img"
    first.write_bytes(assemble(FLOPPY.replace("DRIVE", "1")))
    second.write_bytes(bytes((3 * 18 + 1) * 512) + b"data")
    assert boot_floppy([str(first), str(second)])[0] == b"Y"
    assert boot_floppy([str(first), f"{second},readonly=on"])[0] == b"N"


def naming(letter: str) -> bytes:
    """A boot sector that says which it is, and switches off."""
    return assemble(ON_CD.replace("'C'", f"'{letter}'").replace("2048 -", "510 -") + "dw 0aa55h\n")


def first_letter(**how: object) -> bytes:
    """What boots."""
    told: list[int] = []
    with vmdbg.launch(memory="32M", **how) as guest:
        guest.debugger.machine.debug_console.listeners.append(lambda _port, data, _now: told.extend(data))
        while not isinstance(guest.debugger.timeline.run(FOREVER), PoweredOff):
            assert guest.debugger.machine.ending is None
    return bytes(told[-1:])


@pytest.mark.parametrize("bus", ["ide", "virtio", "nvme", "ahci"])
def test_a_drive_is_named_to_boot_from(bus: str, tmp_path: Path) -> None:
    paths = []
    for letter in "abc":
        paths.append(tmp_path / letter)
        paths[-1].write_bytes(naming(letter).ljust(1 << 20, b"\0"))
    disks = [f"{path},bus={bus}" for path in paths]
    floppy = tmp_path / "f"
    floppy.write_bytes(naming("f"))
    assert first_letter(disks=disks, boot_order="disk1") == b"b"
    assert first_letter(disks=disks, floppies=[floppy], boot_order="disk2,floppy,disk0") == b"c"
    assert first_letter(disks=disks, floppies=[floppy], boot_order="floppy0,disk2") == b"f"
    assert first_letter(disks=[disks[0], f"{disks[1]},bootindex=7", f"{disks[2]},bootindex=3"]) == b"c"
    assert first_letter(disks=disks, floppies=[f"{floppy},bootindex=0"], boot_order="disk1") == b"f"


def test_the_second_of_two_cds_boots(tmp_path: Path) -> None:
    paths = []
    for letter in "ab":
        tree = tmp_path / letter
        tree.mkdir()
        (tree / "boot.bin").write_bytes(assemble(ON_CD.replace("'C'", f"'{letter}'")))
        paths.append(tmp_path / f"{letter}.iso")
        make_iso(paths[-1], tree, "-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
    for bus in ("ide", "ahci"):
        assert first_letter(cdroms=[f"{path},bus={bus}" for path in paths], boot_order="cd1") == b"b"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"boot_order": "disk7"}, "--boot names disk7, and there is no such drive; there are: disk0, disk1"),
        ({"boot_order": "tape"}, "is no boot order"),
        ({"suffix": ",bootindex=-1"}, "bootindex is a number from 0 up"),
        ({"suffix": ",bootindex=5"}, "disk0 and disk1 both have bootindex=5"),
        ({"suffix": ",bootindex=5", "kernel": True}, "bootindex is for firmware"),
    ],
)
def test_an_order_that_cannot_be(how: dict[str, object], words: str, disk: Path) -> None:
    options = {name: value for name, value in how.items() if name == "boot_order"}
    kernel = disk.read_bytes()[:512] if "kernel" in how else None
    with pytest.raises(UserError, match=words):
        vmdbg.launch(kernel, disks=[f"{disk}{how.get('suffix', '')}"] * 2, memory="32M", **options)
