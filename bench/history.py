"""What the history index and the checkpoints of a long recording are good for, and what they cost.

    python bench/history.py [--recording FILE] [--positions 60] [--naive 3] [--json FILE]

Where there is none yet, one of a Debian disk from power-on to its login is made (a minute), with its checkpoints and
index timed. Then, on one core and in CPU seconds: seeks to random instants, `last-write` of variables and `query` of
functions, ports and disks. `--naive` asks so many of them again without the index and compares the answers.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import boot  # adds the path that tests are found through

import vmdbg
from tests import linux_assets
from vmdbg.machine.snapshot import Position
from vmdbg.queries.queries import Queries
from vmdbg.recording.blocks import Block, Kind, scan
from vmdbg.recording.media_keeper import MediaKeeper
from vmdbg.recording.writer import RecordingWriter
from vmdbg.timeline.history_index import HistoryIndex
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

LOGIN, PATIENCE = "login: ", 200_000_000_000
VARIABLES = ("panic_timeout", "console_printk", "init_mm", "saved_command_line", "loops_per_jiffy", "file_systems")
RARE = ("start_kernel", "mount_root", "free_initmem", "populate_rootfs")
FUNCTIONS = (*RARE, "kernel_execve", "tty_open", "kernel_init")
SEEK_BAR, WORST_BAR, WRITE_BAR, CALL_BAR, SIZE_BAR = 0.1, 1.0, 1.0, 2.0, 1.5
TIMED = (
    (Timeline, "take_checkpoint"),
    (Timeline, "keep_index"),
    (RecordingWriter, "_write_beginning"),
    (RecordingWriter, "_write_pages"),
    (MediaKeeper, "_write_sectors"),
)
"""Methods, and whose."""
Ask = Callable[[vmdbg.Guest], object]
Question = tuple[str, Ask, float | None]
"""Its name, the answer, and within how many seconds it is to be given."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--positions", type=int, default=60)
    parser.add_argument("--naive", type=int, default=0, help="how many questions to ask without the index, too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as directory:
        path = options.recording or Path(directory) / "debian.vmdbg"
        if not path.exists():
            found["recording"] = record(path)
        found["size"] = sizes(path)
        with vmdbg.open_recording(path) as guest:
            found["seek"] = seeks(guest, options.positions)
        found["questions"] = questions(path, options.naive)
    found["peak MiB"] = peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of all this, with 512 MiB of guest memory and of checkpoints: {peak:.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, default=str))
    return 0


def record(path: Path) -> dict[str, float]:
    """Boot, and what checkpoints and index took of that."""
    spent: dict[str, float] = defaultdict(float)
    for kind, name in TIMED:
        timed(kind, name, spent)
    disk, began, began_here = linux_assets.debian_disk(), time.process_time(), time.thread_time()
    with vmdbg.launch(disks=[f"{disk},bus=virtio"], memory="512M", record=path) as guest:
        guest.expect(LOGIN, patience=PATIENCE)
        whole, end = time.process_time() - began, guest.position
        writer = whole - (time.thread_time() - began_here)
    index, checkpoints = spent["keep_index"], spent["take_checkpoint"] - spent["keep_index"]
    print(
        f"{end} ticks to the login in {whole:.1f} CPU s; of these checkpoints took {checkpoints / whole:.1%} (bar 8 %),"
    )
    print(f"ending parts of the index {index / whole:.2%} (bar 2 %, with what running gathers)")
    beginning, pages, media = (spent[name] for name in ("_write_beginning", "_write_pages", "_write_sectors"))
    print(
        f"the thread that writes {writer / whole:.1%}: a hash of the disk {beginning / whole:.1%}, pages of memory "
        f"{pages / whole:.1%}, of the disk {media / whole:.1%}"
    )
    return {"seconds": whole, "checkpoints": checkpoints, "index": index, "writer": writer, **spent}


def timed(kind: type, name: str, spent: dict[str, float]) -> None:
    """Count the CPU time of a method of everybody."""
    method = getattr(kind, name)

    def counted(*arguments: object, **named: object) -> object:
        began = time.thread_time()
        try:
            return method(*arguments, **named)
        finally:
            spent[name] += time.thread_time() - began

    setattr(kind, name, counted)


