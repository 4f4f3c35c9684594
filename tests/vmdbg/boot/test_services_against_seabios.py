"""What our BIOS services answer, against SeaBIOS in QEMU: the same disk, the same calls, register by register."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.guests.build import require
from tests.vmdbg.boot.builders import assemble, input_file
from tests.vmdbg.machine.guest_runs import PATIENCE, text_of
from vmdbg.boot.acpi import AcpiConfig, acpi_segment
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.machine.config import Chipset, MachineConfig
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import TestExited
from vmdbg.machine.power_on import power_on

MEMORY = 16 << 20
SECTORS = 12
HARD_DISK, FLOPPY = 200 * 512, 1440 << 10
PROBE = Path(__file__).with_name("probe.inc").read_text()


def _disk(body: str, size: int) -> bytes:
    """The program, and behind it sectors that each begin with their number."""
    code = assemble(f"SECTORS equ {SECTORS}\n{PROBE}\n{body}\n jmp stop\n")
    assert len(code) <= (SECTORS + 1) * 512
    disk = bytearray(b"".join(number.to_bytes(4, "little") * 128 for number in range(size // 512)))
    disk[: len(code)] = code
    return bytes(disk)


def _ours(disk: bytes, chipset: Chipset) -> str:
    machine = Machine(MachineConfig(memory=MEMORY, chipset=chipset), UnicornEngine)
    printed: list[bytes] = []
    machine.debug_console.listeners.append(lambda _port, data, _now: printed.append(data))
    acpi = acpi_segment(AcpiConfig())
    options = BootOptions(MEMORY, input_file(disk), firmware=(acpi,), start=machine.config.start)
    power_on(machine, boot_image(options))
    try:
        outcome = machine.run(PATIENCE)
        assert isinstance(outcome, TestExited), (outcome, text_of(printed))
        return text_of(printed)
    finally:
        machine.close()


def _theirs(disk: bytes, work: Path, size: int) -> str:
    image, console = work / "disk.img", work / "console"
    image.write_bytes(disk)
    kind = "floppy" if size == FLOPPY else "ide"
    qemu = [require("qemu-system-x86_64"), "-m", f"{MEMORY >> 20}", "-display", "none", "-no-reboot", "-net", "none"]
    qemu += ["-serial", "none", "-monitor", "none", "-rtc", "base=2000-01-01,clock=vm", "-icount", "shift=4,sleep=off"]
    qemu += ["-drive", f"if={kind},format=raw,file={image}", "-debugcon", f"file:{console}"]
    qemu += ["-global", "isa-debugcon.iobase=0xe9", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    subprocess.run(qemu, stdin=subprocess.DEVNULL, check=False, timeout=60)
    return console.read_bytes().decode("latin-1")


def _both(
    body: str, work: Path, size: int = HARD_DISK, chipset: Chipset = Chipset.PLAIN
) -> tuple[list[str], list[str]]:
    disk = _disk(body, size)
    return _ours(disk, chipset).splitlines(), _theirs(disk, work, size).splitlines()


DISK = """
        mov dl, [drive]
        mov ah, 0
        probe "reset", 0x13
        mov ah, 1
        probe "status", 0x13
        mov ah, 8
        mov bx, 0
        probe "parameters", 0x13
        mov dl, [drive]
        mov ah, 0x15
        probe "type", 0x13
        mov dl, [drive]
        mov bx, 0x55aa
        mov ah, 0x41
        probe "extensions", 0x13
        mov dl, [drive]
        mov bx, 0xa000
        mov cx, 0x0014
        mov dh, 0
        mov ax, 0x0203
        probe "read", 0x13
        mov ax, [0xa000]
        mov bx, [0xa200]
        mov cx, [0xa5fe]
        mov dx, 0
        probe "content", 0x12
        mov dl, [drive]
        mov bx, 0xa000
        mov cx, 0x0000
        mov ax, 0x0201
        probe "sector 0", 0x13
        mov ax, 0x0200
        mov cx, 1
        probe "no sectors", 0x13
        mov ax, 0x0201
        mov cx, 0x7fff
        probe "cylinder", 0x13
        mov ax, 0x0201
        mov cx, 1
        mov dh, 0x7f
        probe "head", 0x13
        mov ah, 1
        probe "status after", 0x13
        mov dl, 0x83
        mov dh, 0
        mov ax, 0x0201
        mov cx, 1
        probe "other drive", 0x13
        mov dl, [drive]
        mov ax, 0x0401
        mov cx, 1
        probe "verify", 0x13
