"""What a client may ask when, and what it is answered: with a debugger that is a toy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dapstub import values
from dapstub.session import MAX_WAITING, Session
from tests.dapstub.toy import Toy
from tests.dapstub.wire import message, messages


class Talk:
    """A client of a session."""

    def __init__(self, toy: Toy, **capabilities: object) -> None:
        self.toy = toy
        self.session = Session(toy)
        toy.feed = self.session.receive  # type: ignore[assignment]  # the toy sends as its client would
        self.seq = 0
        self.events: list[dict[str, Any]] = []
        self.ask("initialize", clientID="test", **capabilities)

    def send(self, command: str, **arguments: object) -> list[dict[str, Any]]:
        self.seq += 1
        self.session.receive(message(self.seq, command, **arguments))
        found = messages(self.session.take_output())
        self.events += [one for one in found if one["type"] == "event"]
        return [one for one in found if one["type"] == "response"]

    def ask(self, command: str, **arguments: object) -> Any:
        (answer,) = self.send(command, **arguments)
        assert answer["success"], answer
        assert (answer["request_seq"], answer["command"]) == (self.seq, command)
        return answer["body"]

    def refused(self, command: str, **arguments: object) -> tuple[str, str]:
        """The protocol's word, and ours."""
        (answer,) = self.send(command, **arguments)
        assert not answer["success"], answer
        return answer["message"], answer["body"]["error"]["variables"]["words"]

    def event(self, name: str) -> Any:
        found = next(one for one in self.events if one["event"] == name)
        self.events.remove(found)
        return found["body"]


@pytest.fixture
def talk() -> Talk:
    made = Talk(Toy())
    made.ask("launch", program="x")
    made.ask("configurationDone")
    return made


def test_a_session_begins_as_the_protocol_has_it() -> None:
    talk = Talk(Toy())
    assert talk.events == []
    talk.ask("launch", program="x")
    assert talk.event("initialized") == {}
    assert talk.toy.asked == [{"program": "x"}]
    talk.ask("configurationDone")
    assert talk.event("stopped") == {"reason": "entry", "threadId": 1, "allThreadsStopped": True}


def test_what_can_be_done_is_said_at_first() -> None:
    toy = Toy()
    session = Session(toy)
    session.receive(message(1, "initialize", adapterID="x"))
    (answer,) = messages(session.take_output())
    assert answer["body"]["supportsStepBack"]
    assert answer["body"]["exceptionBreakpointFilters"] == [
        {"filter": "all", "label": "All", "description": "every one", "default": False, "supportsCondition": False}
    ]


@pytest.mark.parametrize("command", ["threads", "configurationDone", "restart", "setBreakpoints"])
def test_nothing_is_asked_of_a_target_before_there_is_one(command: str) -> None:
    assert "comes first" in Talk(Toy()).refused(command)[1]


def test_launch_before_initialize_and_twice_is_refused(talk: Talk) -> None:
    assert "already" in talk.refused("launch")[1]
    assert "twice" in talk.refused("initialize")[1]
    session = Session(Toy())
    session.receive(message(1, "launch"))
    assert not messages(session.take_output())[0]["success"]


def test_what_follows_a_launch_that_was_kept_and_is_refused_is_answered() -> None:
    session = Session(Toy(), held=True)
    session.receive(message(1, "launch"))
    assert session.begins is None, "initialize comes first"
    assert not messages(session.take_output())[0]["success"]
    session.receive(message(2, "initialize") + message(3, "launch") + message(4, "threads") + message(5, "launch"))
    assert session.begins is not None
    session.receive(message(6, "disconnect"))
    session.take_output()
    session.refuse("no such kernel")
    answers = {one["request_seq"]: one for one in messages(session.take_output()) if one["type"] == "response"}
    assert [answers[seq]["success"] for seq in (3, 4, 5, 6)] == [False, False, False, True]
    assert "begin another" in answers[5]["message"]
    assert session.ended