def sizes(path: Path) -> dict[str, int]:
    """Bytes by kind of block."""
    found: dict[str, int] = defaultdict(int)
    with path.open("rb") as file:
        for block in scan(file, whole := path.stat().st_size):
            if isinstance(block, Block):
                found[Kind(block.kind).name] += block.end - block.offset
    sectors, part = found.get("SECTORS", 0), found.get("PART", 0)
    ratio = f"{whole / sectors:.2f}x its blocks of disks (bar {SIZE_BAR}x)" if sectors else "of no disk"
    print(f"recording: {whole / 1e6:.0f} MB, {ratio}; index {part / 1e6:.2f} MB, {part / whole:.2%} (bar 1 %)")
    for kind, size in sorted(found.items(), key=lambda item: -item[1])[:6]:
        print(f"  {kind:12} {size / 1e6:8.1f} MB")
    return dict(found)


def seeks(guest: vmdbg.Guest, count: int) -> dict[str, float]:
    """To random instants, the first of them right after opening."""
    random_, took = random.Random(1), []
    for _ in range(count):
        position = Position(Tick(random_.randrange(guest.end.tick)))
        began = time.process_time()
        guest.timeline.seek(position)
        took.append(time.process_time() - began)
    result = {"first": took[0], "median": statistics.median(took[1:]), "worst": max(took[1:])}
    print(
        f"seek: {result['median']:.2f} s (bar {SEEK_BAR}), at worst {result['worst']:.2f} (bar {WORST_BAR});", end=" "
    )
    print(f"the first {result['first']:.2f}")
    return result


def asked(guest: vmdbg.Guest) -> list[Question]:
    """What to ask. Names are known at the history's end."""
    guest.seek("end")
    address = guest.address_of
    state, panic = address("system_state"), address("panic")
    return [
        *((f"last-write {name}", _who_wrote(address(name)), WRITE_BAR) for name in VARIABLES),
        *((f"calls {name}", _calls(address(name)), CALL_BAR) for name in FUNCTIONS),
        ("executions panic", lambda guest: _on_one_core(guest).executions(panic), CALL_BAR),
        ("writes system_state", lambda guest: _on_one_core(guest).writes(state, 4), None),
        ("ports 64h", lambda guest: _on_one_core(guest).port_accesses([0x64]), None),
        ("disk sector 2048", lambda guest: _on_one_core(guest).disk_requests(sector=2048), CALL_BAR),
    ]


def _on_one_core(guest: vmdbg.Guest) -> Queries:
    return guest.queries.using(workers=1)


def _who_wrote(address: int) -> Ask:
    return lambda guest: _on_one_core(guest).who_wrote(address, 4)


def _calls(address: int) -> Ask:
    return lambda guest: _on_one_core(guest).calls(address)


def questions(path: Path, naive: int) -> dict[str, float]:
    """Each in CPU seconds; some with what they take, and answer, without the index."""
    took, answers = {}, {}
    with vmdbg.open_recording(path) as guest:
        every = asked(guest)
        for name, ask, bar in every:
            began = time.process_time()
            answers[name] = ask(guest)
            took[name] = time.process_time() - began
            rows = f"{len(answer)} rows" if isinstance(answer := answers[name], list) else ""
            within = f" (bar {bar})" if bar else ""
            print(f"  {name:32} {took[name]:6.2f} s{within:10} {rows}", flush=True)
        guest.timeline.index = HistoryIndex(guest.timeline.machine.engine)
        guest.timeline.index.stop()
        for name, ask, _ in random.Random(2).sample(every, min(naive, len(every))):
            began = time.process_time()
            if ask(guest) != answers[name]:
                raise SystemExit(f"{name}: another answer without the index")
            print(f"  {name:32} {time.process_time() - began:6.2f} s without the index, the same answer", flush=True)
    return took


if __name__ == "__main__":
    assert boot, "it has added the path"
    raise SystemExit(main())
