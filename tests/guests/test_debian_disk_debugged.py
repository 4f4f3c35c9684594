"""A Debian disk under debuggers, from the reset vector to the user space of PID 1 and back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import vmdbg
from tests import linux_assets
from tests.vmdbg.gdb.guests import GDBS, gdb_program
from vmdbg.api import Guest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HELPER = 'python exec(gdb.execute("monitor gdb-helper", to_string=True))'
LOOK = ("x/2i $pc", "info threads", "bt")
SCRIPT: dict[str, tuple[str, ...]] = {
    "the reset vector": (HELPER, *LOOK),
    "SeaBIOS, real mode": ("stepi", *LOOK),
    "SeaBIOS, to protected mode": ("monitor catch mode", "continue", *LOOK),
    "SeaBIOS, protected mode": ("stepi 3", *LOOK),
    "SeaBIOS, back to real mode": ("continue", "stepi 2", *LOOK, "monitor uncatch mode"),
    "the boot sector": ("hbreak *0x7c00", "continue", *LOOK, "stepi 2", "x/i $pc", "delete"),
    "GRUB, real mode": ("hbreak *0x8200", "continue", "stepi", *LOOK, "delete"),
    "GRUB, protected mode": ("hbreak *0x82ef", "continue", *LOOK, "delete"),
    "the kernel's decompressor": ("monitor catch wrmsr efer", "continue", *LOOK, "monitor uncatch all"),
    "the kernel": ("monitor tbreak --pending start_kernel", "continue", *LOOK, "nexti 3", "bt"),
    "the kernel runs a program": (
        'monitor break start_thread if current().pid == 1 && current().comm == "init"',
        "continue",  # the initial RAM disk's
        "continue",  # systemd
        *LOOK,
        "monitor delete",
    ),
    "the kernel has done so": ("up", "finish", "bt"),
    "PID 1": (
        'python gdb.execute("hbreak *%#x if $lx_pid == 1 && $cpl == 3" % ENTRY)',
        "continue",
        "stepi",
        *LOOK,
        "monitor programs 1",
        "monitor when",
        "delete",
    ),
    "back at the boot sector": ("hbreak *0x7c00", "reverse-continue", *LOOK, "monitor when", "delete"),
    "back at the reset vector": ("reverse-continue", *LOOK, "monitor when"),
    "and PID 1 again": (
        'python gdb.execute("hbreak *%#x if $lx_pid == 1 && $cpl == 3" % ENTRY)',
        "continue",
        "stepi",
        "monitor when",
        "detach",
    ),
}
MODES = {
    "the reset vector": "real mode",
    "SeaBIOS, real mode": "real mode",
    "SeaBIOS, to protected mode": "real mode",
    "SeaBIOS, protected mode": "32-bit protected mode, ring 0",
    "SeaBIOS, back to real mode": "real mode",
    "the boot sector": "real mode",
    "GRUB, real mode": "real mode",
    "GRUB, protected mode": "32-bit protected mode, ring 0",
    "the kernel's decompressor": "32-bit protected mode, ring 0",
    "the kernel": "64-bit mode, ring 0, swapper (0)",
    "the kernel runs a program": "64-bit mode, ring 0, init (1)",
    "PID 1": "64-bit mode, ring 3, init (1)",
    "back at the boot sector": "real mode",
    "back at the reset vector": "real mode",
}
CODE = {
    "the reset vector": "=> 0xfffffff0:\tljmpw $0xf000:$0x",
    "SeaBIOS, to protected mode": ", %cr0\n",
    "the boot sector": "=> 0x7c00:\tjmp 0x7c65",
    "GRUB, protected mode": "=> 0x82ef:\tmovw $0x10, %ax",
    "the kernel's decompressor": ":\twrmsr",
    "PID 1": "\tcall ",
    "back at the boot sector": "=> 0x7c00:\tjmp 0x7c65",
    "back at the reset vector": "=> 0xfffffff0:\tljmpw $0xf000:$0x",
}
STACKS = {
    "the kernel": ("start_kernel", "secondary_startup_64_no_verify"),
    "the kernel runs a program": ("start_thread", "load_elf_binary", "bprm_execve", "do_execveat_common"),
    "the kernel has done so": ("bprm_execve", "do_execveat_common"),
}


def script(file: Path) -> Path:
    lines = []
    for stage, commands in SCRIPT.items():
        lines += [f"echo === {stage} ===\\n", *commands]
    at = lines.index("monitor delete")
    lines.insert(at, 'python ENTRY = int(gdb.parse_and_eval("$rsi"))')
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def stages(output: str) -> dict[str, str]:
    parts = re.split(r"^=== (.*) ===$", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def frames(shown: str) -> list[str]:
    """The functions of the last backtrace."""
    last = shown[shown.rindex("\n#0 ") :]
    return re.findall(r"^#\d+ .* in (\S+) \(\)$", last, flags=re.MULTILINE)


def position(shown: str) -> str:
    return re.findall(r"^position +(\S+)$", shown, flags=re.MULTILINE)[-1]


@pytest.fixture(scope="module")
def disk() -> Path:
    return linux_assets.debian_disk()


def started(disk: Path) -> Guest:
    return vmdbg.launch(disks=[f"{disk},bus=virtio"], memory="512M")


def test_a_gdb_sees_all_of_a_boot_and_goes_back_to_its_first_instruction(disk: Path, tmp_path: Path) -> None:
    first = ("set style enabled off", "set pagination off", "set confirm off")
    options = [part for command in first for part in ("-ex", command)]
    with started(disk) as guest:
        with guest.serve_gdb() as served:
            connect = ["-ex", f"target remote {served.address}", "-x", str(script(tmp_path / "script"))]
            command = [*gdb_program(GDBS[0]), "-q", "-batch", "-nx", *options, *connect]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1500, check=False
            )
        assert done.returncode == 0, done.stdout
        seen = stages(done.stdout)
        assert set(seen) == set(SCRIPT)
        for stage, mode in MODES.items():
            assert f"({mode})" in seen[stage], (stage, seen[stage])
        for stage, code in CODE.items():
            assert code in seen[stage], (stage, seen[stage])
        for stage, shown in seen.items():
            if MODES.get(stage, "") in ("real mode", "32-bit protected mode, ring 0"):
                assert "\n#1 " not in shown, f"{stage}: nothing says who called, and no frame is made up\n{shown}"
        for stage, functions in STACKS.items():
            named = [name.partition(".")[0] for name in frames(seen[stage])]
            assert named[: len(functions)] == list(functions), (stage, seen[stage])
        assert "/usr/lib/systemd/systemd" in seen["PID 1"]
        assert "No more reverse-execution history" in seen["back at the reset vector"]
        assert position(seen["back at the reset vector"]) == "0"
        assert position(seen["PID 1"]) == position(seen["and PID 1 again"])
        there = guest.seek(position(seen["PID 1"]))
        debugged = guest.digest()
    with started(disk) as undisturbed:
        undisturbed.run(there.tick - undisturbed.tick)
        undisturbed.seek(there)
        assert undisturbed.digest() == debugged
