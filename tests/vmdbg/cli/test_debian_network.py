"""Debian on networks: ssh from this host by a forwarded port, a download from the quiet one; both replayed."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vmdbg
from tests.guest_terminal import Terminal
from tests.linux_assets import debian_disk

DHCP = "dhclient $(ls /sys/class/net | grep -v lo)"
KEYS = "authorized_keys"
REPLAYS = 10
SENT = random.Random(2).randbytes(300_000)
HIDDEN = "import sys; sys.modules['vmdbg.host.slirp_library'] = None; from vmdbg.__main__ import main; main()"
"""vmdbg where there is no libslirp."""


@pytest.mark.slow
@pytest.mark.timeout(9000)
@pytest.mark.usefixtures("slirp")
def test_ssh_from_this_host_and_ten_replays_without_libslirp(tmp_path: Path) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("no ssh is installed: apt-get install openssh-client")
    key, recording, serial, said, digests = (tmp_path / name for name in ("key", "it", "serial", "said", "digests"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    words = [sys.executable, "-m", "vmdbg", "record", str(recording), "--disk", f"{debian_disk()},bus=virtio"]
    words += ["--memory", "512M", "--net", "user,hostfwd=tcp::0-:22", "--serial", f"unix:{serial}"]
    with said.open("wb") as errors:
        process = subprocess.Popen([*words, "--digest", str(digests)], stdin=subprocess.DEVNULL, stderr=errors)
    try:
        terminal = Terminal(serial, process)
        terminal.log_in()
        terminal.type(f"{DHCP}; mkdir -p .ssh; echo '{key.with_suffix('.pub').read_text().strip()}' > .ssh/{KEYS}")
        terminal.type("echo REA''DY")
        terminal.wait(rb"READY")
        _use_it_by_ssh(key, said)
        assert process.wait(600) == 0
        terminal.close()
    finally:
        process.kill()
        process.wait()
    wanted = json.loads(digests.read_text())
    for number in range(REPLAYS):
        again = tmp_path / f"digests{number}"
        replayed = [sys.executable, "-c", HIDDEN, "replay", str(recording), "--quiet", "--digest", str(again)]
        subprocess.run(replayed, check=True, timeout=1800)
        assert json.loads(again.read_text()) == wanted


def _use_it_by_ssh(key: Path, said: Path) -> None:
    """A command, a file there and back, and the end."""
    found = re.search(rb"forwarded to the guest: tcp 127.0.0.1:(\d+)", said.read_bytes())
    assert found is not None
    ssh = ["ssh", "-F", "none", "-i", str(key), "-p", found[1].decode(), "-o", "StrictHostKeyChecking=no"]
    ssh += ["-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={key.parent}/known", "-o", "ConnectTimeout=300"]

    def done(command: str, data: bytes = b"") -> bytes:
        shown = subprocess.run([*ssh, "root@127.0.0.1", command], input=data, capture_output=True, timeout=600)
        assert shown.returncode == 0, shown.stderr
        return shown.stdout

    assert done("uname -s") == b"Linux\n"
    assert done("tee got", SENT) == SENT
    assert done("sha256sum < got").split()[0].decode() == hashlib.sha256(SENT).hexdigest()
    done("systemctl --no-block poweroff")


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
