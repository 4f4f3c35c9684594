"""How soon the page for browsers draws a long recording's timeline, pans it, and shows an instant that it goes to.

    python bench/web.py [RECORDING] [--seeks 40] [--pages 10] [--json FILE]

In a headless Chromium. Without a recording one of a Debian disk from power-on to its login is made (a minute). What the
panes take is counted from when the guest is told to stand there to when no request is without its answer and that is
drawn. Wall times: the machine should have nothing else to do. The server's CPU seconds stand beside them.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import disk_io  # adds the path that tests are found through
import history

from tests.vmdbg.web.browser import Browser, Tab, browser, served

DRAWN_BAR, FRAMES_BAR, PANES_BAR = 1.0, 30, 0.5
PAN_SECONDS = 3
SIDES = ("registers", "backtrace", "stack", "memory", "points")

DRAWN = "vmdbg.timeline.known.processes !== undefined && vmdbg.link.waiting === 0"
COUNTED = "vmdbg.timeline.known.until >= Math.floor(vmdbg.timeline.view.end)"

SEEK = """(async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  let stood = null;
  const stand = ({ detail }) => {
    if (!detail.running && Math.abs(detail.tick - TICK) < 1000) stood ??= performance.now();
  };
  vmdbg.link.addEventListener("state", stand);
  const began = performance.now();
  location.hash = "#t=TICK";
  let shown = null;
  while (shown === null) {
    await frame();
    if (performance.now() - began > 45000) throw new Error("it stands elsewhere");
    if (stood === null || vmdbg.link.waiting > 0) continue;
    await frame();
    if (vmdbg.link.waiting === 0) shown = performance.now();
  }
  vmdbg.link.removeEventListener("state", stand);
  return [stood - began, shown - stood];
})()"""

PAN = """(async () => {
  const began = performance.now(), before = vmdbg.timeline.frames;
  vmdbg.timeline.zoom(0.2);
  for (let n = 0; performance.now() - began < SECONDS * 1000; n += 1) {
    vmdbg.timeline.pan(n % 200 < 100 ? 0.01 : -0.01);
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  vmdbg.timeline.whole();
  return (vmdbg.timeline.frames - before) / SECONDS;
})()"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--seeks", type=int, default=40)
    parser.add_argument("--pages", type=int, default=10, help="how many to have open at the end")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = options.recording or Path(directory) / "debian.vmdbg"
        if not path.exists():
            history.record(path)
        found = measured(path, options.seeks, options.pages)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 0


def measured(path: Path, seeks: int, pages: int) -> dict[str, object]:
    found: dict[str, object] = {}
    with browser() as chromium, served(str(path), "--quiet", command="replay") as (url, process):
        first = chromium.open(url, "first")
        first.until(DRAWN)
        counted(first)
        found["drawn"] = drawn = [opened(chromium, url, f"n{n}") for n in range(3)]
        print(f"drawn {least_to_most(drawn)} s after navigation (bar {DRAWN_BAR})")
        found["frames"] = frames = float(first.evaluate(PAN.replace("SECONDS", str(PAN_SECONDS))))
        print(f"panned at {frames:.0f} frames a second (bar {FRAMES_BAR})")
        for n in range(3):
            chromium.close(f"n{n}")
        end = int(first.evaluate("Math.floor(vmdbg.timeline.view.end)"))
        found["panes"] = panes_at(first, end, seeks, process.pid)
        for n in range(pages - 1):
            opened(chromium, url, f"n{n}")
        found["MiB"] = mib = resident_mib(process.pid)
        print(f"the server has {mib:.0f} MiB with {pages} pages open")
    return found


def counted(page: Tab) -> None:
    """Until what happens in the recording has been counted, which a recording keeps beside it."""
    began = time.monotonic()
    while not page.evaluate(COUNTED):
        assert time.monotonic() - began < 1800
        time.sleep(0.5)
    print(f"counted what happened in {time.monotonic() - began:.0f} s", file=sys.stderr)


def panes_at(page: Tab, end: int, count: int, server: int) -> list[list[float]]:
    """Of each random instant: seconds to stand there, to show it, and the server's CPU seconds for both."""
    rng, rows = random.Random(1), []
    for n in range(count):
        page.do("click", f"#tab-{SIDES[n % len(SIDES)]}")
        before = disk_io.cpu_seconds(server)
        stood, shown = page.evaluate(SEEK.replace("TICK", str(rng.randrange(end))))
        rows.append([stood / 1000, shown / 1000, disk_io.cpu_seconds(server) - before])
    shown = [row[1] for row in rows]
    print(f"stood there after {least_to_most([row[0] for row in rows])} s;", end=" ")
    beyond = sum(one > PANES_BAR for one in shown)
    print(f"panes {least_to_most(shown)} s after that (bar {PANES_BAR}, {beyond} beyond)")
    return rows


def opened(chromium: Browser, url: str, name: str) -> float:
    """Seconds from before it is navigated to until its timeline is drawn."""
    began = time.monotonic()
    chromium.open(url, name).until(DRAWN)
    return time.monotonic() - began


def least_to_most(numbers: list[float]) -> str:
    return f"{min(numbers):.2f} to {max(numbers):.2f}, median {statistics.median(numbers):.2f}"


def resident_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
