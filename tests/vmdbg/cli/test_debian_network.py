"""Debian on the quiet network: a lease and a download, replayed without the folder."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import pytest

import vmdbg
from tests.linux_assets import debian_disk

DHCP = "dhclient $(ls /sys/class/net | grep -v lo)"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lease_and_a_download_from_the_quiet_network(tmp_path: Path) -> None:
    folder, recording = tmp_path / "web", tmp_path / "it.vmdbg"
    folder.mkdir()
    big = random.Random(4).randbytes(2_000_000)
    (folder / "package.deb").write_bytes(big)
    net = f"quiet,folder={folder},host=deb.test=192.0.2.7"
    request = "printf 'GET /package.deb HTTP/1.0\\r\\n\\r\\n' >&3"
    get = f"exec 3<>/dev/tcp/deb.test/80; {request}; tail -c 2000000 <&3 | sha256sum"
    digest = hashlib.sha256(big).hexdigest()
    with vmdbg.launch(disks=[f"{debian_disk()},bus=virtio"], memory="512M", nets=[net], record=recording) as guest:
        guest.expect("login: ")
        for line, until in (
            ("root", "Password: "),
            ("root", "# "),
            (DHCP, "# "),
            (get, digest),
        ):
            guest.send(line + "\n")
            guest.expect(until)
        end, wanted = guest.position, guest.digest()
    shutil.rmtree(folder)
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == wanted
