"""A guest that reaches this host, and is reached from it, by libslirp: recorded, and replayed without."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.linux_assets import cloud_kernel
from tests.vmdbg.machine.test_linux_network import network_initrd

VMDBG = [sys.executable, "-m", "vmdbg"]


class Hello(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"hello from the host\n" * 20_000)


@pytest.fixture
def port() -> Iterator[int]:
    """Of this host, with somebody who says hello."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def wait_for(wanted: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("slirp")
@pytest.mark.parametrize("model", ["virtio", "virtio-tso"])
def test_both_ways_and_three_replays_without_libslirp(port: int, tmp_path: Path, model: str) -> None:
    recording, serial, said, digests = (tmp_path / name for name in ("it.vmdbg", "serial", "said", "digests"))
    serial.touch()
    after = (
        f"; busybox nc 10.0.2.2 {port} | busybox sort | busybox uniq -c; echo READY"
        "; busybox nc -lp 2323 -e busybox cat; echo ALL SAID"
    )
    words = [*VMDBG, "record", str(recording), "--kernel", str(cloud_kernel()), "--initrd"]
    words += [
        str(network_initrd(after=after)),
        "--net",
        f"user,model={model},hostfwd=tcp::0-:2323",
        "--serial",
        f"file:{serial}",
    ]
    words += ["--until", "ALL SAID", "--digest", str(digests)]
    with said.open("wb") as errors, subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=errors) as process:
        wait_for(lambda: b"READY" in serial.read_bytes() or process.poll() is not None)
        found = re.search(rb"forwarded to the guest: tcp 127.0.0.1:(\d+)", said.read_bytes())
        assert found is not None
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=60) as client:
            client.settimeout(60)
            client.sendall(b"hello guest")
            assert client.recv(100) == b"hello guest"
        assert process.wait(120) == 0
    assert re.search(rb"20000 hello from the host", serial.read_bytes())
    wanted = json.loads(digests.read_text())
    hidden = "import sys; sys.modules['vmdbg.host.slirp_library'] = None; from vmdbg.__main__ import main; main()"
    for number in range(3):
        again = tmp_path / f"digests{number}"
        replayed = [sys.executable, "-c", hidden, "replay", str(recording), "--quiet", "--digest", str(again)]
        subprocess.run(replayed, check=True, timeout=240)
        assert json.loads(again.read_text()) == wanted