"""
WRITE = """
        mov dh, 0
        mov dl, [drive]
        mov bx, 0x7c00
        mov cx, 0x000f
        mov dh, 0
        mov ax, 0x0302
        probe "write", 0x13
        mov bx, 0xb000
        mov cx, 0x000f
        mov ax, 0x0202
        probe "read back", 0x13
        mov ax, [0xb000]
        mov bx, [0xb1fe]
        mov cx, 0
        mov dx, 0
        probe "content", 0x12
"""
EXTENDED = """
        mov dl, [drive]
        mov si, packet
        mov ah, 0x42
        probe "read", 0x13
        mov ax, [0xa000]
        mov bx, [0xa600 - 2]
        mov cx, [packet + 2]
        mov dx, 0
        probe "content", 0x12
        mov dl, [drive]
        mov dword [packet + 8], 0x1000000
        mov ah, 0x42
        probe "beyond", 0x13
        mov dword [packet + 8], 100
        mov word [packet + 4], 0x7c00
        mov ah, 0x43
        mov al, 0
        probe "write", 0x13
        mov word [packet + 4], 0xc000
        mov ah, 0x42
        probe "read back", 0x13
        mov ax, [0xc1fe]
        mov bx, 0
        probe "content", 0x12
        mov dl, [drive]
        mov ah, 0x44
        probe "verify", 0x13
        mov ah, 0x47
        probe "seek", 0x13
        mov si, answer
        mov ah, 0x48
        probe "parameters", 0x13
        mov ax, [answer]
        mov bx, [answer + 4]
        mov cx, [answer + 8]
        mov dx, [answer + 12]
        probe "geometry", 0x12
        mov ax, [answer + 16]
        mov bx, [answer + 20]
        mov cx, [answer + 24]
        mov dx, 0
        probe "size", 0x12
        jmp stop
        align 4
packet: db 16, 0
        dw 3, 0xa000, 0
        dq 40
answer: dw 26
        times 24 db 0
"""


def test_a_hard_disk_answers_as_seabios_has_it(tmp_path: Path) -> None:
    ours, theirs = _both(DISK + WRITE, tmp_path)
    assert ours == theirs


def test_a_floppy_answers_as_seabios_has_it(tmp_path: Path) -> None:
    ours, theirs = _both(DISK, tmp_path, FLOPPY)
    assert ours == theirs


def test_the_extensions_answer_as_seabios_has_them(tmp_path: Path) -> None:
    ours, theirs = _both(EXTENDED, tmp_path)
    assert ours == theirs


SCREEN = """
        mov ah, 0x0f
        probe "mode", 0x10
        mov ah, 3
        mov bh, 0
        probe "cursor", 0x10
        mov si, words
        call teletype
        mov ah, 2
        mov bh, 0
        mov dx, 0x0a4c
        int 0x10
        mov si, words
        call teletype
        mov ah, 3
        mov bh, 0
        probe "moved", 0x10
        mov ax, 0x0941
        mov bx, 0x001e
        mov cx, 5
        int 0x10
        mov ah, 8
        mov bh, 0
        probe "cell", 0x10
        mov ax, 0x0a42
        mov bx, 0
        mov cx, 2
        int 0x10
        mov ax, 0x1301
        mov bx, 0x004f
        mov cx, 7
        mov dx, 0x1430
        mov bp, words
        int 0x10
        mov ax, 0x1300
        mov bx, 0x0021
        mov cx, 7
        mov dx, 0x1530
        mov bp, words
        int 0x10
        mov ax, 0x1303
        mov bx, 0x0021
        mov cx, 3
        mov dx, 0x1630
        mov bp, coloured
        int 0x10
        call screen
        mov ax, 0x0602
        mov bh, 0x1f
        mov cx, 0x0304
        mov dx, 0x1546
        int 0x10
        call screen
        mov ax, 0x0703
        mov bh, 0x2f
        mov cx, 0x0000
        mov dx, 0x184f
        int 0x10
        mov ax, 0x0600
        mov bh, 0x30
        mov cx, 0x0505
        mov dx, 0x0707
        int 0x10
        mov ax, 0x0700
        mov cx, 0x0909
        mov dx, 0x0b0b
        int 0x10
        mov ah, 2
        mov bh, 0
        mov dx, 0x1700
        int 0x10
        mov si, words
        call teletype
        mov si, words
        call teletype
        mov si, words
        call teletype
        call screen
        mov ax, 0x0501
        int 0x10
        mov ah, 0x0f
        probe "page", 0x10
        mov ax, 0x0500
        int 0x10
        mov ah, 1
        mov cx, 0x0d0e
        int 0x10
        mov ah, 3
        mov bh, 0
        probe "shape", 0x10
        mov ax, 0x1a00
        probe "display", 0x10
        mov ah, 0x12
        mov bx, 0x10
        probe "ega", 0x10
        mov ax, 1
        int 0x10
        mov ah, 0x0f
        probe "40 columns", 0x10
        mov ax, 3
        int 0x10
        call screen
        jmp stop
