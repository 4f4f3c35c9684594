"""Debian's kernel on a quiet network: an address, names, pings and files; a replay needs neither network nor folder."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel, cloud_modules

MODULES = ("virtio_ring.ko", "virtio.ko", "virtio_pci_modern_dev.ko", "virtio_pci_legacy_dev.ko", "virtio_pci.ko",
           "failover.ko", "net_failover.ko", "virtio_net.ko")  # fmt: skip
LEASED = """#!/bin/busybox sh
[ $1 = bound ] || exit 0
busybox ifconfig $interface $ip netmask $subnet
busybox route add default gw $router
busybox mkdir -p /etc
echo "nameserver $dns" > /etc/resolv.conf
"""
DHCP = "busybox ip link set eth0 up; busybox udhcpc -i eth0 -s /leased -n -q"


def network_initrd(*, after: str = "") -> Path:
    """It has an address when it prompts; commands `after` that begin with `;`."""
    script = "#!/bin/sh\n" + "".join(f"busybox insmod /{module}\n" for module in MODULES) + DHCP + after
    return busybox_initrd({"autorun": script.encode(), "leased": LEASED.encode(), **cloud_modules(*MODULES)})


def sh(guest: vmdbg.Guest, line: str) -> str:
    """What a command said, with its end."""
    guest.send(f"{line}; echo DONE-$?\n")
    return guest.expect("\r\n" + PROMPT).partition("\r\n")[2]


@pytest.mark.timeout(600)
def test_it_gets_an_address_and_what_it_asks_for_and_a_replay_does_the_same(tmp_path: Path) -> None:
    host, recording = tmp_path / "host", tmp_path / "it.vmdbg"
    host.mkdir()
    big = random.Random(6).randbytes(700_000)
    (host / "big").write_bytes(big)
    net = f"quiet,folder={host},host=deb.test=192.0.2.7"
    with vmdbg.launch(cloud_kernel(), initrd=network_initrd(), nets=[net], record=recording) as guest:
        assert "lease of 10.0.2.15 obtained from 10.0.2.2" in guest.expect(PROMPT)
        assert "2 packets received" in sh(guest, "ping -c2 -i 0.1 deb.test")
        assert "192.0.2.7" in sh(guest, "busybox nslookup deb.test")
        assert "NXDOMAIN" in sh(guest, "busybox nslookup other.test")
        digest = hashlib.sha256(big).hexdigest()
        assert digest in sh(guest, "busybox wget -q -O - http://deb.test/big | sha256sum")
        assert digest in sh(guest, "busybox tftp -b 1400 -g -r big -l /got 10.0.2.2; sha256sum /got")
        rings = guest.execute("devices net0")
        assert re.search(r"queue 0 available +index \d+, [1-9]\d* waiting, interrupt at used \d+\n", rings)
        assert re.search(r"queue 0 used \d+ +descriptor \d+, 1458 bytes written\n", rings)
        assert "404" in sh(guest, "busybox wget -O - http://deb.test/none")
        assert "refused" in sh(guest, "busybox wget -O - http://deb.test:81/")
        end, wanted = guest.position, guest.digest()
    shutil.rmtree(host)
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == wanted
