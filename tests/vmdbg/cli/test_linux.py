"""Stock Debian kernels from the command line to a shell and to power-off."""

import re
from pathlib import Path

import pytest

from tests.vmdbg.cli.vmdbg_process import digest, errors, vmdbg

LINKED = 0xFFFFFFFF81000000
"""Where x86-64 kernels are linked."""
WITHOUT_APIC = ("--append", "noapic nolapic")


@pytest.fixture(params=["cloud_kernel", "generic_kernel"])
def kernel(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("options", [(), WITHOUT_APIC], ids=["apic", "noapic"])
def test_boots_to_a_shell_that_runs_commands_and_powers_off(
    kernel: Path, initrd: Path, options: tuple[str, ...]
) -> None:
    done = vmdbg("run", "--kernel", kernel, "--initrd", initrd, *options, typed=b"echo $((6 * 7))\npoweroff -f\n")
    assert done.returncode == 0, errors(done)
    assert b"\r\n42\r\n" in done.stdout
    assert "the guest powered off" in errors(done)


@pytest.mark.timeout(300)
def test_a_kernel_without_a_root_panics_and_is_reported(cloud_kernel: Path) -> None:
    done = vmdbg("run", cloud_kernel)
    assert done.returncode == 1
    assert "Kernel panic - not syncing: VFS: Unable to mount root fs" in errors(done)


@pytest.mark.timeout(300)
def test_a_panic_before_the_first_message_stops_at_the_prompt_wherever_the_kernel_moved_itself(
    cloud_kernel: Path, tmp_path: Path
) -> None:
    names = tmp_path / "System.map"
    names.write_text(f"{LINKED:x} T _text\n{LINKED + 16:x} T of_the_file\n{LINKED + 32:x} T start_kernel\n")
    moved = ("--via-decompressor", "--memory", "128M", "--append", "mem=1M", "--serial", "none")
    commands = ("-x", "continue", "-x", "symbol of_the_file", "-x", "system")
    done = vmdbg("run", cloud_kernel, *moved, "--stop-at", "2_000_000_000", "--symbols", names, *commands)
    assert done.stdout.startswith(b"kernel panic: alloc_low_pages: can not alloc memory, in swapper (0)\n")
    base = re.search(r"^base +0x([0-9a-f]+)$", done.stdout.decode(), re.MULTILINE)
    assert base is not None
    assert int(base[1], 16) != LINKED
    assert f"{int(base[1], 16) + 16:#x} <of_the_file>".encode() in done.stdout


@pytest.mark.timeout(300)
def test_a_panic_that_loops_for_ever_ends_a_run_that_nobody_watches(cloud_kernel: Path) -> None:
    done = vmdbg("run", cloud_kernel, "--memory", "72M", "--append", "mem=1M earlyprintk=serial")
    assert done.returncode == 1
    assert "the guest died: Kernel panic - not syncing: alloc_low_pages: can not alloc memory; it does" in errors(done)


@pytest.mark.timeout(300)
def test_the_boot_is_the_same_every_time(cloud_kernel: Path, initrd: Path) -> None:
    arguments = ("--kernel", cloud_kernel, "--initrd", initrd, "--until", "GUEST UP")
    assert digest(*arguments) == digest(*arguments)


def test_an_initrd_that_does_not_fit(cloud_kernel: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200 << 20)
    done = vmdbg("run", "--kernel", cloud_kernel, "--initrd", big, "--memory", "128M")
    assert done.returncode == 2
    assert "--memory" in errors(done)