def test_a_launch_that_fails_says_why_and_may_be_tried_again() -> None:
    talk = Talk(Toy())
    assert talk.refused("launch", fails=True) == ("there is no such {program}",) * 2
    talk.ask("launch")


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("nosuch", {}, "nosuch is not a request that is known here"),
        ("stackTrace", {}, "stackTrace lacks threadId"),
        ("stackTrace", {"threadId": "1"}, "stackTrace.threadId is not an integer"),
        ("stackTrace", {"threadId": True}, "stackTrace.threadId is not an integer"),
        ("stackTrace", {"threadId": 1, "levels": -1}, "stackTrace.levels is not zero or more"),
        ("setBreakpoints", {"source": 5}, "setBreakpoints.source is not an object"),
        ("setBreakpoints", {"source": {}, "breakpoints": [7]}, "is not an object"),
        ("setExceptionBreakpoints", {"filters": [1]}, "is not a list of strings"),
        ("setDataBreakpoints", {"breakpoints": [{"dataId": "x", "accessType": "smell"}]}, "smell"),
        ("writeMemory", {"memoryReference": "0", "data": "?"}, "no base64"),
        ("readMemory", {"memoryReference": "0", "count": 1 << 40}, "at most"),
        ("disassemble", {"memoryReference": "0", "instructionCount": 1 << 40}, "at most"),
        ("next", {"threadId": 1, "granularity": "mile"}, "mile"),
    ],
)
def test_a_request_that_is_wrong_says_what_of_it(
    talk: Talk, command: str, arguments: dict[str, object], words: str
) -> None:
    assert words in talk.refused(command, **arguments)[1]


def test_whole_numbers_may_be_written_as_fractions(talk: Talk) -> None:
    assert talk.ask("stackTrace", threadId=1.0)["totalFrames"] == 1


