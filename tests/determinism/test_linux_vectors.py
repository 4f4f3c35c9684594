"""AVX at ring 3 of a stock Linux: results are those of this machine, and are had again by a replay."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import vmdbg
from tests.conformance.vex import MODEL, host_has_avx2
from tests.guests.build import GUESTS, build_program
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel
from vmdbg.api.boot import open_recording


def _program() -> Path:
    return build_program((GUESTS / "vectors.c").read_text(), ["-no-pie", "-static"])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith(("strings ", "fma ", "sse ", "kept", "LOST"))]


@pytest.mark.skipif(not host_has_avx2(), reason="the results are those of a CPU with AVX2 and FMA")
def test_a_program_computes_what_it_computes_here(tmp_path: Path) -> None:
    program, path = _program(), tmp_path / "vectors.rec"
    here = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout
    initrd = busybox_initrd({"bin/vectors": program.read_bytes()})
    with vmdbg.launch(cloud_kernel(), initrd=initrd, cpu=MODEL, record=path) as guest:
        guest.expect(PROMPT)
        guest.send("vectors; echo DO''NE\n")
        shown = guest.expect("DONE\r\n")
        end, found = guest.tick, guest.digest()
    assert _lines(shown) == _lines(here)
    assert "kept" in shown
    with open_recording(path) as again:
        again.run(end)
        assert again.digest() == found
