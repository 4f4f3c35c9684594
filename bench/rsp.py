"""Measures the gdb server against QEMU's on the same guests, alternating, and prints the ratios.

    python bench/rsp.py [--rounds 3] [--seconds 0.5] [--json FILE] [--only NAME ...]

Two guests: a loop that counts in a register and in memory for ever, and a stock Linux kernel whose one process reads
/dev/null for ever, where breakpoints and conditions are on vfs_read. QEMU forgets its translated code at every
breakpoint that is set or removed: with the loop that costs nothing, with Linux nearly everything. Requests go through
a client of our own; what the names say is done through gdb is done by the gdb in the path. Every figure is the best of
its rounds: what else the machine does makes them only worse.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rsp_client import Client, Unsupported  # noqa: E402 - found through the path above
from rsp_guests import LOAD_ADDRESS, Guest, Peer, guests, servers, start  # noqa: E402 - the same

STOPS = 500
"""Breakpoint stops that gdb is asked for at a time."""
SLOW_CONDITIONS, FAST_CONDITIONS = 200, 200_000

Measure = Callable[[Peer, float], float]


def rate(work: Callable[[], int], seconds: float) -> float:
    """Units of work a second, over about `seconds`."""
    began, units = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        units += work()
    return units / spent


def round_trips(peer: Peer, seconds: float) -> float:
    with peer.client() as client:
        return rate(lambda: bool(client.ask("g")), seconds)


def small_reads(peer: Peer, seconds: float) -> float:
    with peer.client() as client:
        return rate(lambda: bool(client.ask(f"m{LOAD_ADDRESS:x},40")), seconds)


def small_writes(peer: Peer, seconds: float) -> float:
    """Of what is there: for vmdbg an input that its history keeps, all the same."""
    with peer.client() as client:
        place = f"{peer.counter + 4096:x},8"
        word = client.ask(f"m{place}").decode()
        return rate(lambda: client.ask(f"M{place}:{word}") == b"OK", seconds)


def read_hexadecimal(peer: Peer, seconds: float) -> float:
    with peer.client() as client:
        size = 0x7FF if client.packet_size < 0x10000 else 0x10000
        return rate(lambda: len(client.ask(f"m{LOAD_ADDRESS:x},{size:x}")) // 2, seconds) / 1e6


def read_binary(peer: Peer, seconds: float) -> float:
    with peer.client() as client:
        return rate(lambda: len(client.ask(f"x{LOAD_ADDRESS:x},{0x10000:x}", supported=True)), seconds) / 1e6


def steps(peer: Peer, seconds: float) -> float:
    with peer.client() as client:
        return rate(lambda: bool(client.ask("vCont;s:1")), seconds)


def breakpoint_stops(peer: Peer, _seconds: float) -> float:
    """Through gdb, which takes the breakpoint out and steps at each."""
    return timed_continue(peer, f"break *{peer.hot:#x}", f"ignore 1 {STOPS}", units=STOPS)


def stub_breakpoint_stops(peer: Peer, seconds: float) -> float:
    """Without gdb's doings: continue, stop, continue."""
    with peer.client() as client:
        client.ask(f"Z0,{peer.hot:x},1")
        client.ask("vCont;c")
        return rate(lambda: bool(client.ask("vCont;s:1")) and bool(client.ask("vCont;c")), seconds)


def false_conditions(peer: Peer, _seconds: float) -> float:
    return conditions(peer, peer.counting)


def memory_conditions(peer: Peer, _seconds: float) -> float:
    return conditions(peer, f"1 + *(unsigned long *) {peer.counter:#x}")


def conditions(peer: Peer, counter: str) -> float:
    """How often a second gdb's condition is found false. gdb evaluates it itself where the server cannot."""
    units = SLOW_CONDITIONS if peer.name == "qemu" else FAST_CONDITIONS
    start = f"int(gdb.parse_and_eval('{peer.counting}'))"
    breakpoint_ = f'python gdb.execute("break *{peer.hot:#x} if {counter} == %d" % ({start} + {units}))'
    return timed_continue(peer, f"tbreak *{peer.hot:#x}", "continue", breakpoint_, units=units)


def timed_continue(peer: Peer, *commands: str, units: int) -> float:
    """How many `units` a second the `continue` does that follows the commands."""
    timed = (
        "python import time; began = time.perf_counter(); gdb.execute('continue'); "
        f"print('RATE', {units} / (time.perf_counter() - began))"
    )
    output = peer.run_gdb(*commands, timed, "delete")
    return float(output.partition("RATE ")[2].split()[0])


def loop_speed(peer: Peer, client: Client, seconds: float) -> float:
    """Rounds of the guest's loop a second while it runs freely."""
    read = f"m{peer.counter:x},8"
    first = int.from_bytes(bytes.fromhex(client.ask(read).decode()), "little")
    client.send("vCont;c")
    time.sleep(seconds)
    client.interrupt()
    client.receive()
    return (int.from_bytes(bytes.fromhex(client.ask(read).decode()), "little") - first) / seconds