STANDING = [
    ("stackTrace", {"threadId": 1}), ("scopes", {"frameId": 1}), ("variables", {"variablesReference": 1}),
    ("next", {"threadId": 1}), ("stepBack", {"threadId": 1}), ("reverseContinue", {"threadId": 1}),
    ("readMemory", {"memoryReference": "0", "count": 1}), ("restartFrame", {"frameId": 1}),
    ("disassemble", {"memoryReference": "0", "instructionCount": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("command", "arguments"), STANDING)
def test_what_needs_a_target_that_stands_is_refused_while_it_runs(
    talk: Talk, command: str, arguments: dict[str, object]
) -> None:
    talk.ask("continue", threadId=1)
    assert talk.refused(command, **arguments)[0] == "notStopped"
    talk.toy.stop(values.StopReason.PAUSE)
    talk.ask(command, **arguments)


def test_what_a_target_refuses_by_itself_has_the_protocols_word(talk: Talk) -> None:
    assert talk.refused("evaluate", expression="late") == ("notStopped", "it runs")


def test_lines_are_counted_from_0_where_the_client_does_and_paths_are_uris() -> None:
    talk = Talk(Toy(), linesStartAt1=False, columnsStartAt1=False, pathFormat="uri")
    talk.ask("launch")
    (frame,) = talk.ask("stackTrace", threadId=1)["stackFrames"]
    assert (frame["line"], frame["column"]) == (9, 0)
    assert frame["source"]["path"] == "file:///src/a%20b.c"
    source = {"path": "file:///src/a%20b.c"}
    (made,) = talk.ask("setBreakpoints", source=source, breakpoints=[{"line": 4}])["breakpoints"]
    assert made["line"] == 4
    request = talk.toy.asked[-1]
    assert request.source.path == "/src/a b.c"  # type: ignore[attr-defined]  # a SetBreakpoints
    assert request.breakpoints[0].line == 5  # type: ignore[attr-defined]  # the same
    (target,) = talk.ask("gotoTargets", source=source, line=4)["targets"]
    assert (target["line"], target["label"]) == (4, "to /src/a b.c")
    assert talk.ask("breakpointLocations", source=source, line=4)["breakpoints"] == [{"line": 4}]
    assert "no file" in talk.refused("setBreakpoints", source={"path": "http://x/y"}, breakpoints=[])[1]


def test_a_pause_in_the_midst_of_an_answer_ends_it(talk: Talk) -> None:
    talk.toy.during = [message(100, "pause", threadId=1), message(101, "threads")]
    answers = talk.send("evaluate", expression="long")
    assert [(one["request_seq"], one["success"]) for one in answers] == [(100, True), (talk.seq, False), (101, True)]


def test_a_cancel_ends_the_request_that_is_worked_on_and_one_that_waits(talk: Talk) -> None:
    talk.toy.during = [message(100, "threads"), message(101, "cancel", requestId=100)]
    answers = talk.send("evaluate", expression="long")
    assert [(one["request_seq"], one["success"]) for one in answers] == [(100, False), (101, True), (talk.seq, True)]
    assert answers[0]["message"] == "cancelled"
    talk.toy.during = [message(102, "cancel", requestId=talk.seq + 1)]
    answers = talk.send("evaluate", expression="long")
    assert [(one["request_seq"], one["success"]) for one in answers] == [(102, True), (talk.seq, False)]


def test_more_requests_than_anybody_asks_close_the_connection(talk: Talk) -> None:
    talk.toy.during = [message(100 + number, "threads") for number in range(MAX_WAITING + 1)]
    talk.send("evaluate", expression="long")
    assert talk.session.ended
    assert talk.toy.left == [None]


@pytest.mark.parametrize("terminate", [None, True, False])
def test_leaving_says_whether_the_target_ends(talk: Talk, terminate: bool | None) -> None:
    talk.ask("disconnect", **({} if terminate is None else {"terminateDebuggee": terminate}))
    assert talk.toy.left == [terminate]
    assert talk.session.ended
    talk.session.closed()
    assert len(talk.toy.left) == 1


def test_bytes_that_are_no_messages_close_the_connection(talk: Talk) -> None:
    talk.session.receive(b"GET / HTTP/1.1\r\n\r\n")
    assert talk.session.ended
    assert "no header" in messages(talk.session.take_output())[-1]["body"]["output"]


def test_progress_is_shown_to_who_can_show_it() -> None:
    for able in (True, False):
        talk = Talk(Toy(), supportsProgressReporting=able)
        for done in (0.1, 0.5, None, None):
            talk.session.progress("searching", done)
        told = [one["event"] for one in messages(talk.session.take_output())]
        assert told == (["progressStart", "progressUpdate", "progressEnd"] if able else [])


def test_a_defect_of_the_debugger_is_an_answer_too(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[values.Thread]:
        raise ValueError("oh")

    monkeypatch.setattr(talk.toy, "threads", broken)
    assert "a defect of the debugger: ValueError: oh" in talk.refused("threads")[1]
    monkeypatch.undo()
    talk.ask("threads")


def test_every_request_that_is_known_is_answered(talk: Talk) -> None:
    source, frame = {"path": "/src/a.c"}, {"frameId": 1}
    asked: list[tuple[str, dict[str, object]]] = [
        ("threads", {}), ("scopes", frame), ("variables", {"variablesReference": 1}), ("modules", {"moduleCount": 2}),
        ("setVariable", {"variablesReference": 1, "name": "x", "value": "2"}), ("loadedSources", {}),
        ("setExpression", {"expression": "x", "value": "2"}), ("completions", {"text": "xy", "column": 3}),
        ("setFunctionBreakpoints", {"breakpoints": [{"name": "f"}]}), ("exceptionInfo", {"threadId": 1}),
        ("setInstructionBreakpoints", {"breakpoints": [{"instructionReference": "0x0"}]}), ("restart", {}),
        ("setDataBreakpoints", {"breakpoints": [{"dataId": "x"}]}), ("dataBreakpointInfo", {"name": "x"}),
        ("setExceptionBreakpoints", {"filters": ["all"]}), ("source", {"source": source, "sourceReference": 0}),
        ("readMemory", {"memoryReference": "0", "count": 1}), ("goto", {"threadId": 1, "targetId": 1}),
        ("writeMemory", {"memoryReference": "0", "data": "AAE="}), ("restartFrame", frame),
        ("disassemble", {"memoryReference": "0", "instructionCount": 3}), ("pause", {"threadId": 1}),
        ("setBreakpoints", {"source": source, "lines": [3, 4]}), ("terminate", {}),
    ]  # fmt: skip
    bodies = {command: talk.ask(command, **arguments) for command, arguments in asked}
    assert bodies["modules"] == {"modules": [{"id": "0", "name": "m0"}, {"id": "1", "name": "m1"}], "totalModules": 3}
    assert bodies["dataBreakpointInfo"]["dataId"] is None
    assert bodies["writeMemory"] == {"bytesWritten": 2}
    assert [one["line"] for one in bodies["setBreakpoints"]["breakpoints"]] == [3, 4]
    assert talk.event("terminated") == {}


def test_text_that_comes_in_crumbs_is_told_in_one_piece_before_what_follows() -> None:
    talk = Talk(Toy())
    talk.ask("launch")
    client = talk.toy.client
    assert client is not None
    messages(talk.session.take_output())
    for one in "two words":
        client.output(values.Category.STDOUT, one)
    client.output(values.Category.STDOUT, "")
    client.output(values.Category.CONSOLE, "logged")
    talk.toy.stop(values.StopReason.BREAKPOINT)
    client.output(values.Category.CONSOLE, "after")
    told = messages(talk.session.take_output())
    assert [one["body"].get("output", one["event"]) for one in told] == ["two words", "logged", "stopped", "after"]
    assert [one["seq"] for one in told] == list(range(told[0]["seq"], told[0]["seq"] + 4))
    assert talk.session.take_output() == b""
