"""Debian's kernel mounts a folder of the host, and copies trees out of it and into it; a replay needs no folder."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import vmdbg
from tests.devices.ninep.test_against_a_folder import planted, tree_at
from tests.linux_assets import PROMPT, busybox_initrd, generic_kernel, generic_modules

MODULES = ("virtio_ring.ko", "virtio.ko", "virtio_pci_modern_dev.ko", "virtio_pci_legacy_dev.ko", "virtio_pci.ko",
           "netfs.ko", "fscache.ko", "9pnet.ko", "9pnet_virtio.ko", "9p.ko")  # fmt: skip
MOUNT = "mkdir -p /mnt; mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 {tag} /mnt"


def initrd() -> Path:
    script = "#!/bin/sh\n" + "".join(f"busybox insmod /{module}\n" for module in MODULES)
    return busybox_initrd({"autorun": script.encode(), **generic_modules(*MODULES)})


def sh(guest: vmdbg.Guest, line: str) -> str:
    """What a command said, with its end."""
    guest.send(f"{line}; echo DONE-$?\n")
    return guest.expect("\r\n" + PROMPT).partition("\r\n")[2]


@pytest.mark.timeout(600)
def test_trees_are_copied_both_ways_and_a_replay_does_the_same(tmp_path: Path) -> None:
    host, recording = tmp_path / "host", tmp_path / "it.vmdbg"
    planted(host / "tree", random.Random(5))
    (host / "big").write_bytes(random.Random(6).randbytes(1_500_000))
    before = tree_at(host)
    with vmdbg.launch(generic_kernel(), initrd=initrd(), shares=[f"{host},tag=src"], record=recording) as guest:
        guest.expect(PROMPT)
        assert "DONE-0" in sh(guest, MOUNT.format(tag="src"))
        assert "DONE-0" in sh(guest, "cp -a /mnt/tree /tmp/tree && cp -a /tmp/tree /mnt/copy")
        assert "DONE-0" in sh(guest, "cp /mnt/big /mnt/copy/big")
        sums = sh(guest, "cd /mnt; md5sum big copy/big; ls -la . copy; cd /")
        assert "DONE-0" in sums
        words = sums.split()
        assert words[words.index("big") - 1] == words[words.index("copy/big") - 1]
        assert "DONE-0" in sh(guest, "mv /mnt/copy /mnt/moved; rm -rf /mnt/tree; umount /mnt")
        assert "DONE-0" in sh(guest, MOUNT.format(tag="src"))
        assert "moved" in sh(guest, "ls /mnt")
        end, digest = guest.position, guest.digest()
    assert tree_at(host) == before, "the folder is never written"
    shutil.rmtree(host)
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == digest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_the_users_word_the_folder_has_what_the_guest_copies(tmp_path: Path) -> None:
    host = tmp_path / "host"
    planted(host / "tree", random.Random(7))
    with vmdbg.launch(generic_kernel(), initrd=initrd(), shares=[f"{host},snapshot=off"]) as guest:
        guest.expect(PROMPT)
        assert "DONE-0" in sh(guest, MOUNT.format(tag="share0"))
        assert "DONE-0" in sh(guest, "cp -a /mnt/tree /mnt/copy")
        said = sh(guest, "echo out > /mnt/out; ln -s /etc/passwd /mnt/bad; ls /mnt")
        assert "Operation not permitted" in said
    trees = tree_at(host)
    assert (host / "out").read_text() == "out\n"
    below = {name.partition("/")[2]: what for name, what in trees.items() if name.startswith("tree/")}
    assert below == {name.partition("/")[2]: what for name, what in trees.items() if name.startswith("copy/")}
