"""A stock kernel booted in QEMU to a known state: its RAM and registers, and what it says about itself.

QEMU is the ground truth: none of our machine takes part. RAM is a file that QEMU maps, so that it can be read
while the guest is stopped; nothing is copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import mmap
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import zstandard

from tests.vmdbg.os.kernels import Kernel, being_made, cache_directory
from vmdbg.units import Physical, Tick
from vmdbg.x86.paging import CR0_PG, Paging
from vmdbg.x86.physical_memory import UnmappedPhysicalError

INIT = Path(__file__).with_name("ground_truth_init.sh")
RAM_SIZE = 256 << 20
MODULES = ("brd", "loop", "dummy")
BOOT_SECONDS = 100
# QEMU 7.2 leaves garbage in RFLAGS after CMPXCHG16B now and then, which some kernels do not survive.
ATTEMPTS = 3


class FileMemory:
    """Guest RAM in a file or a buffer; physical address 0 is its first byte."""

    def __init__(self, ram: mmap.mmap | bytearray | bytes) -> None:
        self.ram = ram

    def read(self, address: Physical, size: int) -> bytes:
        if address < 0 or address + size > len(self.ram):
            raise UnmappedPhysicalError(address, size)
        return bytes(self.ram[address : address + size])

    def write(self, address: Physical, data: bytes) -> None:
        raise UnmappedPhysicalError(address, len(data))


class DumpCpu:
    """One CPU, as a register file."""

    def __init__(self, registers: dict[str, int]) -> None:
        self.registers = registers

    @property
    def paging(self) -> Paging:
        registers = self.registers
        return Paging(registers["cr0"], registers["cr3"], registers["cr4"], registers["efer"])

    def register(self, name: str) -> int:
        return self.registers[name]


class DumpView(DumpCpu):
    """A `GuestView` over RAM and register files, of which it looks at one."""

    def __init__(
        self,
        memory: FileMemory,
        registers: dict[str, int],
        tick: int = 0,
        all_registers: Sequence[dict[str, int]] = (),
    ) -> None:
        """`all_registers` are those of all CPUs, where there are several."""
        super().__init__(registers)
        self.memory = memory
        self.tick = Tick(tick)
        self.ram_size = len(memory.ram)
        self.cpus: Sequence[DumpCpu] = [DumpCpu(one) for one in all_registers] or [self]

    def at(self, cpu: int) -> DumpView:
        """The same, looking at another CPU."""
        files = [one.registers for one in self.cpus]
        return DumpView(self.memory, files[cpu], self.tick, files)


class QemuGuest:
    """A running QEMU with its monitor."""

    def __init__(self, kernel: Kernel, directory: Path, arguments: str = "", options: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.truth_file = directory / "truth"
        ram_file = directory / "ram"
        initrd = initial_ramdisk(kernel)
        with ram_file.open("wb") as file:
            file.truncate(RAM_SIZE)
        self.process = subprocess.Popen(
            [
                "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", "-cpu", "qemu64",
                "-m", f"{RAM_SIZE >> 20}M", "-machine", "pc,memory-backend=ram", "-accel", "tcg",
                "-object", f"memory-backend-file,id=ram,size={RAM_SIZE},mem-path={ram_file},share=on",
                "-kernel", kernel.image, "-initrd", initrd,
                "-append", f"console=ttyS0 panic=-1 {arguments}".strip(),
                "-serial", f"file:{directory / 'console'}", "-serial", f"file:{self.truth_file}",
                "-qmp", f"unix:{directory / 'qmp'},server=on,wait=off", *options,
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self._wait(self._connected, 20)
        self.replies = self.socket.makefile("r")
        self.replies.readline()
        self.execute("qmp_capabilities")
        with ram_file.open("r+b") as file:
            self.memory = FileMemory(mmap.mmap(file.fileno(), RAM_SIZE))
        self.stops = 0

    def _connected(self) -> bool:
        """The socket's file is there a little before QEMU listens on it."""
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            self.socket.connect(str(self.directory / "qmp"))
            return True
        return False

    def _wait(self, condition: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"QEMU guest: {self.console()[-2000:]}")
            time.sleep(0.05)

    def execute(self, command: str, **arguments: Any) -> Any:
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            reply = json.loads(self.replies.readline())
            if "return" in reply:
                return reply["return"]
            if "error" in reply:
                raise RuntimeError(reply["error"])

    def console(self) -> str:
        path = self.directory / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for_truth(self) -> None:
        """Until the guest has printed everything and blocks."""
        self._wait(lambda: b"=== end" in self.truth_file.read_bytes(), BOOT_SECONDS)
        time.sleep(0.2)

    def stop(self) -> DumpView:
        """Stop the guest and look at it."""
        self.execute("stop")
        self.stops += 1
        shown = self.execute("human-monitor-command", **{"command-line": "info registers -a"})
        files = [parse_registers(one) for one in shown.split("CPU#")[1:]]
        return DumpView(self.memory, files[0], self.stops, files)

    def resume(self) -> None:
        self.execute("cont")

    def run_for(self, seconds: float) -> None:
        """Let a stopped guest run for about that long."""
        self.resume()
        time.sleep(seconds)

    def finished(self) -> bool:
        """Whether the guest has printed everything and idles."""
        return b"=== end" in self.truth_file.read_bytes()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
        self.process.kill()
        self.process.wait(20)


