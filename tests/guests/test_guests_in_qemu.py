"""The table of expected outputs against an independent machine."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.guests.build import assemble_file, require
from tests.guests.expected import GUESTS, Ending, Guest, Kind

QEMU = (
    "qemu-system-x86_64", "-display", "none", "-no-reboot", "-m", "16", "-net", "none", "-monitor", "none",
    "-serial", "none", "-global", "isa-debugcon.iobase=0xe9",
    "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
)  # fmt: skip
EXIT_STATUS = {Ending.TEST_EXIT: 1, Ending.TRIPLE_FAULT: 0}


def boot_options(kind: Kind, image: Path) -> list[str]:
    """How QEMU starts an image."""
    return {
        Kind.BOOT_SECTOR: ["-drive", f"if=floppy,format=raw,file={image}"],
        Kind.PROTECTED: ["-kernel", str(image)],
    }[kind]


def _command(guest: Guest, image: Path, console: Path) -> list[str]:
    return [*QEMU, "-debugcon", f"file:{console}", *boot_options(guest.kind, image)]


def _wait_for_output(console: Path, output: str) -> None:
    deadline = time.monotonic() + 30
    while not (console.exists() and console.read_text() == output):
        assert time.monotonic() < deadline, "QEMU printed too little"
        time.sleep(0.02)


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.name)
def test_qemu_prints_and_ends_as_the_table_says(guest: Guest, tmp_path: Path) -> None:
    if guest.not_in_qemu:
        pytest.skip(f"QEMU: {guest.not_in_qemu}")
    require("qemu-system-x86_64")
    image, console = tmp_path / "image", tmp_path / "console"
    image.write_bytes(assemble_file(guest.name))
    with subprocess.Popen(_command(guest, image, console), stdin=subprocess.DEVNULL) as qemu:
        try:
            if guest.ending is Ending.HALTED:
                _wait_for_output(console, guest.output)
                with pytest.raises(subprocess.TimeoutExpired):
                    qemu.wait(0.5)
            else:
                assert qemu.wait(30) == EXIT_STATUS[guest.ending]
        finally:
            qemu.kill()
    assert console.read_text() == (guest.qemu_output or guest.output)


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.name)
def test_the_image_is_of_the_kind_the_table_says(guest: Guest) -> None:
    image = assemble_file(guest.name)
    if guest.kind is Kind.BOOT_SECTOR:
        assert len(image) == 512
        assert image.endswith(b"\x55\xaa")
    else:
        assert image.find(b"\x02\xb0\xad\x1b") % 4 == 0
        assert len(image) < 0x100000


def test_every_source_is_in_the_table() -> None:
    sources = {path.stem for path in Path(__file__).parent.glob("*.asm")}
    assert sources == {guest.name for guest in GUESTS}