def watched_speed(peer: Peer, seconds: float, where: int) -> float:
    with peer.client() as client:
        free = loop_speed(peer, client, seconds)
        client.ask(f"Z2,{where:x},8")
        return loop_speed(peer, client, seconds) / free


def watch_other_page(peer: Peer, seconds: float) -> float:
    return watched_speed(peer, seconds, peer.counter + 4096)


def watch_same_page(peer: Peer, seconds: float) -> float:
    return watched_speed(peer, seconds, peer.counter + 64)


def interrupt_latency(peer: Peer, _seconds: float) -> float:
    """The inverse of the median time from Ctrl-C to the stop reply."""
    times = []
    with peer.client() as client:
        for _ in range(15):
            client.send("vCont;c")
            time.sleep(0.02)
            began = time.perf_counter()
            client.interrupt()
            client.receive()
            times.append(time.perf_counter() - began)
    return 1 / statistics.median(times)


def attach(peer: Peer, _seconds: float) -> float:
    """The inverse of the time that gdb takes to start, attach, show a register and detach."""
    began = time.perf_counter()
    peer.run_gdb("print $rip")
    return 1 / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, in units of which more is better, and the ratio to QEMU's that it is to reach."""

    measure: Measure
    unit: str
    bar: float
    guest: Guest = Guest.LOOP


ROWS = {
    "round trips (g)": Row(round_trips, "/s", 0.8),
    "round trips (m, 64 bytes)": Row(small_reads, "/s", 0.8),
    "round trips (M, 8 bytes)": Row(small_writes, "/s", 0.2),
    "memory read, m": Row(read_hexadecimal, "MB/s", 4),
    "memory read, x": Row(read_binary, "MB/s", 4),
    "single steps": Row(steps, "/s", 4),
    "breakpoint stops through gdb": Row(breakpoint_stops, "/s", 10),
    "breakpoint stops at the stub": Row(stub_breakpoint_stops, "/s", 0.8),
    "false conditions through gdb": Row(false_conditions, "/s", 200),
    "the same, on memory": Row(memory_conditions, "/s", 200),
    "Linux: stops through gdb": Row(breakpoint_stops, "/s", 10, Guest.LINUX),
    "Linux: stops at the stub": Row(stub_breakpoint_stops, "/s", 0.8, Guest.LINUX),
    "Linux: false conditions": Row(false_conditions, "/s", 200, Guest.LINUX),
    "speed, other page watched": Row(watch_other_page, "of free", 0.8),
    "speed, same page watched": Row(watch_same_page, "of free", 0.8),
    "Ctrl-C to stop": Row(interrupt_latency, "/s", 0.8),
    "gdb attaches and leaves": Row(attach, "/s", 0.8),
}
AGAINST = {"memory read, x": "memory read, m"}
"""QEMU has no such request: what is compared instead."""


def main() -> int:
    arguments = parse()
    if not shutil.which("gdb"):
        sys.exit("gdb is not installed (on Debian: apt-get install gdb)")
    names = [name for name in ROWS if not arguments.only or any(word in name for word in arguments.only)]
    names += [AGAINST[name] for name in names if name in AGAINST and AGAINST[name] not in names]
    best: dict[str, dict[str, float]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        found = guests(Path(scratch), {ROWS[name].guest for name in names})
        for round_number in range(arguments.rounds):
            for guest in found:
                measured = [name for name in names if ROWS[name].guest is guest.kind]
                for server in servers():
                    with start(server, guest, Path(scratch)) as peer:
                        measure(peer, measured, arguments.seconds, best)
                    print(f"round {round_number + 1}: {server}, {guest.kind.value} done", file=sys.stderr)
    report(best)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(best, indent=1))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="only figures whose name has it")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def measure(peer: Peer, names: list[str], seconds: float, best: dict[str, dict[str, float]]) -> None:
    for name in names:
        try:
            found = ROWS[name].measure(peer, seconds)
        except Unsupported:
            continue
        best[name][peer.name] = max(found, best[name].get(peer.name, 0.0))


def report(best: dict[str, dict[str, float]]) -> None:
    print(f"{'':32}{'vmdbg':>12}{'QEMU':>12}{'ratio':>9}{'bar':>7}")
    for name, found in best.items():
        row, ours = ROWS[name], found.get("vmdbg")
        theirs = found.get("qemu", best.get(AGAINST.get(name, ""), {}).get("qemu"))
        shown = [f"{value:12,.4g}" if value is not None else f"{'-':>12}" for value in (ours, theirs)]
        ratio = ours / theirs if ours and theirs else None
        verdict = "" if ratio is None else "" if ratio >= row.bar else "  missed"
        print(
            f"{name + ', ' + row.unit:32}{''.join(shown)}"
            f"{'-' if ratio is None else format(ratio, ',.3g'):>9}{row.bar:7g}{verdict}"
        )


if __name__ == "__main__":
    sys.exit(main())
