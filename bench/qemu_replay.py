"""The journeys of bench/timetravel.py on QEMU's record and replay.

A boot to the first process is recorded with `-icount rr=record` and replayed under the gdb protocol. Where the boot
ends, backwards: single steps, and to the previous hit of a breakpoint. QEMU has one snapshot then, at the start: with a
second one, QEMU 7.2 does not answer.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rsp_client import Client

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import linux_assets

QEMU = "qemu-system-x86_64"
PATIENCE = 180.0
"""Seconds that one answer may take."""
POLL = 0.05
AFTERWARDS = 5.0
"""Seconds recorded after the last instant that is looked at: a replay that comes to its end is gone."""
PR_SET_PDEATHSIG = 1


class NoAnswer(Exception):  # noqa: N818 - what was measured
    """QEMU did not do in PATIENCE seconds what the words say."""


def measured(breakpoint_: int | None, steps: int = 2) -> Iterator[str]:
    """What QEMU takes, in lines of text; why not, if it is not there or does not answer."""
    if not shutil.which(QEMU) or not shutil.which("qemu-img"):
        yield "QEMU is not installed: nothing to compare with"
        return
    end_in_order_when_terminated()
    with tempfile.TemporaryDirectory() as name:
        try:
            yield from recorded_and_replayed(Path(name), breakpoint_, steps)
        except NoAnswer as what:
            yield f"QEMU: no answer in {PATIENCE:.0f} s: {what}"
        except TimeoutError:
            yield f"QEMU: no answer in {PATIENCE:.0f} s: it did not stop for the debugger"
        except OSError as error:
            yield f"QEMU: it is gone ({error or type(error).__name__})"


def recorded_and_replayed(directory: Path, breakpoint_: int | None, steps: int) -> Iterator[str]:
    disk = ["qemu-img", "create", "-q", "-f", "qcow2", str(directory / "disk"), "64M"]
    subprocess.run(disk, check=True)
    began = time.perf_counter()
    with qemu(directory, "record"):
        wait_for_marker(directory / "record", "it never recorded up to the first process")
        time.sleep(AFTERWARDS)
    yield f"QEMU: recorded up to the first process in {time.perf_counter() - began - AFTERWARDS:.1f} s"
    began = time.perf_counter()
    with qemu(directory, "replay", "-S", "-gdb", f"unix:{directory / 'gdb'},server=on,wait=off"):
        wait(lambda: (directory / "gdb").exists(), "it never listened for gdb")
        client = connected(directory / "gdb")
        client.send("c")
        wait_for_marker(directory / "replay", "it never replayed up to the first process")
        client.interrupt()
        client.receive()
        yield f"QEMU: replayed up to there in {time.perf_counter() - began:.1f} s"
        yield from journeys(client, breakpoint_, steps)


def journeys(client: Client, breakpoint_: int | None, steps: int) -> Iterator[str]:
    for number in range(1, steps + 1):
        what = f"reverse-stepi {number}"
        yield f"QEMU: {what}: {timed(client, 'bs', what):.2f} s"
    if breakpoint_ is not None:
        client.ask(f"Z0,{breakpoint_:x},1")
        what = f"reverse-continue to the previous hit of {breakpoint_:#x}"
        yield f"QEMU: {what}: {timed(client, 'bc', what):.2f} s"


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


def timed(client: Client, request: str, what: str) -> float:
    began = time.perf_counter()
    try:
        client.ask(request)
    except TimeoutError:
        raise NoAnswer(what) from None
    return time.perf_counter() - began


@contextmanager
def qemu(directory: Path, mode: str, *more: str) -> Iterator[None]:
    """It runs inside, and has ended in good order afterwards, so that its log is whole."""
    kernel, initrd = linux_assets.cloud_kernel(), linux_assets.busybox_initrd()
    machine = [QEMU, "-m", "256", "-accel", "tcg", "-display", "none", "-no-reboot", "-net", "none", "-monitor", "none"]
    guest = ["-kernel", str(kernel), "-initrd", str(initrd), "-append", "console=ttyS0 panic=-1 nokaslr"]
    replay = ["-icount", f"shift=0,rr={mode},rrfile={directory / 'log'},rrsnapshot=init"]
    outside = ["-serial", f"file:{directory / mode}", "-drive", f"file={directory / 'disk'},if=none,id=rr"]
    command = [*machine, *guest, *replay, *outside, *more]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_with_parent() -> None:
    """In QEMU's process, before it is QEMU: the kernel kills it when this benchmark is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_in_order_when_terminated() -> None:
    """SIGTERM, as from `timeout`, ends QEMU and removes its files too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def wait_for_marker(serial: Path, otherwise: str) -> None:
    wait(lambda: serial.exists() and linux_assets.MARKER.encode() in serial.read_bytes(), otherwise)


def wait(is_there: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        if time.monotonic() > deadline:
            raise NoAnswer(otherwise)
        time.sleep(POLL)
