"""Guests of every kind run in QEMU from what the loaders lay out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests import linux_assets
from tests.vmdbg.boot import qemu
from tests.vmdbg.boot.builders import PUTS, Part, assemble, elf32, elf64, input_file
from vmdbg.boot import bzimage
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, CpuMode, InputFile, Protocol
from vmdbg.boot.source import read_input
from vmdbg.units import Physical

MIB = 1 << 20


def _hello(bits: int, address: int) -> bytes:
    """Prints that it runs in `bits` bits, if it does: 48h is DEC (E)AX, in 64-bit code a REX prefix."""
    name = {16: "si", 32: "esi", 64: "rsi"}[bits]
    wrong = "jnz" if bits == 64 else "jz"
    source = f"""
        bits {bits}
        org {address:#x}
        xor eax, eax
        db 0x48
        nop
        test eax, eax
        {wrong} leave
        mov {name}, text
        call puts
        jmp leave
        {PUTS}
        text: db 'hello from {bits} bits', 0
    """
    return assemble(source)


@pytest.mark.parametrize(
    ("mode", "bits", "address"),
    [(CpuMode.REAL, 16, 0x7C00), (CpuMode.PROTECTED32, 32, 0x200000), (CpuMode.LONG64, 64, 0x200000)],
)
def test_flat_code_runs_in_its_mode(mode: CpuMode, bits: int, address: int, tmp_path: Path) -> None:
    code = _hello(bits, address)
    options = BootOptions(16 * MIB, input_file(code), load_address=Physical(address), mode=mode)
    assert qemu.run(boot_image(options), tmp_path, "bits") == f"hello from {bits} bits"


def test_a_boot_sector_runs(tmp_path: Path) -> None:
    code = _hello(16, 0x7C00).ljust(510, b"\0") + b"\x55\xaa"
    assert qemu.run(boot_image(BootOptions(16 * MIB, input_file(code))), tmp_path, "bits") == "hello from 16 bits"


def test_bare_elf_kernels_run(tmp_path: Path) -> None:
    for bits, build in ((32, elf32), (64, elf64)):
        kernel = build([Part(0x200000, _hello(bits, 0x200000))], 0x200000)
        image = boot_image(BootOptions(16 * MIB, input_file(kernel)))
        assert image.protocol is Protocol.ELF
        assert qemu.run(image, tmp_path, "bits") == f"hello from {bits} bits"


@pytest.fixture(scope="module")
def cloud() -> InputFile:
    return _kernel(linux_assets.cloud_kernel)


def _kernel(find: Callable[[], Path]) -> InputFile:
    try:
        return read_input(find(), "kernel")
    except linux_assets.AssetsMissingError as error:
        pytest.skip(str(error))


def _boot_linux(options: BootOptions, work: Path) -> str:
    try:
        initrd = read_input(linux_assets.busybox_initrd(), "initrd")
    except linux_assets.AssetsMissingError as error:
        pytest.skip(str(error))
    image = boot_image(replace(options, initrd=initrd))
    command = "cat /proc/cmdline /proc/iomem; uname -m; reboot -f\n"
    out = qemu.run(image, work, linux_assets.PROMPT, typed=command, then="Restarting system")
    assert linux_assets.MARKER in out
    assert f"\n{image.command_line}\r\n" in out
    assert "x86_64\r\n" in out
    assert f"{options.memory - 1:08x} : System RAM" in out
    return out


def test_debians_cloud_kernel_boots_where_it_was_linked_with_its_seed_taken(cloud: InputFile, tmp_path: Path) -> None:
    out = _boot_linux(BootOptions(192 * MIB, cloud), tmp_path)
    assert "01000000-" in out.split("Kernel code")[0].splitlines()[-1]
    assert "[    0.000000] random: crng init done" in out


@pytest.mark.slow
def test_its_decompressor_moves_it(cloud: InputFile, tmp_path: Path) -> None:
    out = _boot_linux(BootOptions(256 * MIB, cloud, via_decompressor=True), tmp_path)
    assert "  01000000-" not in out


@pytest.mark.slow
def test_its_32_bit_entry_works(cloud: InputFile, tmp_path: Path) -> None:
    older = bytearray(cloud.data)
    older[0x236] &= ~1
    _boot_linux(BootOptions(256 * MIB, input_file(bytes(older))), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [Protocol.LINUX, Protocol.PVH])
def test_its_vmlinux_boots(cloud: InputFile, protocol: Protocol, tmp_path: Path) -> None:
    elf = bzimage.unpack_vmlinux(cloud, bzimage.parse_setup_header(cloud), 256 * MIB)
    assert elf is not None
    _boot_linux(BootOptions(256 * MIB, InputFile("vmlinux", elf.data), protocol=protocol), tmp_path)


@pytest.mark.slow
def test_debians_generic_kernel_boots(tmp_path: Path) -> None:
    _boot_linux(BootOptions(256 * MIB, _kernel(linux_assets.generic_kernel)), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_debians_other_kernels_boot(tmp_path: Path) -> None:
    try:
        kernels = linux_assets.other_kernels()
    except linux_assets.AssetsMissingError as error:
        pytest.skip(str(error))
    assert kernels
    for path in kernels.values():
        _boot_linux(BootOptions(256 * MIB, read_input(path, "kernel")), tmp_path)
