"""Debian on networks: ssh from this host through a forwarded port, and a download from the quiet network; replayed."""

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
from tests.linux_assets import debian_disk
from tests.vmdbg.cli.test_user_network import VMDBG, wait_for
from vmdbg.errors import UserError
from vmdbg.host import slirp_library

DHCP = "dhclient $(ls /sys/class/net | grep -v lo)"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ssh_from_this_host_and_a_replay_without_a_network(tmp_path: Path) -> None:
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no OpenSSH client is installed: apt-get install openssh-client")
    try:
        slirp_library.library()
    except UserError as error:
        pytest.skip(str(error))
    key, recording, serial, said, digests = (tmp_path / name for name in ("key", "it", "serial", "said", "digests"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    typed = ["root", "root", DHCP, f"mkdir -p .ssh; echo '{public}' > .ssh/authorized_keys", "echo REA''DY"]
    words = [*VMDBG, "record", str(recording), "--disk", f"{debian_disk()},bus=virtio", "--memory", "512M"]
    words += ["--net", "user,hostfwd=tcp::0-:22", "--serial", f"file:{serial}", "--input", "\\n".join(typed) + "\\n"]
    serial.touch()
    with said.open("wb") as errors:
        process = subprocess.Popen([*words, "--digest", str(digests)], stdin=subprocess.DEVNULL, stderr=errors)
    try:
        wait_for(lambda: b"\nREADY" in serial.read_bytes() or process.poll() is not None, 900)
        found = re.search(rb"forwarded to the guest: tcp 127.0.0.1:(\d+)", said.read_bytes())
        assert found is not None
        ssh = ["ssh", "-i", str(key), "-p", found[1].decode(), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
        ssh += ["-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "ConnectTimeout=120", "root@127.0.0.1"]
        shown = subprocess.run([*ssh, "uname -s; cat > got"], input=b"x" * 300_000, capture_output=True, timeout=300)
        assert shown.stdout == b"Linux\n", shown.stderr
        shown = subprocess.run([*ssh, "md5sum < got"], capture_output=True, timeout=300, check=True)
        assert shown.stdout.split()[0].decode() == hashlib.md5(b"x" * 300_000).hexdigest()
        subprocess.run([*ssh, "poweroff"], capture_output=True, timeout=300)
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.wait()
    wanted = json.loads(digests.read_text())
    hidden = "import sys; sys.modules['vmdbg.host.slirp_library'] = None; from vmdbg.__main__ import main; main()"
    again = tmp_path / "again"
    replayed = [sys.executable, "-c", hidden, "replay", str(recording), "--quiet", "--digest", str(again)]
    subprocess.run(replayed, check=True, timeout=900)
    assert json.loads(again.read_text()) == wanted


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
