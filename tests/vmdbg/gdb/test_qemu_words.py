"""The words of QEMU's monitor have QEMU's form: the same guests, halted in each mode, asked here and in QEMU."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.guests.build import assemble, require
from tests.guests.expected import Kind
from tests.guests.test_guests_in_qemu import boot_options
from tests.vmdbg.gdb.guests import MEBIBYTE, alone, guest
from vmdbg.debugger.actions import Continue
from vmdbg.gdb.monitor import GuestMonitor

Ask = Callable[[str], str]

FLOATING = """
    fninit
    fldpi
    fld1
    movdqu xmm1, [image]
    movdqu xmm7, [image + 16]
"""
REGISTERS = "\n".join(
    f"    mov e{name}, {number * 0x01020304}"
    for number, name in enumerate(("ax", "bx", "cx", "dx", "si", "di", "bp"), 1)
)
WIDE = "\n".join(
    f"    mov r{name}, {number << 60 | 0x123456789}" for number, name in enumerate(("ax", "bx", "cx", "8", "15"), 1)
)
LONG = f"""
; at the org of
%include "long.inc"
    map_window 1, 3000h | P | W | U | NX
    map_window 2, 4000h | P | U
    map_window 3, 5000h | P | W
    map_window 4, 8000h | P | W | 118h
    mov qword [WINDOW_PD + 8], 200000h | P | W | PS
    mov qword [PDPT + 16], 0 | P | PS
    {FLOATING}{WIDE}
    say "r"
    cli
    xor edx, edx
    dec edx
    hlt
"""
COMPATIBILITY = f"""
; at the org of
%include "long.inc"
    {FLOATING}
    say "r"
    cli
    push CODE32
    push code32
    retfq
bits 32
code32:
{REGISTERS}
    hlt
"""
PAE = f"""
; at the org of
%include "protected.inc"
PDPT equ PAGE_DIRECTORY
    mov edi, PAGE_DIRECTORY
    mov ecx, 1000h
    xor eax, eax
    rep stosd
    mov dword [PDPT], PAGE_DIRECTORY + 1001h
    mov dword [PAGE_DIRECTORY + 1000h], 87h
    mov dword [PAGE_DIRECTORY + 1008h], 200087h
    mov dword [PAGE_DIRECTORY + 1010h], PAGE_DIRECTORY + 2007h
    mov dword [PAGE_DIRECTORY + 2008h], 3003h
    mov dword [PAGE_DIRECTORY + 2010h], 4005h
    mov eax, cr4
    or eax, 220h                ; PAE, OSFXSR
    mov cr4, eax
    mov eax, PDPT
    mov cr3, eax
    mov eax, cr0
    or eax, 80010000h           ; PG, WP
    mov cr0, eax
    {FLOATING}
    say "r"
{REGISTERS}
    cli
    hlt
"""
BITS32 = f"""
; at the org of
%include "protected.inc"
    mov edi, PAGE_DIRECTORY
    mov ecx, 1000h
    xor eax, eax
    rep stosd
    mov dword [PAGE_DIRECTORY], 87h
    mov dword [PAGE_DIRECTORY + 4], PAGE_DIRECTORY + 1007h
    mov dword [PAGE_DIRECTORY + 1008h], 3003h
    mov dword [PAGE_DIRECTORY + 1010h], 4005h
    mov dword [PAGE_DIRECTORY + 0ffch], 0ffc00083h
    mov eax, cr4
    or eax, 210h                ; PSE, OSFXSR
    mov cr4, eax
    mov eax, PAGE_DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 80010000h           ; PG, WP
    mov cr0, eax
    {FLOATING}
    say "r"
{REGISTERS}
    cli
    hlt
"""
REAL = f"""
; at the org of
%include "boot_sector.inc"
    boot_sector
    fninit
    mov al, 'r'
    out DEBUG_CONSOLE, al
{REGISTERS}
    mov sp, 7000h
    mov fs, sp
    std
    hlt
    end_boot_sector
"""
PROGRAMS = {
    "64-bit": (LONG, Kind.PROTECTED),
    "compatibility": (COMPATIBILITY, Kind.PROTECTED),
    "PAE": (PAE, Kind.PROTECTED),
    "32-bit": (BITS32, Kind.PROTECTED),
    "real": (REAL, Kind.BOOT_SECTOR),
}


class Qemu:
    """A QEMU that has run its guest to the halt; asked through its monitor."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        deadline = time.monotonic() + 20
        while True:
            with suppress(FileNotFoundError, ConnectionRefusedError):
                self._socket.connect(str(path))
                break
            assert time.monotonic() < deadline
        self._replies = self._socket.makefile("r")
        self._replies.readline()
        self._execute("qmp_capabilities")

    def ask(self, line: str) -> str:
        return str(self._execute("human-monitor-command", **{"command-line": line})).replace("\r\n", "\n")

    def _execute(self, command: str, **arguments: str) -> object:
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while "return" not in (reply := json.loads(self._replies.readline())):
            assert "error" not in reply, reply
        return reply["return"]

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


