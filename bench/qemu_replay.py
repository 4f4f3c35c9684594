"""The journeys of bench/timetravel.py on QEMU's record and replay.

A boot to the first process is recorded with `-icount rr=record` and replayed under the gdb protocol. Where the boot
ends, backwards: single steps, and to the previous hit of a breakpoint. QEMU has one snapshot then, at the start: with a
second one, QEMU 7.2 does not answer.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from linux_guest import linux_assets
from rsp_client import Client

QEMU = "qemu-system-x86_64"
PATIENCE = 180.0
"""Seconds that one answer may take."""
POLL = 0.05
AFTERWARDS = 5.0
"""Seconds recorded after the last instant that is looked at: a replay that comes to its end is gone."""


def measured(breakpoint_: int | None, steps: int = 2) -> Iterator[str]:
    """What QEMU takes, in lines of text; why not, if it is not there or does not answer."""
    if not shutil.which(QEMU) or not shutil.which("qemu-img"):
        yield "QEMU is not installed: nothing to compare with"
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        disk = ["qemu-img", "create", "-q", "-f", "qcow2", str(directory / "disk"), "64M"]
        subprocess.run(disk, check=True)
        began = time.perf_counter()
        with qemu(directory, "record"):
            wait_for_marker(directory / "record")
            time.sleep(AFTERWARDS)
        yield f"QEMU: recorded up to the first process in {time.perf_counter() - began - AFTERWARDS:.1f} s"
        began = time.perf_counter()
        with qemu(directory, "replay", "-S", "-gdb", f"unix:{directory / 'gdb'},server=on,wait=off"):
            wait(lambda: (directory / "gdb").exists())
            yield from journeys(directory, breakpoint_, steps, began)


def journeys(directory: Path, breakpoint_: int | None, steps: int, began: float) -> Iterator[str]:
    try:
        client = connected(directory / "gdb")
        client.send("c")
        wait_for_marker(directory / "replay")
        client.interrupt()
        client.receive()
        yield f"QEMU: replayed up to there in {time.perf_counter() - began:.1f} s"
        for number in range(steps):
            yield f"QEMU: reverse-stepi {number + 1}: {timed(client, 'bs'):.2f} s"
        if breakpoint_ is not None:
            client.ask(f"Z0,{breakpoint_:x},1")
            yield f"QEMU: reverse-continue to the previous hit of {breakpoint_:#x}: {timed(client, 'bc'):.2f} s"
    except (OSError, ConnectionError) as error:
        yield f"QEMU: no answer ({error or type(error).__name__})"


def connected(path: Path) -> Client:
    """QEMU drops clients that come before it is ready."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return Client(str(path), PATIENCE)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def timed(client: Client, request: str) -> float:
    began = time.perf_counter()
    client.ask(request)
    return time.perf_counter() - began


@contextmanager
def qemu(directory: Path, mode: str, *more: str) -> Iterator[None]:
    """It runs inside, and has ended in good order afterwards, so that its log is whole."""
    kernel, initrd = linux_assets.cloud_kernel(), linux_assets.busybox_initrd()
    machine = [QEMU, "-m", "256", "-accel", "tcg", "-display", "none", "-no-reboot", "-net", "none", "-monitor", "none"]
    guest = ["-kernel", str(kernel), "-initrd", str(initrd), "-append", "console=ttyS0 panic=-1 nokaslr"]
    replay = ["-icount", f"shift=0,rr={mode},rrfile={directory / 'log'},rrsnapshot=init"]
    outside = ["-serial", f"file:{directory / mode}", "-drive", f"file={directory / 'disk'},if=none,id=rr"]
    process = subprocess.Popen([*machine, *guest, *replay, *outside, *more], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_marker(serial: Path) -> None:
    wait(lambda: serial.exists() and linux_assets.MARKER.encode() in serial.read_bytes())


def wait(is_there: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():  # type: ignore[operator]  # a callable
        if time.monotonic() > deadline:
            raise SystemExit("QEMU never came so far")
        time.sleep(POLL)
