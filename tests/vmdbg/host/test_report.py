"""Guests that die, and what is said of them."""

from pathlib import Path

import pytest

from tests.guests.build import assemble, assemble_file
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg


def run_multiboot(path: Path, image: bytes) -> str:
    """The report of a guest that must die, of one with a Multiboot header."""
    path.write_bytes(image)
    done = vmdbg("run", path, "--memory", "16M")
    assert done.returncode == 1, done.stderr
    return errors(done)


def run_flat(path: Path, image: bytes, *arguments: str, mode: str = "protected", address: str = "0x100000") -> str:
    """The report of a guest that must die."""
    path.write_bytes(image)
    done = vmdbg("run", path, "--load-address", address, "--mode", mode, "--memory", "16M", *arguments)
    assert done.returncode == 1, done.stderr
    return errors(done)


def test_triple_fault(tmp_path: Path) -> None:
    report = run_multiboot(tmp_path / "guest", assemble_file("triple_fault_protected"))
    assert "the guest died: triple fault at tick" in report
    assert "could not be delivered" in report


def test_page_fault_on_the_way_to_a_triple_fault_is_decoded(tmp_path: Path) -> None:
    report = run_multiboot(tmp_path / "guest", assemble_file("void_jump"))
    assert "#PF page fault (supervisor fetch: not present), at linear 0x5044434241, rip 0x5044434241" in report


def test_a_jump_to_where_no_memory_is(tmp_path: Path) -> None:
    report = run_multiboot(tmp_path / "guest", assemble_file("void_jump_physical"))
    assert "where there is no memory" in report


def test_halted_forever_names_the_place(tmp_path: Path) -> None:
    image = assemble("cli\nnop\nhlt", bits=32, origin=0x100000)
    report = run_flat(tmp_path / "guest", image)
    assert "halted forever at 0x100002, with interrupts off" in report


def test_halted_in_real_mode_is_named_by_segment(tmp_path: Path) -> None:
    report = run_flat(tmp_path / "guest", assemble("cli\nhlt", bits=16, origin=0x7C00), mode="real", address="0x7c00")
    assert "halted forever at 0000:0x7c01" in report


def test_halted_with_interrupts_on_and_nobody_to_type(tmp_path: Path) -> None:
    report = run_flat(tmp_path / "guest", assemble("sti\nhlt", bits=32, origin=0x100000), "--serial", "none")
    assert "with nothing left to wake it" in report


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("vaddps ymm0, ymm1, ymm2", "cannot run `vaddps ymm0, ymm1, ymm2` (c5 f4 58 c2) at 0x100000"),
        ("rdrand eax", "cannot run `rdrand eax` (0f c7 f0) at 0x100000"),
    ],
)
def test_an_instruction_that_the_cpu_lacks_is_named(tmp_path: Path, code: str, words: str) -> None:
    report = run_flat(tmp_path / "guest", assemble(code, bits=32, origin=0x100000))
    assert "#UD" in report
    assert words in report


def test_an_instruction_is_named_where_and_as_it_struck(tmp_path: Path) -> None:
    code = """
    mov word [6 * 4], handler
    mov word [6 * 4 + 2], 0
    jmp 07b0h:100h + lacking - 7c00h
    lacking: rdrand ax
    handler: mov dword [lacking], 0
    cli
    hlt
    """
    report = run_flat(tmp_path / "guest", assemble(code, bits=16, origin=0x7C00), mode="real", address="0x7c00")
    assert "#UD invalid opcode, rip 07b0:0x0111, ring 0" in report
    assert "cannot run `rdrand ax` (0f c7 f0) at 07b0:0x0111" in report


def test_bytes_that_are_no_instruction_are_shown(tmp_path: Path) -> None:
    report = run_flat(tmp_path / "guest", assemble("db 0f0h, 90h\nhlt", bits=32, origin=0x100000))
    assert "cannot run f0 90 f4 00" in report


def test_an_exit_with_success_is_no_death(tmp_path: Path) -> None:
    guest = tmp_path / "guest"
    guest.write_bytes(assemble("xor eax, eax\nout 0f4h, al", bits=32, origin=0x100000))
    done = vmdbg("run", guest, "--load-address", "0x100000", "--mode", "protected")
    assert done.returncode == 0
    assert "value 0" in errors(done)


def test_an_exit_with_failure_is_one(tmp_path: Path) -> None:
    report = run_flat(tmp_path / "guest", assemble("mov al, 7\nout 0f4h, al", bits=32, origin=0x100000))
    assert "value 7" in report


PRINT_AND_RESET = """
    mov esi, text
next:
    lodsb
    mov dx, 3f8h
    out dx, al
    test al, al
    jnz next
    mov al, 0feh
    out 64h, al
    jmp $
text:
    db {text}, 10, 0
"""


def test_a_reset_is_said(tmp_path: Path) -> None:
    guest = tmp_path / "guest"
    guest.write_bytes(assemble(PRINT_AND_RESET.format(text="'bye'"), bits=32, origin=0x100000))
    done = vmdbg("run", guest, "--load-address", "0x100000", "--mode", "protected")
    assert done.returncode == 0
    assert b"bye\n" in done.stdout
    assert "the guest reset the machine" in errors(done)


def test_a_reset_after_a_panic_is_a_death(tmp_path: Path) -> None:
    text = "'[ 1.0] Kernel panic - not syncing: no init found'"
    report = run_flat(tmp_path / "guest", assemble(PRINT_AND_RESET.format(text=text), bits=32, origin=0x100000))
    assert "the guest died: Kernel panic - not syncing: no init found" in report


def test_the_sample_crashes_with_names() -> None:
    done = vmdbg("run", "--append", "bug=smash")
    assert done.returncode == 1
    assert "halted forever at" in errors(done)
    assert "<halt_forever" in errors(done)


def test_symbol_files_name_places_by_their_linear_address(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("7c00 T begin_here\n")
    image = assemble("jmp 07c0h:there - 7c00h\nthere: cli\nhlt", bits=16, origin=0x7C00)
    report = run_flat(tmp_path / "guest", image, "--symbols", str(names), mode="real", address="0x7c00")
    assert "halted forever at 07c0:0x0006 <begin_here+0x6>" in report


def test_the_debug_console_can_be_seen(tmp_path: Path) -> None:
    image = assemble("mov al, 'X'\nout 0e9h, al\ncli\nhlt", bits=32, origin=0x100000)
    run_flat(tmp_path / "guest", image, "--debug-console", f"file:{tmp_path}/log")
    assert (tmp_path / "log").read_bytes() == b"X"


def test_ports_without_a_device_are_listed(tmp_path: Path) -> None:
    image = assemble("mov dx, 1234h\nin al, dx\nout dx, al\nin al, dx\ncli\nhlt", bits=32, origin=0x100000)
    report = run_flat(tmp_path / "guest", image, "--trace-io")
    assert "port 0x1234: 2 reads, 1 writes, no device" in report
