"""--nvram: a file has UEFI firmware's variables as the guest left them, whole, and never somebody else's lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devices.board.flash import Flash
from tests.guests.build import assemble
from tests.vmdbg.boot.test_uefi import WHOLE, volume
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg
from vmdbg.api import launch
from vmdbg.errors import UserError
from vmdbg.host.nvram import NvramChoice, NvramFile, parse_nvram, template_of

SIZE = 0x1_0000
FIRMWARE = """
bits 16
    times 100h db 0                     ; the volume's header
start:
    o32 lgdt [cs:table]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:0ffff0000h + protected
bits 32
protected:
    mov ax, 16
    mov ds, ax
    mov edi, 0fffe0000h + 1000h
    mov al, [edi + 1]                   ; how often it has run: bits that are clear
again:
    mov bl, al
    shl bl, 1
    mov byte [edi], 40h
    mov byte [edi + 1], bl
    mov byte [edi], 0ffh
    mov ecx, 3000000
    loop $
    mov al, 0
    out 0f4h, al
    hlt
table:
    dw 23
    dd 0ffff0000h + descriptors
descriptors:
    dq 0, 0cf9a000000ffffh, 0cf92000000ffffh
    times 0fff0h - ($ - $$) db 0
bits 16
    jmp start
    times 10000h - ($ - $$) db 0
"""


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What counts in its variables how often it has run."""
    path = tmp_path_factory.mktemp("firmware") / "FW_CODE.fd"
    code = assemble(FIRMWARE, bits=16)
    path.write_bytes(bytes(16) + bytes(16) + (SIZE).to_bytes(8, "little") + b"_FVH" + code[44:])
    path.with_name("FW_VARS.fd").write_bytes(volume(SIZE)[:0x100].ljust(SIZE, b"\xff"))
    return path


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("a,,b", NvramChoice("a,b")),
        ("a,snapshot=on", NvramChoice("a", kept=False)),
        ("a,snapshot=off", NvramChoice("a")),
    ],
)
def test_what_can_be_said(text: str, choice: NvramChoice) -> None:
    assert parse_nvram(text) == choice


@pytest.mark.parametrize(("text", "words"), [("", "names no file"), ("a,readonly", "no option 'readonly'")])
def test_what_cannot(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_nvram(text)


def test_the_systems_own_files_are_not_written() -> None:
    system = "/usr/share/OVMF/OVMF_VARS_4M.fd"
    if not Path(system).exists():
        pytest.skip("OVMF is not installed (package ovmf)")
    with pytest.raises(UserError, match=r"name a file of your own, .* or add ,snapshot=on"):
        template_of(NvramChoice(system), None)
    assert template_of(NvramChoice(system, kept=False), None) == system


class Kept:
    """A flash memory, its file, and whether this is the present."""

    def __init__(self, path: Path) -> None:
        self.flash, self.live = Flash(0x2000), True
        if path.exists():
            self.flash.load(path.read_bytes())
        self.file = NvramFile(str(path), self.flash, lambda: self.live)

    def program(self, offset: int, value: int) -> None:
        for byte in (0x40, value, 0xFF):
            self.flash.write(offset, 1, byte, 0)


def test_the_file_is_as_the_flash_is_at_the_end_of_the_history(tmp_path: Path) -> None:
    path = tmp_path / "vars"
    kept = Kept(path)
    assert kept.file.settle() == f"the guest's UEFI variables are in {path}"
    assert path.read_bytes() == kept.flash.contents
    os.chmod(path, 0o640)
    kept.program(5, 0x12)
    kept.file.write()
    now = kept.flash.contents
    assert path.read_bytes() == now
    assert path.stat().st_mode & 0o777 == 0o640
    kept.live = False
    kept.program(5, 0)
    kept.file.flush()
    assert "for this ends in the past" in kept.file.settle()
    assert path.read_bytes() == now
    assert os.listdir(tmp_path) == ["vars"]
    kept.file.close()


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(bytes(0x2000))
    (tmp_path / "link").symlink_to("real")
    kept = Kept(tmp_path / "link")
    kept.flash.load(b"x" * 0x2000)
    kept.file.settle()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x" * 0x2000
    kept.file.close()


def test_two_do_not_keep_one_file(tmp_path: Path) -> None:
    path = tmp_path / "vars"
    path.write_bytes(bytes(0x2000))
    first = Kept(path)
    for _ in range(2):
        with pytest.raises(UserError, match="is in use by another process"):
            Kept(path)
        first.flash.load(b"y" * 0x2000)
        first.file.settle()  # the lock is on the new file too
    first.file.close()
    Kept(path).file.close()


def test_what_somebody_else_wrote_is_not_lost(tmp_path: Path) -> None:
    path, told = tmp_path / "vars", list[str]()
    path.write_bytes(bytes(0x2000))
    kept = Kept(path)
    kept.file.on_failure = told.append
    path.write_bytes(b"other".ljust(0x2000))
    kept.program(5, 0)
    kept.flash.load(b"z" * 0x2000)
    for _ in range(3):
        kept.file._written_at = 0.0
        kept.file.flush()
    assert len(told) == 1
    with pytest.raises(UserError, match="was written by somebody else meanwhile"):
        kept.file.settle()
    path.rename(tmp_path / "theirs")
    kept.file.settle()
    assert path.read_bytes() == b"z" * 0x2000
    kept.file.close()


def run(firmware: Path, nvram: str, *more: str) -> str:
    options = ["--bios", str(firmware), "--memory", "2M", "--machine", "i440fx", "--serial", "none"]
    done = vmdbg("run", *options, *(["--nvram", nvram] if nvram else []), *more)
    assert done.returncode == 0, errors(done)
    return errors(done)


def test_variables_last_from_run_to_run(firmware: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.fd"
    assert f"UEFI variables are in {path}" in run(firmware, str(path))
    assert path.read_bytes()[0x1001] == 0xFE
    run(firmware, f"{path},snapshot=on")
    assert path.read_bytes()[0x1001] == 0xFE
    run(firmware, str(path))
    assert path.read_bytes()[0x1001] == 0xFC
    assert firmware.with_name("FW_VARS.fd").read_bytes()[0x1001] == 0xFF
    done = vmdbg("run", "--bios", str(firmware), "--machine", "plain", "--nvram", str(path))
    assert "there is no flash memory for --nvram" in errors(done)


def test_a_script_keeps_them_too_also_from_the_past(firmware: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.fd"
    with launch(bios=firmware, nvram=path, memory="2M") as guest:
        guest.run()
        guest.seek(10)
    assert path.read_bytes()[0x1001] == 0xFE


@pytest.mark.slow
def test_ovmf_finds_what_it_left(tmp_path: Path) -> None:
    if not WHOLE.exists():
        pytest.skip("OVMF is not installed (package ovmf)")
    path, ticks = tmp_path / "mine.fd", []
    for _ in range(2):
        with launch(bios=WHOLE, nvram=path, memory="128M") as guest:
            guest.expect("UEFI Interactive Shell")
            ticks.append(guest.tick)
    assert ticks[1] < ticks[0]