teletype:
        lodsb
        test al, al
        jz .end
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        jmp teletype
.end:   ret
words:  db "ab", 8, "c", 9, "d", 13, 10, "xyz", 0
coloured: db "p", 0x12, "q", 0x34, "r", 0x56
"""


def test_the_screen_looks_as_seabios_leaves_it(tmp_path: Path) -> None:
    ours, theirs = _both(SCREEN, tmp_path)
    assert ours == theirs


SYSTEM = """
        probe "memory", 0x12
        mov ax, 0x2400
        probe "a20 off", 0x15
        mov ax, 0x2402
        probe "a20", 0x15
        mov ax, 0x2401
        probe "a20 on", 0x15
        mov ax, 0x2402
        probe "a20", 0x15
        mov ax, 0x2403
        mov bx, 0
        probe "a20 ways", 0x15
        mov ah, 0xc0
        int 0x15
        mov ax, [es:bx]
        mov cx, [es:bx + 2]
        mov bx, 0
        mov dx, 0
        push ds
        pop es
        probe "table", 0x12
        mov ax, 0x4f1e
        stc
        probe "intercept", 0x15
        mov ah, 0x90
        probe "busy", 0x15
        mov ah, 0x91
        probe "ready", 0x15
        mov ax, 0xec00
        probe "unknown", 0x15
        mov ah, 1
        mov cx, 0
        probe "peek", 0x16
        mov ah, 5
        mov cx, 0x1e61
        probe "store", 0x16
        mov ah, 0x11
        probe "peek", 0x16
        mov ah, 0
        probe "read", 0x16
        mov ah, 5
        mov cx, 0x48e0
        probe "store", 0x16
        mov ah, 5
        int 0x16
        mov ah, 0x10
        probe "read grey", 0x16
        mov ah, 0
        probe "read grey, old", 0x16
        mov ah, 2
        probe "shifts", 0x16
        mov ah, 2
        probe "time", 0x1a
        mov ah, 4
        mov dx, 0
        probe "date", 0x1a
        mov ah, 1
        mov cx, 0x12
        mov dx, 0x3456
        probe "set ticks", 0x1a
        mov ah, 0
        probe "ticks", 0x1a
        mov cx, 0
        mov dx, 0x10
        mov ax, 0x8600
        probe "wait", 0x15
        in al, 0x21
        mov ah, al
        in al, 0xa1
        and ax, 0x0b03
        mov bx, 0
        mov cx, 0
        mov dx, 0
        probe "masks", 0x12
        mov al, 0xe2
        out 0x43, al
        in al, 0x40
        mov ah, 0
        and al, 0x3f
        probe "timer", 0x12
        mov ax, [0x413]
        mov bx, [0x41a]
        mov cx, [0x480]
        mov dx, [0x482]
        probe "data area", 0x12
        mov ax, [0x449]
        mov bx, [0x44a]
        mov cx, [0x463]
        mov dx, [0x484]
        probe "screen's data", 0x12
"""


def test_the_rest_answers_as_seabios_has_it(tmp_path: Path) -> None:
    ours, theirs = _both(SYSTEM, tmp_path)
    assert ours == theirs


PCI = """
%macro pci 6                    ; name, function, BX, ECX, DX and (SI or DI)
        mov bx, %3
        mov ecx, %4
        mov dx, %5
        mov si, %6
        mov di, %6
        mov ax, 0xb100 + %2
        probe %1, 0x1a
%endmacro

probes: pci "there", 1, 0, 0, 0, 0
        pci "ISA bridge", 2, 0, 0x7000, 0x8086, 0
        pci "power management", 2, 0, 0x7113, 0x8086, 0
        pci "a second one", 2, 0, 0x7000, 0x8086, 1
        pci "far beyond", 2, 0, 0x7000, 0x8086, 0x8000
        pci "none", 2, 0, 0x1234, 0x8086, 0
        pci "no vendor", 2, 0, 0xffff, 0xffff, 0
        pci "class of ISA bridges", 3, 0, 0x060100, 0, 0
        pci "class of host bridges", 3, 0, 0x060000, 0, 0
        pci "no class", 3, 0, 0x123456, 0, 0
        pci "class of what is not there", 3, 0, 0xffffff, 0, 0
