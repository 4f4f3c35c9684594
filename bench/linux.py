"""What it costs to know a Linux kernel without its debug package.

    python bench/linux.py [--runs N] [--kernels LABEL ...]

Each figure stands beside a baseline that is measured in the same run: to find names and types, beside reading the
kernel's image out of the guest's memory a page at a time, which is the least that anybody has to do; the same from the
cache, beside one page of that file's hash; the ELF file for gdb, beside bpftool writing the same BTF as C. CPU time of
this process or of the child; the bars are those of docs/linux.md.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import xxhash

from tests.vmdbg.os.kernels import SOURCES, fetch
from tests.vmdbg.os.qemu_guest import DumpView, snapshot
from vmdbg.os.linux.cache import Cache
from vmdbg.os.linux.operating_system import Linux, LinuxDetector
from vmdbg.units import Physical

BARS = {"names and types": 1.5, "the same, cached": 0.050, "ELF for gdb": 5.0}
PAGE = 4096


def spent(work: Callable[[], object]) -> float:
    """Seconds of CPU time, children included."""
    started = _cpu()
    work()
    return _cpu() - started


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def row(name: str, times: list[float], baseline: str, others: list[float]) -> None:
    middle, other = statistics.median(times), statistics.median(others)
    verdict = "ok" if middle <= BARS[name] else "TOO SLOW"
    print(
        f"  {name:18} {middle * 1000:8.1f} ms  bar {BARS[name] * 1000:6.0f}  {verdict:8} "
        f"{middle / max(other, 1e-9):7.2f} x {baseline} ({other * 1000:.1f} ms)"
    )


def detected(view: DumpView, cache: Cache | None = None) -> Linux:
    linux = LinuxDetector(cache).detect(view)
    assert linux is not None
    return linux


def image_pages(linux: Linux, view: DumpView) -> int:
    """Read the kernel's image as the guest has it, and hash it."""
    start, end = (linux.kernel.memory.translate(linux.kernel.symbol(name)) for name in ("_text", "_end"))
    assert start is not None
    assert end is not None
    hashed = xxhash.xxh3_128()
    for page in range(start, end, PAGE):
        hashed.update(view.memory.read(Physical(page), PAGE))
    return int(hashed.intdigest())


def bpftool(linux: Linux, directory: Path) -> None:
    path = directory / "vmlinux.btf"
    path.write_bytes(linux.kernel.types.btf.data)
    program = shutil.which("bpftool") or "/usr/sbin/bpftool"
    with (directory / "vmlinux.h").open("wb") as output:
        subprocess.run([program, "btf", "dump", "file", path, "format", "c"], stdout=output, check=True)


def measure(label: str, runs: int) -> None:
    view, _ = snapshot(fetch(label))
    linux = detected(view)
    print(f"{label}: {linux.info().release}, {len(linux.symbols.kernel.names):,} names")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        cache = Cache(directory / "cache")
        detected(view, cache)
        image = [spent(lambda: image_pages(linux, view)) for _ in range(runs)]
        row("names and types", [spent(lambda: detected(view)) for _ in range(runs)], "reading the image", image)
        row("the same, cached", [spent(lambda: detected(view, cache)) for _ in range(runs)], "reading the image", image)
        c_header = [spent(lambda: bpftool(linux, directory)) for _ in range(runs)]
        row("ELF for gdb", [spent(linux.gdb_elf) for _ in range(runs)], "bpftool's types as C", c_header)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kernels", nargs="+", choices=sorted(SOURCES), default=["6.1-cloud", "6.1-generic"])
    arguments = parser.parse_args()
    for label in arguments.kernels:
        measure(label, max(1, arguments.runs))


if __name__ == "__main__":
    main()
