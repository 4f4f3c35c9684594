"""Linux' drivers of the older network devices: a lease, pings and a download, and the recording of it."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest

import vmdbg
from tests import linux_assets

NICS = {"e1000": ("e1000.ko",), "rtl8139": ("mii.ko", "8139too.ko"), "rtl8139-cplus": ("mii.ko", "8139cp.ko")}
RINGS = {
    "e1000": r"(?s)receive descriptor \d+, given +buffer at [0-9a-f]+\n.*"
    r"transmit descriptor \d+ +(legacy|data), \d+ bytes at [0-9a-f]+, [^\n]*status (DD|-)\n",  # which it clears
    "rtl8139": r"receive ring +32768 bytes at [0-9a-f]+, 0 unread",
    "rtl8139-cplus": r"(?s)receive descriptor \d+, given +1536 bytes, OWN( EOR)? at [0-9a-f]+\n"
    r".*transmit descriptor \d+ ",
}
"""What `devices net0` says of them when all has come."""
UP = "ip link set eth0 up; sleep 3"
LEASE = "busybox udhcpc -i eth0 -n -q -s /bin/true; ip addr add 10.0.2.15/24 dev eth0"


@pytest.mark.slow
@pytest.mark.parametrize("model", NICS)
def test_linux_gets_an_address_pings_and_downloads(tmp_path: Path, model: str) -> None:
    data = random.Random(model).randbytes(300_000)
    served, record = tmp_path / "served", tmp_path / "nic.rec"
    served.mkdir()
    (served / "file").write_bytes(data)
    initrd = linux_assets.busybox_initrd(linux_assets.generic_modules(*NICS[model]))
    nets = [f"quiet,folder={served},model={model}"]
    with vmdbg.launch(linux_assets.generic_kernel(), initrd=initrd, nets=nets, record=record) as guest:
        guest.expect(linux_assets.PROMPT)
        guest.send("".join(f"insmod /{name}; " for name in NICS[model]) + f"{UP}; {LEASE}; echo up\n")
        guest.expect("lease of 10.0.2.15 obtained")
        guest.expect("up\r\n")
        guest.send("ping -c 2 -s 1400 10.0.2.2\n")
        guest.expect("2 packets received, 0% packet loss")
        guest.send("busybox wget -q -O /got http://10.0.2.2/file; sha256sum /got\n")
        guest.expect(hashlib.sha256(data).hexdigest())
        guest.send("dmesg | grep -E 'tim[e]d out|Unit H[a]ng'; busybox ifconfig eth0; printf 'e%s' nd\n")
        told = guest.expect("end")
        rings = guest.execute("devices net0")
        end, console = guest.position, guest.console
    assert re.search(RINGS[model], rings)
    assert "errors:0 dropped:0" in told
    assert "timed out" not in told
    assert "Hang" not in told
    with vmdbg.open_recording(record) as again:
        again.seek("end")
        assert (again.position, again.console) == (end, console)