%assign register 0
%rep 4
        pci "byte", 8, 8, 0x1234, 0, register
        pci "word", 9, 8, 0x12345678, 0, register
        pci "dword", 10, 8, 0x12345678, 0, register
%assign register register + 1
%endrep
        pci "of no function", 10, 0xf8, 0x12345678, 0, 0
        pci "write a dword", 13, 8, 0x0b0a0580, 0, 0x60
        pci "it", 10, 8, 0, 0, 0x60
        pci "its upper half", 9, 8, 0, 0, 0x62
        pci "write a byte", 11, 8, 0x1109, 0, 0x61
        pci "it", 10, 8, 0, 0, 0x60
        pci "write a word", 12, 8, 0x80800a05, 0, 0x62
        pci "it", 10, 8, 0, 0, 0x60
        pci "its upper half", 9, 8, 0, 0, 0x62
        pci "function 4", 4, 1, 2, 3, 4
        pci "function 0", 0, 1, 2, 3, 4
        pci "function 255", 255, 1, 2, 3, 4
"""


def test_the_pci_bus_is_reached_as_by_seabios(tmp_path: Path) -> None:
    ours, theirs = _both(PCI, tmp_path, chipset=Chipset.I440FX)
    assert len(theirs) > 30
    assert ours == theirs


KEYS = """
        mov si, codes
.next:  mov di, si              ; codes of one key, up to FFh
.code:  lodsb
        cmp al, 0xff
        je .look
        call press
        jmp .code
.look:  cmp di, codes.end
        jae stop
        mov ah, 1
        mov bx, 0
        mov cx, 0
        mov dx, [0x417]
        probe "key", 0x16
        mov ah, 1
        int 0x16
        jz .none
        mov ah, 0x10
        int 0x16
.none:  cmp si, codes.end
        jb .next
        jmp stop
press:  mov bl, al
        cli
.empty: in al, 0x64
        test al, 2
        jnz .empty
        mov al, 0xd2            ; as if the keyboard had sent it
        out 0x64, al
.taken: in al, 0x64
        test al, 2
        jnz .taken
        mov al, bl
        out 0x60, al
        sti
        mov cx, 0x4000
.wait:  loop .wait
        ret
codes:  {codes}
.end:
"""
SHIFT, CONTROL, ALT, CAPS, NUM = 0x2A, 0x1D, 0x38, 0x3A, 0x45
PLAIN = [*range(0x02, 0x0E), *range(0x10, 0x1D), *range(0x1E, 0x29), 0x2B, *range(0x2C, 0x36), 0x37, 0x39]
PAD, GREY = [*range(0x47, 0x54)], [0x1C, 0x35, 0x47, 0x48, 0x4B, 0x4D, 0x50, 0x53]


def _typed(keys: list[int], *before: int, after: tuple[int, ...] = (), grey: bool = False) -> list[list[int]]:
    prefix = [0xE0] if grey else []
    return [[*before, *prefix, key, *prefix, key | 0x80, *after] for key in keys]


@pytest.mark.parametrize(
    "keys",
    [
        [*_typed([1, 0x0E, 0x0F, *PLAIN, 0x3B, 0x44]), *_typed(PLAIN, SHIFT, after=(SHIFT | 0x80,))],
        [*_typed([*range(0x10, 0x1A)], CONTROL, after=(CONTROL | 0x80,)), *_typed(GREY, grey=True)],
        [[CAPS, CAPS | 0x80], *_typed([0x10, 0x1E, 0x02]), *_typed([0x10, 2], SHIFT, after=(SHIFT | 0x80,)), [CAPS]],
        [*_typed(PAD), [NUM, NUM | 0x80], *_typed(PAD), [NUM, NUM | 0x80], *_typed(PAD, SHIFT, after=(SHIFT | 0x80,))],
    ],
    ids=["plain and shifted", "control and grey", "caps lock", "number pad"],
)
def test_keys_mean_what_seabios_makes_of_them(keys: list[list[int]], tmp_path: Path) -> None:
    codes = ", ".join(f"{code:#x}" for key in keys for code in [*key, 0xFF])
    ours, theirs = _both(KEYS.format(codes=f"db {codes}"), tmp_path)
    assert len(ours) == len(keys)
    assert ours == theirs
