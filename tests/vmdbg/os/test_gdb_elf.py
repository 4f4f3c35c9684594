"""The written ELF in the hands of a stock gdb, on the file alone and attached to a running guest."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.vmdbg.os.conftest import Guest
from tests.vmdbg.os.kernels import Kernel
from tests.vmdbg.os.qemu_guest import booted
from vmdbg.os.linux.operating_system import LinuxDetector

GDB_SECONDS = 100


def gdb(elf: Path, *commands: str) -> str:
    if not shutil.which("gdb"):
        pytest.skip("needs gdb")
    arguments = ["gdb", "-nx", "-batch", "-ex", "set width 0", "-ex", "set pagination off"]
    for command in commands:
        arguments += ["-ex", command]
    done = subprocess.run([*arguments, str(elf)], capture_output=True, text=True, timeout=GDB_SECONDS, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def elf(guest: Guest, tmp_path: Path) -> Path:
    path = tmp_path / "guest.elf"
    path.write_bytes(guest.linux.gdb_elf())
    return path


def test_gdb_knows_types_functions_and_addresses(guest: Guest, elf: Path) -> None:
    kernel = guest.linux.kernel
    task = kernel.type("struct task_struct")
    shown = gdb(
        elf,
        "print sizeof(struct task_struct)",
        "print &((struct task_struct *)0)->comm",
        "ptype struct list_head",
        "whatis vfs_read",
        "info symbol vfs_read",
        "break vfs_read",
        "info symbol loop_add",
        "print &init_task.comm",
        "ptype enum pid_type",
        "whatis loop_add",
        "ptype struct loop_device",
    )
    assert f"= {task.size}\n" in shown
    assert f"= (char (*)[16]) {task.offset_of('comm'):#x}\n" in shown
    assert "struct list_head *next;" in shown
    assert "(struct file *, char *, size_t, loff_t *)" in shown
    assert re.search(rf"Breakpoint 1 at {kernel.symbol('vfs_read'):#x}", shown)
    assert "loop_add in section .text.loop" in shown
    if kernel.module_types:
        assert "type = int (int" in shown
        assert "int lo_number;" in shown
    assert f"{kernel.symbol('init_task') + task.offset_of('comm'):#x}" in shown
    assert "PIDTYPE_PID" in shown
    assert not re.search(r"DWARF Error|[Ww]arning|[Cc]omplaint|corrupt", shown), shown


def test_sections_are_well_formed(cloud_guest: Guest) -> None:
    parsed = ELFFile(BytesIO(cloud_guest.linux.gdb_elf()))  # type: ignore[no-untyped-call]
    symbols = parsed.get_section_by_name(".symtab")
    assert symbols.num_symbols() > 80_000
    (found,) = symbols.get_symbol_by_name("vfs_read")
    assert found["st_value"] == cloud_guest.linux.kernel.symbol("vfs_read")
    assert parsed.get_section(found["st_shndx"]).name == ".text"
    locals_ = symbols["sh_info"]
    bindings = [symbols.get_symbol(n)["st_info"]["bind"] for n in (1, locals_ - 1, locals_)]
    assert bindings == ["STB_LOCAL", "STB_LOCAL", "STB_GLOBAL"]
    (unit,) = parsed.get_dwarf_info().iter_CUs()
    assert unit.get_top_DIE().attributes["DW_AT_name"].value == b"linux"
    note = parsed.get_section_by_name(".note.gnu.build-id").data()
    assert note.endswith(bytes.fromhex(cloud_guest.linux.boot.build.build_id))


def test_gdb_stops_in_a_function_and_shows_arguments_and_stack(
    kernel_image: Callable[[str], Kernel], tmp_path: Path
) -> None:
    """`break vfs_read` when a chosen process calls it: its `struct file *` by type, and who called it."""
    server = tmp_path / "gdb.socket"
    options = ("-chardev", f"socket,path={server},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb")
    with booted(kernel_image("6.1-cloud"), "nokaslr", options) as guest:
        while "Freeing unused kernel image" not in guest.console():
            assert guest.process.poll() is None
            guest.run_for(0.05)
        linux = LinuxDetector().detect(guest.stop())
        assert linux is not None
        path = tmp_path / "guest.elf"
        path.write_bytes(linux.gdb_elf())
        current = linux.kernel.per_cpu_address("current_task", 0)
        comm = f"((struct task_struct *)*(unsigned long *){current:#x})->comm"
        shown = gdb(
            path,
            f"target remote {server}",
            f'break vfs_read if $_streq({comm}, "init")',
            "continue",
            "print file->f_path.dentry->d_name.name",
            "print *pos",
            "print count",
            f"print {comm}",
            "backtrace",
            "up 2",
            "info registers rip",
            "detach",
        )
    assert re.search(r"Breakpoint 1, 0x[0-9a-f]+ in vfs_read \(file=0xffff[0-9a-f]+, buf=0x[0-9a-f]+", shown), shown
    assert re.search(r'\$1 = \(const unsigned char \*\) 0xffff[0-9a-f]+ "\w+"', shown), shown
    assert '"init' in shown
    assert re.findall(r"^#\d+ .*? in (\w+) \(", shown, re.M)[:3] == ["vfs_read", "ksys_read", "do_syscall_64"]
    assert "#3  <signal handler called>\n#4  0x0000" in shown, "the registers saved at the entry lead to user space"
    assert "corrupt stack" not in shown
