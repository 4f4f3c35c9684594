"""test386.asm, a ROM that tests a CPU of the 386 and its segments, gates, tasks and pages, where somebody has it.

VMDBG_TEST386 names a directory with its sources. It is built elsewhere, to print on COM1; nothing of it is kept here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guests.build import require
from tests.vmdbg.cli.vmdbg_process import COMMAND, environment

PLACE = os.environ.get("VMDBG_TEST386", "")
CONFIGURED = {"COM_PORT": "1", "POST_PORT": "0x80"}
END = r"halted forever at 0x([0-9a-f]+)"
ROTATES = ("C0 RCL", "C0 RCR", "C1 RCL", "C1 RCR")
OVERFLOW = 0x800


def _built(scratch: Path) -> tuple[bytes, int]:
    """The ROM, and where its last HLT is."""
    shutil.copytree(Path(PLACE) / "src", scratch / "src")
    configuration = scratch / "src" / "configuration.asm"
    text = configuration.read_text()
    for name, value in CONFIGURED.items():
        text = re.sub(rf"(?m)^{name} equ .*$", f"{name} equ {value}", text)
    configuration.write_text(text)
    command = [require("nasm"), "-isrc/", "-f", "bin", "src/test386.asm", "-w-all", "-l", "list", "-o", "rom"]
    subprocess.run(command, cwd=scratch, check=True, capture_output=True)
    listing = (scratch / "list").read_text(errors="replace")
    (place,) = re.findall(r"([0-9A-F]{8}) F4[^\n]*\n[^\n]*jmp postFF", listing)
    return (scratch / "rom").read_bytes(), int(place, 16)


def _without_undefined(line: str) -> str:
    """OF after a rotation by more than one bit is undefined."""
    if not line.startswith(ROTATES):
        return line
    return re.sub("PS=([0-9A-F]{4})", lambda found: f"PS={int(found[1], 16) & ~OVERFLOW:04X}", line)


@pytest.mark.slow
@pytest.mark.skipif(not PLACE, reason="VMDBG_TEST386 names no directory of test386.asm")
def test_it_comes_to_its_end_and_prints_what_a_386_printed(tmp_path: Path) -> None:
    rom, end = _built(tmp_path)
    image = tmp_path / "test386.bin"
    image.write_bytes(rom)
    command = [*COMMAND, "run", "--bios", str(image), "--cpu", "i586", "--no-realtime"]
    done = subprocess.run(command, capture_output=True, env=environment(), stdin=subprocess.DEVNULL, timeout=300)
    ended = re.search(END, done.stderr.decode())
    assert ended is not None, done.stderr.decode()[-2000:]
    assert int(ended[1], 16) == end
    printed = done.stdout.decode().replace("\r", "").splitlines()
    expected = (Path(PLACE) / "test386-EE-reference.txt").read_text().splitlines()
    assert [*map(_without_undefined, printed)] == [*map(_without_undefined, expected)]
