"""What `make demo` shows: the sample guest, then a crash of it taken apart, backwards in time.

Needs an installed vmdbg. Exits with 1 if the debugged guest is not the one that nobody debugged.
"""

import subprocess
import sys
from pathlib import Path

from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.start import GuestFiles, Started, start
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick

REPOSITORY = Path(__file__).parents[1]
GUESTBOOK_BUG = GuestFiles(append="bug=smash")
INSTANT = Tick(500_000)

STORY = (
    ("The guest jumps to nowhere. Stop it where the CPU delivers the page fault.", ("catch #PF", "continue")),
    ("Its stack is gone, so who wrote there last? Go to that instant.", ("bt", "last-write --go rsp")),
    ("The stack is whole here, and the culprit is on it.", ("bt", "list")),
    ("Any other instant is as near, and nothing of this has left a trace.", (f"goto {INSTANT}", "digest")),
)


def main() -> int:
    show("The sample guest boots, shows what it can and powers off.", "$ vmdbg run --append autostop")
    code = subprocess.run(
        [sys.executable, "-m", "vmdbg", "run", "--append", "autostop"], stdin=subprocess.DEVNULL, check=False
    ).returncode
    if code:
        return code

    show("Now with a bug planted: a guest's name smashes the stack.", "$ vmdbg run --append bug=smash, in a debugger")
    started = start(GUESTBOOK_BUG, MachineConfig())
    debugged = debug(started)
    undisturbed = start(GUESTBOOK_BUG, MachineConfig()).machine
    undisturbed.run(INSTANT)
    equal = digest(undisturbed) == debugged
    verdict = "bit for bit the same" if equal else "DIFFERENT"
    print(f"\nA machine that nobody looked into is, at tick {INSTANT}, {verdict}.")
    return 0 if equal else 1


def debug(started: Started) -> object:
    """Tell the story; the digest of the machine at its end."""
    timeline = Timeline(started.machine, origin=started.origin)
    session = Session(Debugger(timeline), catalog.commands(), allowed=Effect.RUNS | Effect.CHANGES | Effect.HOST)
    session.sources.texts.add_directory(REPOSITORY)
    for comment, lines in STORY:
        show(comment)
        for line in lines:
            print(f"(vmdbg) {line}\n{session.execute(line).rstrip()}\n")
    return digest(started.machine)


def show(*lines: str) -> None:
    print(*("", *lines), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
