"""A virtio console as a line of its own: Linux's hvc0, typed at, waited for, and recorded as COM1 is."""

from __future__ import annotations

from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import busybox_initrd, cloud_kernel, cloud_modules
from tests.vmdbg.cli.vmdbg_process import errors
from tests.vmdbg.cli.vmdbg_process import vmdbg as run
from vmdbg.errors import UserError
from vmdbg.machine.console import HVC

MODULES = ("virtio_ring.ko", "virtio.ko", "virtio_pci_modern_dev.ko", "virtio_pci_legacy_dev.ko", "virtio_pci.ko",
           "virtio_console.ko")  # fmt: skip
SHELL = """#!/bin/sh
{}
export PS1='hvc# '
setsid sh -c 'exec sh -i < /dev/hvc0 > /dev/hvc0 2>&1' &
"""


def initrd() -> Path:
    loads = "\n".join(f"busybox insmod /{module}" for module in MODULES)
    return busybox_initrd({"autorun": SHELL.format(loads).encode(), **cloud_modules(*MODULES)})


@pytest.mark.timeout(600)
def test_a_shell_at_hvc0(tmp_path: Path) -> None:
    path = tmp_path / "it.vmdbg"
    with vmdbg.launch(cloud_kernel(), initrd=initrd(), virtio_console=True, record=path) as guest:
        guest.expect("hvc# ", port=HVC)
        guest.send("cat /proc/consoles; echo 6 x 7 = $((6 * 7))\n", port=HVC)
        said = guest.expect("= 42\r\nhvc# ", port=HVC)
        assert "ttyS0" in said
        assert "= 42" not in guest.console, "that is COM1"
        end, digest = guest.position, guest.digest()
    done = run("query", path, "console", str(HVC))
    assert "= 42" in done.stdout.decode(), errors(done)
    with vmdbg.open_recording(path) as guest:
        guest.seek(end)
        assert guest.digest() == digest
        assert "42" in guest.execute(f"query console {HVC}")
        guest.execute(f'goto --port {HVC} "= 42"')
        assert guest.position < end


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_terminal_is_at_the_line_that_wants_it(tmp_path: Path) -> None:
    com1 = tmp_path / "com1"
    options = ["--kernel", cloud_kernel(), "--initrd", initrd(), "--virtio-console", "stdio"]
    options += ["--serial", f"file:{com1}"]
    done = run("run", *options, "--input", "echo $((6 * 7)) came\\n", "--until", "42 came", "--no-realtime")
    assert done.returncode == 0, errors(done)
    assert b"hvc# " in done.stdout
    assert b"42 came" in done.stdout
    assert b"Linux version" in com1.read_bytes()


def test_two_lines_at_one_terminal_are_refused() -> None:
    done = run("run", "--serial", "stdio", "--virtio-console", "stdio")
    assert "both want this terminal" in errors(done)
    done = run("run", "--virtio-console", "nonsense")
    assert "--virtio-console 'nonsense' is unknown" in errors(done)
    with pytest.raises(UserError, match="needs --machine i440fx"):
        vmdbg.launch(virtio_console=True, machine="plain")
