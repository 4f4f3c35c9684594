"""One client's session: what it may ask when, and what it is answered and told."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from dapstub import requests, values
from dapstub.answers import Answers
from dapstub.errors import BadRequestError, FramingError, NotStoppedError, TargetError
from dapstub.framing import Framing, encode
from dapstub.json_values import Json, as_json
from dapstub.parsing import parse
from dapstub.requests import Request
from dapstub.spelling import Spelling
from dapstub.target import Debugger, Target

MAX_WAITING = 4096
"""Requests kept while one is worked on."""
NOT_STOPPED = "notStopped"
CANCELLED = "cancelled"


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A request with its number, by which it is answered."""

    seq: int
    command: str
    request: Request | None
    wrong: str = ""


class Session:
    """Takes bytes and gives bytes; dapstub.target.Client for the target. `ended`: nothing more is answered."""

    def __init__(self, debugger: Debugger, *, held: bool = False) -> None:
        """`held`: launch and attach are kept until release()."""
        self._debugger = debugger
        self._held = held
        self._framing = Framing()
        self._output = bytearray()
        self._text: list[str] = []
        """Of one category, not told yet: a guest that writes byte by byte is no event for each."""
        self._category = values.Category.CONSOLE
        self._seq = 0
        self._waiting: deque[Asked] = deque()
        self._working: Asked | None = None
        """What is answered just now: others wait, but what ends it does not."""
        self._client: requests.Initialize | None = None
        self._spelling = Spelling()
        self._target: Target | None = None
        self._progress: str | None = None
        self._progress_of: Asked | None = None
        """The request that it is of, if it is one's."""
        self._progress_count = 0
        self.ended = False
        self._terminated = False

    # bytes

    @property
    def unread(self) -> int:
        """Bytes of the client that no message was made of yet."""
        return self._framing.unread

    def take_output(self) -> bytes:
        self._tell_text()
        output = bytes(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes) -> None:
        """Take bytes from the client and answer what is complete; while an answer is worked on, only what ends it."""
        self._framing.receive(data)
        self._read()
        if self._working is None:
            self._drain()

    @property
    def begins(self) -> requests.Launch | requests.Attach | None:
        """What is kept, and waits for a debugger that can do it."""
        waits = self._held and self._client is not None and self._waiting
        first = self._waiting[0].request if waits else None
        return first if isinstance(first, requests.Launch | requests.Attach) else None

    def release(self, debugger: Debugger) -> None:
        """There is the debugger now: what was kept is answered with the next receive()."""
        self._debugger, self._held = debugger, False

    def refuse(self, words: str) -> None:
        """What was kept cannot be done, for that reason, and nothing else will be: what follows it is answered now."""
        if self.begins is not None:
            self._fail(self._waiting.popleft(), words)
            self._held = False
            self.terminated()
            self._drain()

    def closed(self) -> None:
        """The connection is gone."""
        if not self.ended:
            self.ended = True
            self._debugger.disconnect(terminate=None)

    def _read(self) -> None:
        while not self.ended:
            try:
                message = self._framing.next_message()
            except BadRequestError as error:
                self._complain(str(error))
                continue
            except FramingError as error:
                self._complain(f"{error}: the connection is closed")
                self.closed()
                return
            if message is None:
                return
            self._take(message)

    def _take(self, message: Mapping[str, Json]) -> None:
        if message.get("type") != "request":
            return  # answers to requests of ours, which there are none of
        seq, command = message.get("seq"), message.get("command")
        if not isinstance(seq, int) or isinstance(seq, bool) or not isinstance(command, str):
            self._complain("a request without seq or command")
            return
        try:
            asked = Asked(seq, command, parse(command, message.get("arguments")))
        except BadRequestError as error:
            asked = Asked(seq, command, None, str(error))
        if self._working is not None and self._hurries(asked):
            return
        if len(self._waiting) >= MAX_WAITING:
            self._complain("too many requests at once: the connection is closed")
            self.closed()
            return
        self._waiting.append(asked)

    def _hurries(self, asked: Asked) -> bool:
        """Whether it was dealt with in the midst of another: that is to end."""
        assert self._working is not None
        match asked.request:
            case requests.Pause():
                self._pause()
                self._answer(asked, {})
                return True
            case requests.Cancel(request, progress):
                self._cancel(request, progress)
                self._answer(asked, {})
                return True
            case requests.Disconnect() | requests.Terminate():
                self._pause()
        return False

    def _cancel(self, request: int | None, progress: str) -> None:
        """End the work or the way that is meant, by its own number or by that of its progress."""
        working = self._working.seq if self._working is not None else None
        if (progress and progress == self._progress) or (request is not None and request == working):
            self._pause()
        elif request is not None:
            self._forget(request)

    def _pause(self) -> None:
        if self._target is not None:
            self._target.execution.pause()

    def _forget(self, seq: int) -> None:
        """A request that waits is not wanted any more."""
        for asked in [one for one in self._waiting if one.seq == seq]:
            self._waiting.remove(asked)
            self._fail(asked, "it was cancelled", CANCELLED)

    def _drain(self) -> None:
        while self._waiting and not self.ended and self.begins is None:
            self._work(self._waiting.popleft())

    # requests

    def _work(self, asked: Asked) -> None:
        self._working = asked
        try:
            self._do(asked)
        except NotStoppedError as error:
            self._fail(asked, str(error), NOT_STOPPED)
        except (TargetError, BadRequestError) as error:
            self._fail(asked, str(error))
        except Exception as error:
            self._fail(asked, f"a defect of the debugger: {type(error).__name__}: {error}")
        finally:
            self._working = None
            if self._progress_of is asked:
                self.progress("", None)

    def _do(self, asked: Asked) -> None:
        if asked.request is None:
            raise TargetError(asked.wrong or f"{asked.command} is not a request that is known here")
        match asked.request:
            case requests.Initialize() as client:
                self._initialize(asked, client)
            case requests.Launch(arguments):
                self._begin(asked, lambda: self._debugger.launch(arguments, self))
            case requests.Attach(arguments):
                self._begin(asked, lambda: self._debugger.attach(arguments, self))
            case requests.ConfigurationDone():
                self._need()
                self._answer(asked, {})
                self._debugger.configured()
            case requests.Disconnect(terminate):
                self._leave(asked, terminate)
            case requests.Terminate():
                self._answer(asked, {})
                self.terminated()
            case requests.Restart():
                self._need()
                self._debugger.restart()
                self._answer(asked, {})
            case requests.Cancel(number, progress):
                self._working = None
                self._cancel(number, progress)
                self._answer(asked, {})
            case requests.WriteMemory() as write:
                written = Answers(self._need(), self._spelling).to(write)
                self._answer(asked, written)
                assert isinstance(written, dict)
                self.memory_changed(write.reference, write.offset, int(str(written["bytesWritten"])))
            case request:
                self._answer(asked, Answers(self._need(), self._spelling).to(request))

    def _initialize(self, asked: Asked, client: requests.Initialize) -> None:
        if self._client is not None:
            raise TargetError("initialize came twice")
        self._client, self._spelling = client, Spelling(client)
        self._answer(asked, {**CAPABILITIES, "exceptionBreakpointFilters": as_json(self._debugger.filters)})

    def _begin(self, asked: Asked, make: Callable[[], Target]) -> None:
        if self._client is None:
            raise TargetError("initialize comes first")
        if self._terminated:
            raise TargetError("this session is over: begin another")
        if self._target is not None:
            raise TargetError("there is a target already")
        self._target = make()
        self._answer(asked, {})
        self._tell("initialized", {})

    def _need(self) -> Target:
        if self._target is None:
            raise TargetError("launch or attach comes first")
        return self._target

    def _leave(self, asked: Asked, terminate: bool | None) -> None:
        self._answer(asked, {})
        self.ended = True
        self._debugger.disconnect(terminate=terminate)

    # what the client hears

    def stopped(self, event: values.Stopped) -> None:
        body = as_json(event)
        assert isinstance(body, dict)
        self._tell("stopped", body)

    def continued(self, thread: int) -> None:
        self._tell("continued", {"threadId": thread, "allThreadsContinued": True})

    def output(self, category: values.Category, text: str) -> None:
        if category is not self._category:
            self._tell_text()
        self._category = category
        self._text.append(text)

    def _tell_text(self) -> None:
        text = "".join(self._text)
        self._text.clear()
        if text:
            self._tell("output", {"category": self._category.value, "output": text})

    def breakpoint_changed(self, point: values.Breakpoint, /) -> None:
        self._tell("breakpoint", {"reason": "changed", "breakpoint": as_json(self._spelling.out([point])[0])})

    def invalidated(self) -> None:
        if self._client is not None and self._client.invalidated:
            self._tell("invalidated", {"areas": ["all"]})

    def memory_changed(self, reference: str, offset: int, count: int) -> None:
        if self._client is not None and self._client.memory_events and count:
            self._tell("memory", {"memoryReference": reference, "offset": offset, "count": count})

    def progress(self, title: str, done: float | None) -> None:
        if self._client is None or not self._client.progress:
            return
        if done is None:
            if self._progress is not None:
                self._tell("progressEnd", {"progressId": self._progress})
            self._progress = self._progress_of = None
            return
        share = round(100 * done, 1)
        if self._progress is None:
            self._progress_count += 1
            self._progress, self._progress_of = f"progress {self._progress_count}", self._working
            about: dict[str, Json] = {"title": title, "percentage": share, "cancellable": True}
            about |= {"requestId": self._working.seq} if self._working is not None else {}
            self._tell("progressStart", {"progressId": self._progress, **about})
            return
        self._tell("progressUpdate", {"progressId": self._progress, "percentage": share})

    def exited(self, code: int) -> None:
        self._tell("exited", {"exitCode": code})

    def terminated(self) -> None:
        if not self._terminated:
            self._terminated = True
            self._tell("terminated", {})

    def _tell(self, event: str, body: Mapping[str, Json]) -> None:
        self._send({"type": "event", "event": event, "body": body})

    def _complain(self, words: str) -> None:
        self.output(values.Category.IMPORTANT, f"{words}\n")

    def _answer(self, asked: Asked, body: Json) -> None:
        self._send(
            {"type": "response", "request_seq": asked.seq, "success": True, "command": asked.command, "body": body}
        )

    def _fail(self, asked: Asked, words: str, message: str = "") -> None:
        """`message`: the protocol's own word, if it has one. `words` are shown to the user, braces and all."""
        error: Json = {"id": 1, "format": "{words}", "variables": {"words": words}, "showUser": False}
        answer: dict[str, Json] = {
            "type": "response",
            "request_seq": asked.seq,
            "success": False,
            "command": asked.command,
        }
        self._send({**answer, "message": message or words, "body": {"error": error}})

    def _send(self, message: Mapping[str, Json]) -> None:
        if self._text:
            self._tell_text()
        self._seq += 1
        self._output += encode({"seq": self._seq, **message})


