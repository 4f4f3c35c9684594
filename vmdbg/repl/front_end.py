"""The user's prompt among the front ends of a machine (vmdbg.host.front_end.FrontEnd)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from vmdbg.debugger.actions import Continue
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.front_end import EndWanted, Presence
from vmdbg.repl.app import Repl
from vmdbg.repl.leaving import Leave

Interject = Callable[[Callable[[], None]], None]
AtPrompt = Callable[[Interject], AbstractContextManager[bool]]


class PromptFrontEnd:
    """While the guest runs, the user has its console; where it stands, the prompt, unless another front end has it.

    `stay`: the prompt comes at the guest's first instruction and after its end too. `stands`: it comes before the guest
    runs. `scripted` lines are carried out before the first prompt; without `stay` they are all there is. `at_prompt` is
    entered while the prompt has the terminal, with the way to show lines there, and says whether the prompt is to show
    what the guest writes; `at_console` is called when the guest's console has the terminal again.
    """

    def __init__(
        self,
        debugger: Debugger,
        repl: Repl,
        at_prompt: AtPrompt,
        at_console: Callable[[], None],
        *,
        stay: bool,
        stands: bool,
        scripted: Sequence[str] = (),
    ) -> None:
        self._debugger = debugger
        self._repl = repl
        self._at_prompt = at_prompt
        self._at_console = at_console
        self._stay = stay
        self._wanted = stands
        self._scripted = list(scripted)
        self._only_scripted = bool(scripted) and not stay
        repl.alone |= self._only_scripted
        self._quit = self._in_turn = False
        self.failed = False
        """Whether a scripted line failed."""

    @property
    def owner(self) -> str:
        return self._repl.session.owner

    @property
    def presence(self) -> Presence:
        """The user sees at the prompt whether the guest stands."""
        return Presence.WATCHES if self._stay or self._in_turn else Presence.AWAY

    @property
    def end_wanted(self) -> EndWanted:
        return EndWanted.NOW if self._quit else EndWanted.NO

    def fileno(self) -> int | None:
        """The terminal is read in the user's turn alone."""
        return None

    def poll(self) -> bool:
        return False

    def linger(self) -> bool:
        return False

    def wants_turn(self, *, alone: bool) -> bool:
        return self._wanted or self._stay or alone

    def take_turn(self) -> None:
        self._wanted, self._in_turn = False, True
        try:
            with self._at_prompt(self._repl.interject) as echo, self._repl.echoing(echo):
                left = self._carried_out() or self._repl.run()
        finally:
            self._in_turn = False
        if left is not Leave.CONSOLE:
            self._quit = left is Leave.QUIT
            return
        self._at_console()
        if not self._debugger.running:
            self._debugger.resume(Continue())

    def _carried_out(self) -> Leave | None:
        """The scripted lines, the first time. None if the user is to go on by hand."""
        if not self._scripted:
            return None
        lines, self._scripted = self._scripted, []
        self.failed = not self._repl.execute_all(lines)
        return self._repl.left or (Leave.QUIT if self._only_scripted or self.failed else None)

    def break_in(self) -> bool:
        self._wanted = True
        self._debugger.interrupt()
        return True

    def stands_unseen(self, words: str) -> None:
        """The turn that comes shows it."""

    def close(self) -> None:
        self._repl.close()