def parse_registers(shown: str) -> dict[str, int]:
    """The registers that `info registers` prints, by their names in a `GuestView`."""
    found = {name.lower(): int(value, 16) for name, value in re.findall(r"\b(\w+) *=([0-9a-f]{8,16})\b", shown)}
    for segment, base in re.findall(r"\b([EDCSFG]S) =[0-9a-f]+ ([0-9a-f]+)", shown):
        found[segment.lower() + "_base"] = int(base, 16)
    for table, base in re.findall(r"\b([GI]DT)= +([0-9a-f]+)", shown):
        found[table.lower() + "r_base"] = int(base, 16)
    found["cpl"] = int(re.findall(r"CPL=(\d)", shown)[0])
    found["cr0"] = found.get("cr0", CR0_PG)
    return found


def busybox() -> Path:
    return Path(shutil.which("busybox") or "/bin/busybox")


def initial_ramdisk(kernel: Kernel) -> Path:
    """busybox, three modules and the script that prints the truth, as a newc archive."""
    target = cache_directory() / "kernels" / kernel.label / "ground-truth.cpio"
    files = {
        "init": (0o100755, INIT.read_bytes()),
        "bin/busybox": (0o100755, busybox().read_bytes()),
    }
    for number, name in enumerate(MODULES):
        data = kernel.module(name).read_bytes()
        if data.startswith(b"\xfd7zXZ"):
            data = lzma.decompress(data)
        files[f"modules/{number}{name}.ko"] = (0o100644, data)
    directories = {"bin": (0o040755, b""), "modules": (0o040755, b""), "dev": (0o040755, b"")}
    archive = bytearray()
    for inode, (name, (mode, data)) in enumerate({**directories, **files, "TRAILER!!!": (0, b"")}.items(), 1):
        archive += _newc_entry(inode, name, mode, data)
    made = target.with_name(f"{target.name}.{os.getpid()}")
    made.write_bytes(archive)
    made.rename(target)
    return target


def _newc_entry(inode: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


class Truth:
    """What the guest printed: sections by name, those of a process also by pid."""

    def __init__(self, text: str) -> None:
        self.sections: dict[str, str] = {}
        for section in text.replace("\r\n", "\n").split("=== ")[1:]:
            name, _, body = section.partition("\n")
            self.sections[name] = body

    def __getitem__(self, name: str) -> str:
        return self.sections[name]

    def lines(self, name: str) -> list[str]:
        return self.sections[name].splitlines()

    def processes(self, name: str) -> dict[int, str]:
        """One section of every process, by pid."""
        prefix = name + " "
        return {int(key.removeprefix(prefix)): body for key, body in self.sections.items() if key.startswith(prefix)}


@contextlib.contextmanager
def booted(kernel: Kernel, arguments: str = "", options: tuple[str, ...] = ()) -> Iterator[QemuGuest]:
    """A guest on its way up; it is killed at the end."""
    with tempfile.TemporaryDirectory(prefix="vmdbg-qemu-") as directory:
        guest = QemuGuest(kernel, Path(directory), arguments, options)
        try:
            yield guest
        finally:
            guest.close()


def snapshot(kernel: Kernel, arguments: str = "", cpus: int = 1) -> tuple[DumpView, Truth]:
    """The guest after it printed its truth. Kept in the cache directory until the script changes."""
    options = () if cpus == 1 else ("-smp", str(cpus))
    contents = INIT.read_bytes() + busybox().read_bytes() + "".join((kernel.release, arguments, *options)).encode()
    key = hashlib.sha256(contents).hexdigest()[:16]
    target = cache_directory() / "snapshots" / f"{kernel.label}-{key}"
    with being_made(target) as missing:
        if missing:
            _take_snapshot(kernel, arguments, options, target)
    ram = zstandard.ZstdDecompressor().decompress((target / "ram.zst").read_bytes(), max_output_size=RAM_SIZE)
    files = json.loads((target / "registers.json").read_text())
    return DumpView(FileMemory(ram), files[0], 0, files), Truth((target / "truth").read_text(errors="replace"))


def _take_snapshot(kernel: Kernel, arguments: str, options: tuple[str, ...], target: Path) -> None:
    for attempt in range(ATTEMPTS):
        try:
            with booted(kernel, arguments, options) as guest:
                guest.wait_for_truth()
                view = guest.stop()
                (target / "truth").write_bytes(guest.truth_file.read_bytes())
                (target / "registers.json").write_text(json.dumps([cpu.registers for cpu in view.cpus]))
                packed = zstandard.ZstdCompressor(1).compress(view.memory.ram[:])
                (target / "ram.zst").write_bytes(packed)
            return
        except TimeoutError:
            if attempt + 1 == ATTEMPTS:
                raise
