"""The guests under the gdb servers that bench/rsp.py measures, and the servers."""

from __future__ import annotations

import contextlib
import enum
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from rsp_client import Client  # noqa: E402 - the same

from tests import linux_assets  # noqa: E402 - found through the path above
from tests.guests.build import assemble  # noqa: E402 - the same

LOOP = """
; org 100000h
%include "long.inc"
    xor ebx, ebx
.again:
    inc rbx
    mov [counter], rbx
    nop
    jmp .again
    align 4096
counter: dq 0
    align 4096
quiet: dq 0
"""
INC_RBX = bytes.fromhex("48ffc3")
LOAD_ADDRESS = 0x100000
READER = """
; An ELF file: reads 1, 2, 3 ... bytes of /dev/null.
    bits 64
    org 400000h
    db 7fh, "ELF", 2, 1, 1, 0
    dq 0
    dw 2, 62
    dd 1
    dq begin, headers - $$, 0
    dd 0
    dw 64, 56, 1, 64, 0, 0
headers:
    dd 1, 5
    dq 0, $$, $$, end - $$, end - $$, 1000h
begin:
    mov eax, 2
    lea rdi, [path]
    xor esi, esi
    syscall
    mov ebp, eax
    xor ebx, ebx
.again:
    inc ebx
    xor eax, eax
    mov edi, ebp
    lea rsi, [path]
    mov edx, ebx
    syscall
    jmp .again
path: db "/dev/null", 0
end:
"""
AUTORUN = b"#!/bin/sh\ngrep ' vfs_read$' /proc/kallsyms\necho BUSY\nexec /reader\n"
BUSY = b"BUSY"
START_SECONDS = 120.0


class Guest(enum.Enum):
    LOOP = "loop"
    LINUX = "Linux"


@dataclass(frozen=True, slots=True)
class Image:
    """Files to boot."""

    kind: Guest
    kernel: Path
    initrd: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A server under test, with its guest running into the loop.

    `counting` is what gdb calls a register that is one more at each time that `hot` is reached; the loop's guest has
    the same number at `counter`.
    """

    name: str
    socket: Path
    process: subprocess.Popen[bytes]
    hot: int
    counting: str
    counter: int = 0

    def client(self) -> Client:
        return Client(str(self.socket))

    def run_gdb(self, *commands: str) -> str:
        """A batch session of gdb, which detaches at its end."""
        options = [part for command in (f"target remote {self.socket}", *commands) for part in ("-ex", command)]
        command = ["gdb", "-q", "-batch", "-nx", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def guests(scratch: Path, kinds: set[Guest]) -> list[Image]:
    """Those of the kinds that there are files for."""
    found = []
    if Guest.LOOP in kinds:
        kernel = scratch / "guest.bin"
        kernel.write_bytes(assemble(LOOP, bits=32))
        found.append(Image(Guest.LOOP, kernel))
    if Guest.LINUX in kinds:
        initrd = linux_assets.busybox_initrd({"autorun": AUTORUN, "reader": assemble(READER)})
        found.append(Image(Guest.LINUX, linux_assets.cloud_kernel(), initrd))
    return found


def servers() -> list[str]:
    """The names of those that are installed."""
    return ["vmdbg", "qemu"] if shutil.which("qemu-system-x86_64") else ["vmdbg"]


def command(server: str, guest: Image, socket: Path, serial: Path) -> list[str]:
    if server == "vmdbg":
        initrd = ["--initrd", str(guest.initrd)] if guest.initrd is not None else []
        options = ["--serial", f"file:{serial}", "--no-realtime", "--gdb", f"unix:{socket}"]
        return [sys.executable, "-m", "vmdbg", "run", str(guest.kernel), *initrd, *options]
    initrd = ["-initrd", str(guest.initrd), "-append", "console=ttyS0"] if guest.initrd is not None else []
    options = ["-m", "256", "-display", "none", "-serial", f"file:{serial}", "-accel", "tcg"]
    server_options = ["-gdb", f"unix:{socket},server=on,wait=off"]
    return ["qemu-system-x86_64", "-kernel", str(guest.kernel), *initrd, *options, *server_options]


@contextlib.contextmanager
def start(server: str, guest: Image, scratch: Path) -> Iterator[Peer]:
    """The server with its guest busy. Raises SystemExit if it does not come so far."""
    socket, serial = scratch / server, scratch / "serial"
    for path in (socket, serial):
        path.unlink(missing_ok=True)
    line = command(server, guest, socket, serial)
    process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists() or (guest.kind is Guest.LINUX and BUSY not in _read(serial)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{server} did not start: {' '.join(line)}")
            time.sleep(0.02)
        time.sleep(0.5)  # into the loop
        if guest.kind is Guest.LOOP:
            yield _in_loop(server, socket, process, guest.kernel.read_bytes())
        else:
            yield Peer(server, socket, process, _address(_read(serial), b"vfs_read"), "$rdx")
    finally:
        process.kill()
        process.wait()


def _in_loop(server: str, socket: Path, process: subprocess.Popen[bytes], image: bytes) -> Peer:
    hot = LOAD_ADDRESS + image.index(INC_RBX) + len(INC_RBX)
    return Peer(server, socket, process, hot, "$rbx", LOAD_ADDRESS + (len(image) // 4096 - 1) * 4096)


def _read(serial: Path) -> bytes:
    return serial.read_bytes() if serial.exists() else b""


def _address(kallsyms: bytes, name: bytes) -> int:
    """Where the guest says that its kernel has the function."""
    found = re.search(rb"([0-9a-f]{16}) [tT] " + name, kallsyms)
    if found is None:
        raise SystemExit(f"the guest does not say where {name.decode()} is: {kallsyms[-200:]!r}")
    return int(found[1], 16)