def _supports(*names: str) -> Mapping[str, Json]:
    return {f"supports{name}": True for name in names}


COMPLETION_TRIGGERS: Sequence[str] = (".", " ", "$")
CAPABILITIES: Mapping[str, Json] = {
    **_supports(
        "ConfigurationDoneRequest",
        "FunctionBreakpoints",
        "ConditionalBreakpoints",
        "HitConditionalBreakpoints",
        "EvaluateForHovers",
        "StepBack",
        "SetVariable",
        "RestartFrame",
        "GotoTargetsRequest",
        "CompletionsRequest",
        "ModulesRequest",
        "RestartRequest",
        "ExceptionInfoRequest",
        "ValueFormattingOptions",
        "DelayedStackTraceLoading",
        "LoadedSourcesRequest",
        "LogPoints",
        "SetExpression",
        "TerminateRequest",
        "DataBreakpoints",
        "DataBreakpointBytes",
        "ReadMemoryRequest",
        "WriteMemoryRequest",
        "DisassembleRequest",
        "CancelRequest",
        "BreakpointLocationsRequest",
        "ClipboardContext",
        "SteppingGranularity",
        "InstructionBreakpoints",
        "ExceptionFilterOptions",
    ),
    "supportTerminateDebuggee": True,
    "completionTriggerCharacters": COMPLETION_TRIGGERS,
}
