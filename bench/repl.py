"""The prompt's speed: start-up to the prompt, the context panel, completion among 100,000 symbols.

    python bench/repl.py [--runs N]

Start-up is the wall time from starting the process to the first prompt on a pseudoterminal, with the sample kernel
loaded, and beside it gdb's with the same kernel's symbols, in turns. The CPU time of both is given too: other work on
the machine does not touch it. The bars are those that docs/repl.md states.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document as Line

from tests.guests.build import REPOSITORY, sample_kernel
from tests.vmdbg.gdb.guests import sample_guest
from vmdbg.commands import catalog
from vmdbg.commands.code.context import show
from vmdbg.commands.code.context_state import ContextState
from vmdbg.repl.completion import CommandCompleter
from vmdbg.repl.screen import Painter
from vmdbg.repl.themes import DARK
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.symbols.table import Entry, SymbolTable

BARS = {"start-up to prompt": 400.0, "context panel": 30.0, "completion": 50.0}
SYMBOLS = 100_000
PATIENCE = 60.0


OURS = ([sys.executable, "-m", "vmdbg", "run", "--repl"], b"vmdbg> ")


def gdb() -> tuple[list[str], bytes] | None:
    """The peer, if it is installed."""
    program = shutil.which("gdb")
    return ([program, "-nx", "-q", str(sample_kernel())], b"(gdb) ") if program is not None else None


def start_up(command: list[str], prompt: bytes) -> tuple[float, float]:
    """Milliseconds to the first prompt: of the clock and of the CPU. Byte code is kept, as an installation has it."""
    master, slave = pty.openpty()
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "TERM": "xterm-256color"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=REPOSITORY, env=environment, start_new_session=True
        )
        seen = b""
        while prompt not in seen and time.perf_counter() - began < PATIENCE:
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 1 << 16)
        took = time.perf_counter() - began
        process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    os.close(master)
    os.close(slave)
    return took * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def start_ups(runs: int) -> None:
    """In turns, after one of each that counts for nothing: the first reads the disk."""
    programs = {"start-up to prompt": OURS} | ({"  the same of gdb": peer} if (peer := gdb()) is not None else {})
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for turn in range(runs + 1):
        for name, program in programs.items():
            measured = start_up(*program)
            times[name] += [measured] if turn else []
    for name, pairs in times.items():
        row(name, [wall for wall, _ in pairs], f"CPU {statistics.median([cpu for _, cpu in pairs]):6.1f} ms")


def panels(session: Session, runs: int) -> list[float]:
    """Milliseconds for each stop's panel, made and coloured, after a step each."""
    painter, state, times = Painter(DARK), session.part(ContextState), []
    for _ in range(runs):
        session.run("stepi")
        began = time.perf_counter()
        painter.document(show(session, state.sections), 120, crop=True)
        times.append((time.perf_counter() - began) * 1000)
    return times


def completions(session: Session, runs: int) -> list[float]:
    """Milliseconds for all completions of lines that name a symbol by its beginning."""
    session.symbols.add(SymbolTable(Entry(f"symbol_{n:06}", 0x1000 * n, 16) for n in range(SYMBOLS)))
    completer, times = CommandCompleter(session), []
    for run in range(runs):
        began = time.perf_counter()
        found = list(completer.get_completions(Line(f"break symbol_0{run % 10}"), CompleteEvent()))
        times.append((time.perf_counter() - began) * 1000)
        assert found
    return times


def row(name: str, times: list[float], more: str = "") -> None:
    middle = statistics.median(times)
    bar = f"bar {BARS[name]:5.0f}  {'ok' if middle <= BARS[name] else 'TOO SLOW':8}" if name in BARS else " " * 19
    print(f"{name:20} median {middle:7.1f} ms  min {min(times):7.1f}  max {max(times):7.1f}  {bar}  {more}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = max(1, parser.parse_args().runs)
    start_ups(runs)
    with sample_guest() as guest:
        session = Session(guest.debugger, catalog.commands(), allowed=Effect.RUNS | Effect.HOST)
        session.sources.add(sample_kernel())
        session.sources.texts.add_directory(REPOSITORY)
        session.run("tbreak deposit")
        session.run("continue")
        row("context panel", panels(session, runs * 10))
        row("completion", completions(session, runs * 10))


if __name__ == "__main__":
    main()
