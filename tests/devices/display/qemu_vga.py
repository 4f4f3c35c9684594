"""QEMU's standard VGA without a CPU, driven over qtest, and what it shows, over QMP."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from devices.display.frame import Frame

QEMU = "qemu-system-x86_64"
PATIENCE = 20.0
BAR0, BAR2 = 0xE000_0000, 0xE100_0000


def installed() -> bool:
    return shutil.which(QEMU) is not None


class QemuVga:
    """Memory accesses and ports of a machine that is its display; `scratch` is for sockets and pictures."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        paths = [scratch / name for name in ("qtest", "qmp")]
        self._listeners = []
        for path in paths:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen()
            listener.settimeout(PATIENCE)
            self._listeners.append(listener)
        machine = "-machine pc,accel=tcg -S -display none -nodefaults -m 64 -device VGA,addr=2"
        sockets = ["-qtest", f"unix:{paths[0]}", "-qmp", f"unix:{paths[1]}", "-qtest-log", "none"]
        self._process = subprocess.Popen(
            [QEMU, *machine.split(), *sockets],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._ends = [listener.accept()[0] for listener in self._listeners]
        for end in self._ends:
            end.settimeout(PATIENCE)
        self._qtest, self._qmp = (end.makefile("rw") for end in self._ends)
        self._qmp.readline()
        self._command("qmp_capabilities")
        for register, value in ((0x10, BAR0), (0x18, BAR2), (0x04, 0x103)):
            self.write_port(0xCF8, 4, 0x8000_1000 | register)
            self.write_port(0xCFC, 4, value)

    def __enter__(self) -> QemuVga:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        for end in (*self._ends, *self._listeners):
            end.close()

    def ask(self, words: str) -> str:
        self._qtest.write(words + "\n")
        self._qtest.flush()
        answer = self._qtest.readline().split()
        while answer and answer[0] == "IRQ":
            answer = self._qtest.readline().split()
        assert answer[0] == "OK", f"{words}: {answer}"
        return answer[1] if len(answer) > 1 else ""

    def read_port(self, port: int, size: int) -> int:
        return int(self.ask(f"in{' bw l'[size]} {port:#x}"), 0)

    def write_port(self, port: int, size: int, value: int) -> None:
        self.ask(f"out{' bw l'[size]} {port:#x} {value:#x}")

    def read_memory(self, address: int, size: int) -> int:
        return int(self.ask(f"read{' bw l'[size]} {address:#x}"), 0)

    def write_memory(self, address: int, size: int, value: int) -> None:
        self.ask(f"write{' bw l'[size]} {address:#x} {value:#x}")

    def store(self, address: int, data: bytes) -> None:
        self.ask(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def load(self, address: int, size: int) -> bytes:
        return bytes.fromhex(self.ask(f"read {address:#x} {size:#x}")[2:])

    def picture(self) -> Frame:
        path = self._scratch / "screen.ppm"
        self._command("screendump", filename=str(path))
        _, size, _, rgb = path.read_bytes().split(b"\n", 3)
        width, height = map(int, size.split())
        return Frame(width, height, rgb)

    def _command(self, name: str, **arguments: str) -> None:
        self._qmp.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            if "event" not in answer:
                assert "return" in answer, answer
                return