@contextmanager
def _in_qemu(image: bytes, kind: Kind, directory: Path) -> Iterator[Ask]:
    program, console = directory / "image", directory / "console"
    program.write_bytes(image)
    command = [
        require("qemu-system-x86_64"), "-display", "none", "-m", "16", "-net", "none", "-serial", "none",
        "-debugcon", f"file:{console}", "-qmp", f"unix:{directory / 'qmp'},server=on,wait=off",
        *boot_options(kind, program),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            qemu = Qemu(directory / "qmp")
            deadline = time.monotonic() + 30
            while "r" not in console.read_text() or "HLT=1" not in qemu.ask("info registers"):
                assert time.monotonic() < deadline, "the guest does not come to its HLT in QEMU"
            qemu.ask("stop")
            yield qemu.ask
            qemu.close()
        finally:
            process.kill()


@contextmanager
def _here(image: bytes) -> Iterator[Ask]:
    with guest(image, memory=16 * MEBIBYTE) as made:
        made.debugger.resume(Continue())
        made.debugger.wait()
        assert "r" in made.output
        monitor = GuestMonitor(made.debugger, alone(made.debugger))
        yield lambda line: monitor.run(line, lambda _text: None, lambda: None)


@pytest.fixture(params=PROGRAMS, scope="module")
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ask, Ask]]:
    """The same guest here and in QEMU."""
    source, kind = PROGRAMS[request.param]
    image = assemble(source)
    with _in_qemu(image, kind, tmp_path_factory.mktemp("qemu")) as theirs, _here(image) as ours:
        yield ours, theirs


SAME = (
    "info mem",
    "info tlb",
    "info status",
    "gva2gpa 0x7c00",
    "gva2gpa 0x40001234",
    "gva2gpa 0x7fffffff",
    "xp/4xg 0x7c00",
    "xp/12c 0x7c00",
    "xp 0x7c00",
    "xp/3i 0x7c00",
    "xp/7ob 0x7c00",
    "xp/4dh 0x7c00",
    "xp/5dw 0x7c00",
    "xp/2dg 0x7c00",
    "xp/3uw 0x7c00",
    "xp /3ow 0x7c00",
    "xp 0x7c00",
    "xp/q 0",
)
"""Lines whose answer follows from what the guest did. The last formats of xp go on to the next."""
FIRMWARE = ("TR =", "LDT=", "GDT=", "IDT=")
"""What the guest leaves as the firmware had it; QEMU shows a loaded TR as not busy."""


def test_what_follows_from_the_guest_is_the_same_letter_by_letter(both: tuple[Ask, Ask]) -> None:
    ours, theirs = both
    for line in SAME:
        assert ours(line) == theirs(line), line


def test_registers_are_the_same_but_for_what_the_firmware_left(both: tuple[Ask, Ask]) -> None:
    here, there = (ask("info registers").splitlines() for ask in both)
    assert [_form(line) for line in here] == [_form(line) for line in there]
    different = [line for line, other in zip(here, there, strict=True) if line != other and line[:4] not in FIRMWARE]
    assert not different


@pytest.mark.parametrize("line", ["info pic", "info lapic", "info cpus", "info registers -a"])
def test_of_devices_the_form_is_the_same(both: tuple[Ask, Ask], line: str) -> None:
    here, there = (ask(line) for ask in both)
    assert [_form(one) for one in here.splitlines()] == [_form(one) for one in there.splitlines()]


def test_memory_and_ports_are_listed_in_the_same_form(both: tuple[Ask, Ask]) -> None:
    here, there = (ask("info mtree -f") for ask in both)
    ours, theirs = (
        re.findall(r"^  ([0-9a-f]{16}-[0-9a-f]{16}) \(prio \d+, ([a-z/]+)\): (\S.*)$", text, re.M)
        for text in (here, there)
    )
    chips = {
        "0000000000000020-0000000000000021",
        "0000000000000040-0000000000000043",
        "00000000000000a0-00000000000000a1",
    }
    assert chips <= {place for place, _kind, _name in ours} & {place for place, _kind, _name in theirs}
    assert ("0000000000000000-0000000000ffffff", "ram", "pc.ram") in ours
    for text in (here, there):
        assert re.match(r'FlatView #0\n( AS "[^"]+", root: .+\n)+ Root memory region: \S+\n  [0-9a-fN]', text)
        assert ' AS "memory", root: system\n' in text
        assert ' AS "I/O", root: io\n Root memory region: io\n' in text


def test_a_pci_function_has_qemus_words(both: tuple[Ask, Ask]) -> None:
    ours, theirs = both
    first = "  Bus  0, device   0, function 0:\n    Host bridge: PCI device 8086:1237\n"
    assert ours("info pci").startswith(first)
    assert theirs("info pci").startswith(first)
    place = "class Host bridge, addr 00:00.0, pci id 8086:1237 (sub "
    assert place in ours("info qtree")
    assert place in theirs("info qtree")


def _form(line: str) -> str:
    """The line with each digit as 0 and words of states as they are."""
    words = r"\b(level|edge|assert|de-assert|all|no-shorthand|redir|masked|enabled|disabled)\b"
    plain = re.sub(
        rf"-(busy|avl)$|spurious vec \d+| cpu \d+ \(APIC ID\)| \(redir\[\d+\]\)|{words}| +(?=\()|thread_id=\d+",
        "",
        line,
    )
    return re.sub(r"(?<=[=x ])[0-9a-f]+", lambda digits: "0" * len(digits[0]), plain) if "=" in plain else plain[:6]
