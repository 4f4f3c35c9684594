"""All faces at one machine: a real gdb, a prompt in a terminal, an editor, and a page. Each does what its users do."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from tests.gdbstub.clients import debian_gdb
from tests.guests.build import sample_kernel
from tests.vmdbg.dap.editor import Editor, attached
from tests.vmdbg.dap.editor import RefusedError as EditorRefusedError
from tests.vmdbg.gdb.typed_at import Gdb
from tests.vmdbg.repl.tmux import Tmux
from tests.vmdbg.web.page import Page, RefusedError, joined
from vmdbg.web.requests import Move, Pane

FUNCTIONS = ("printk", "demo_run", "boot_info_print", "paging_init", "next_table")
SEEKS = ("+5000", "-2000", "20%", "70%", "400000")
LOOKS = ("bt", "ps", "points", "query exceptions --limit 3", "x/4i rip", "registers", "history", "devices pit")


class Face(Protocol):
    """Who is at the machine. Every call returns with the guest standing."""

    def where(self) -> str:
        """The position of the guest, as it is told there."""
        ...

    def command(self, line: str) -> str: ...

    def act(self, rng: random.Random) -> None:
        """Steps, goes back or forth, or looks, in its own words."""
        ...

    def prepare(self) -> None:
        """Be told of all that others did, so that what it asks for next is done."""
        ...

    def run(self) -> None:
        """Let the guest run on, and do not wait for its stop: the one call after which it runs."""
        ...

    def interrupt(self) -> None:
        """Whoever let it run."""
        ...

    def stopped(self) -> None:
        """Whoever ran and stopped it: be told."""
        ...

    def leave(self, rng: random.Random) -> None:
        """In one of its ways."""
        ...


def position(said: str) -> str:
    found = re.search(r"position\W+(\d+(?:\+\d+)?)", said)
    assert found is not None, said
    return found[1]


class AtPrompt:
    """It is there as long as the machine is: who quits there ends the run."""

    def __init__(self, terminal: Tmux) -> None:
        self._terminal = terminal
        self._lines = 0
        self._runs = False
        """Whether it waits for a stop."""
        self.command("context --off")

    def where(self) -> str:
        return position(self.command("when"))

    def command(self, line: str) -> str:
        self._lines += 1
        begin, end = f"begin-{self._lines}.", f"end-{self._lines}."
        for words in (f"echo {begin}", line, f"echo {end}"):
            self._terminal.type(f"{words}\n")
        return self._terminal.wait_for(f"\n{end}").rpartition(f"\n{begin}")[2]

    def act(self, rng: random.Random) -> None:
        moves = ("stepi", "stepi 50", "step", "next", "reverse-stepi 3", "reverse-next")
        self.command(rng.choice((*moves, *LOOKS, *(f"goto {one}" for one in SEEKS))))

    def prepare(self) -> None:
        """It always is."""

    def run(self) -> None:
        self._terminal.type("continue\n")
        self._runs = True

    def interrupt(self) -> None:
        if self._runs:
            self._terminal.keys("C-c")
        else:
            self._terminal.type("interrupt\n")

    def stopped(self) -> None:
        """Its line has come to its end."""
        self._runs = False
        self.command("points")

    def leave(self, rng: random.Random) -> None:
        raise AssertionError("it stays")


class AtGdb:
    def __init__(self, place: str) -> None:
        self._gdb = Gdb(debian_gdb(), sample_kernel(), place)
        self.end = self._gdb.kill
        """However it stands."""
        self._waited_for: int | None = None

    def where(self) -> str:
        return position(self.command("when"))

    def command(self, line: str) -> str:
        return self._gdb.line(f"monitor {line}")

    def act(self, rng: random.Random) -> None:
        moves = ("stepi", "stepi 20", "step", "next", "reverse-stepi", "reverse-step")
        looks = ("info registers", "x/16i $pc", "bt", "x/64xb $sp", "monitor devices pit", "info breakpoints")
        self._gdb.line(rng.choice((*moves, *looks, *(f"monitor goto {one}" for one in SEEKS))))

    def prepare(self) -> None:
        """A gdb that stood while others moved the guest is told of their stop instead of what it asks for first."""
        self._gdb.line("stepi")

    def run(self) -> None:
        self._waited_for = self._gdb.type("continue")

    def interrupt(self) -> None:
        if self._waited_for is None:
            self.command("interrupt")
        else:
            self._gdb.interrupt()

    def stopped(self) -> None:
        if self._waited_for is not None:
            self._gdb.answer(self._waited_for)
            self._waited_for = None

    def leave(self, rng: random.Random) -> None:
        if rng.random() < 0.5:
            self._gdb.kill()
        else:
            self._gdb.quit()


class AtEditor:
    def __init__(self, port: int) -> None:
        self._stack = ExitStack()
        self.editor: Editor = self._stack.enter_context(attached(port))
        self.editor.begin(request="attach", stopOnEntry=True)
        self.editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "printk", "condition": "rax == 77"}])
        self.editor.ask("configurationDone")
        self.editor.stopped()

    def where(self) -> str:
        found = position(self.command("when"))
        self.editor.events.clear()
        return found

    def command(self, line: str) -> str:
        return self.editor.command(line)

    def act(self, rng: random.Random) -> None:
        frame = self.editor.top()
        for scope in self.editor.ask("scopes", frameId=frame["id"])["scopes"]:
            if rng.random() < 0.3:
                self.editor.ask("variables", variablesReference=scope["variablesReference"])
        command = rng.choice(("next", "stepIn", "stepBack", "reverseContinue", "console"))
        if command == "console":
            self._try(lambda: self.command(rng.choice((*LOOKS, *(f"goto {one}" for one in SEEKS)))))
            return
        self.editor.events.clear()
        steps = {} if command == "reverseContinue" else {"granularity": rng.choice(("line", "instruction"))}
        if self._try(lambda: self.editor.ask(command, threadId=1, **steps)):
            self.editor.stopped()

    def _try(self, what: Callable[[], object]) -> bool:
        try:
            what()
        except EditorRefusedError:
            return False
        return True

    def prepare(self) -> None:
        """It always is."""

    def run(self) -> None:
        self.editor.ask("continue", threadId=1)

    def seen_running(self) -> None:
        self.editor.event("continued")

    def interrupt(self) -> None:
        self._try(lambda: self.editor.ask("pause", threadId=1))

    def stopped(self) -> None:
        self.editor.event("stopped")

    def leave(self, rng: random.Random) -> None:
        if rng.random() < 0.5:
            self.editor.ask("disconnect")
            self.editor.closed()
        self._stack.close()


class AtPage:
    def __init__(self, url: str) -> None:
        self._stack = ExitStack()
        self.page: Page = self._stack.enter_context(joined(url))
        self._stop = ""
        """The last that it was told of."""

    def where(self) -> str:
        """As its bar has it."""
        self.page.ask("console")
        self.page.stands()
        self._stop = self.page.state["stop"]
        return str(self.page.state["position"])

    def command(self, line: str) -> str:
        return str(self.page.ask("command", line=line))

    def act(self, rng: random.Random) -> None:
        for pane in rng.sample(list(Pane), 2):
            self.page.ask("look", pane=pane.value, place=rng.choice(("rsp", "rip", "")))
        end = self.page.state["end"]
        self.page.ask("strip", start=0, end=max(1, end), stretches=rng.choice((1, 64, 900)))
        back = [one for one in Move if one not in (Move.CONTINUE, Move.FINISH)]
        try:
            match rng.randrange(3):
                case 0:
                    self.page.go("run", move=rng.choice(back).value)
                case 1:
                    self.page.go("go", to=rng.choice(SEEKS))
                case _:
                    self.command(rng.choice(LOOKS))
        except RefusedError:
            return

    def prepare(self) -> None:
        """It always is."""

    def run(self) -> None:
        self.page.ask("run", move=Move.CONTINUE.value)

    def seen_running(self) -> None:
        while not self.page.state["running"] and self.page.state["stop"] == self._stop:
            self.page.take()

    def interrupt(self) -> None:
        self.page.ask("pause")

    def stopped(self) -> None:
        while self.page.state["running"] or self.page.state["stop"] == self._stop:
            self.page.take()

    def leave(self, rng: random.Random) -> None:
        self._stack.close()


class Faces:
    """Who is there now. `come` is by name, and says how each comes."""

    def __init__(self, prompt: AtPrompt, come: dict[str, Callable[[], Face]]) -> None:
        self.prompt = prompt
        self._come = come
        self.here: dict[str, Face] = {"prompt": prompt, **{name: one() for name, one in come.items()}}

    def agree(self) -> str:
        """Where the guest stands: all are told the same."""
        told = {name: face.where() for name, face in self.here.items()}
        assert len(set(told.values())) == 1, told
        return told["prompt"]

    def one_comes_or_leaves(self, rng: random.Random) -> str:
        """Who holds the guest finds it where it was. Who was the last but the prompt lets it go on."""
        before, name = self.agree(), rng.choice(list(self._come))
        if name in self.here:
            self.here.pop(name).leave(rng)
        else:
            self.here[name] = self._come[name]()
        if len(self.here) == 1:
            self.prompt.command("interrupt")
        else:
            assert self.agree() == before, (name, list(self.here))
        return name

    def one_stops_what_another_runs(self, rng: random.Random) -> str:
        """Who they were."""
        runner, stopper = (rng.choice(list(self.here)) for _ in range(2))
        watchers = [
            one for name, one in self.here.items() if isinstance(one, AtEditor | AtPage) and name != runner
        ]  # an editor is not told what it did itself
        if not watchers:
            return ""
        self.here[runner].prepare()
        self.agree()  # so that the next that is seen to run is what `run` asks for
        self.here[runner].run()
        rng.choice(watchers).seen_running()
        self.here[stopper].interrupt()
        for face in self.here.values():
            face.stopped()
        return f"{runner} {stopper}"

    def leave(self, rng: random.Random) -> None:
        for name in rng.sample(list(self._come), len(self._come)):
            if name in self.here:
                self.here.pop(name).leave(rng)
        self.prompt.command("interrupt")


@contextmanager
def all_faces(directory: Path, *words: str) -> Iterator[Faces]:
    """At `vmdbg WORDS...`."""
    place, ends = str(directory / "gdb"), ExitStack()

    def gdb() -> AtGdb:
        made = AtGdb(place)
        ends.callback(made.end)
        return made

    terminal = Tmux(directory, [*words, "--repl", "--gdb", f"unix:{place}", "--dap", "0", "--web", "0"])
    try:
        screen = terminal.wait_for("\nvmdbg>")
        come: dict[str, Callable[[], Face]] = {
            "gdb": gdb,
            "editor": lambda: AtEditor(int(found(r"DAP at [\d.]+:(\d+)", screen))),
            "page": lambda: AtPage(found(r"http://\S+", screen)),
        }
        faces = Faces(AtPrompt(terminal), come)
        yield faces
        faces.leave(random.Random(0))
    finally:
        ends.close()
        terminal.close()


def found(pattern: str, screen: str) -> str:
    match = re.search(pattern, screen)
    assert match is not None, screen
    return match[1] if match.groups() else match[0]
