"""Where no source is found an editor shows assembly, stands in it, and breaks in it by line."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vmdbg.dap.editor import Editor, RefusedError, own_debugger


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    """At the first instruction of the sample, from where its sources are not found."""
    with own_debugger(tmp_path) as made:
        made.begin(stopOnEntry=True)
        made.ask("configurationDone")
        made.stopped()
        yield made


def text(editor: Editor, frame: Any) -> list[str]:
    reference = frame["source"]["sourceReference"]
    found = editor.ask("source", source=frame["source"], sourceReference=reference)
    assert found["mimeType"] == "text/x-asm"
    lines: list[str] = found["content"].splitlines()
    return lines


def line(editor: Editor, frame: Any) -> str:
    return text(editor, frame)[frame["line"] - 1]


def test_every_step_stays_in_the_functions_listing_at_its_instruction(editor: Editor) -> None:
    first = editor.top()
    assert first["source"]["name"] == "multiboot_entry"
    assert text(editor, first)[0] == "multiboot_entry:"
    assert line(editor, first).split()[:2] == ["100020", "cmp"]
    editor.go("next", granularity="instruction")
    second = editor.top()
    assert second["source"] == first["source"]
    assert second["line"] == first["line"] + 1
    editor.go("stepBack", granularity="instruction")
    assert editor.top()["line"] == first["line"]


def test_lines_of_a_listing_are_broken_at_and_gone_to(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "printk"}])
    editor.go("continue")
    top, caller = editor.ask("stackTrace", threadId=1, levels=2)["stackFrames"]
    assert (top["source"]["name"], caller["source"]["name"]) == ("printk", "kernel_main")
    assert "call" in text(editor, caller)[caller["line"] - 2]
    (made,) = editor.ask("setBreakpoints", source=caller["source"], breakpoints=[{"line": caller["line"]}])[
        "breakpoints"
    ]
    assert (made["verified"], made["line"]) == (True, caller["line"])
    assert made["instructionReference"] == caller["instructionPointerReference"]
    assert editor.go("continue")["hitBreakpointIds"] == [made["id"]]
    assert editor.top()["line"] == caller["line"]
    places = editor.ask("breakpointLocations", source=caller["source"], line=caller["line"], endLine=1 << 20)
    assert [one["line"] for one in places["breakpoints"]][:2] == [caller["line"], caller["line"] + 1]
    assert len(places["breakpoints"]) == len(text(editor, caller)) - caller["line"] + 1
    targets = editor.ask("gotoTargets", source=top["source"], line=top["line"])["targets"]
    editor.ask("goto", threadId=1, targetId=targets[0]["id"])
    editor.stopped()
    assert editor.top()["instructionPointerReference"] == top["instructionPointerReference"]


def test_other_code_at_the_same_place_is_another_listing(editor: Editor) -> None:
    before = editor.top()
    where = before["instructionPointerReference"]
    data = base64.b64encode(b"\x90\x90").decode()
    editor.ask("writeMemory", memoryReference=where, offset=5, data=data)
    after = editor.top()
    assert after["source"]["sourceReference"] != before["source"]["sourceReference"]
    assert any("nop" in one for one in text(editor, after))
    assert not any("nop" in one for one in text(editor, before)[:4])


def test_a_listing_that_is_not_there_is_refused(editor: Editor) -> None:
    gone = {"name": "gone", "sourceReference": 4711}
    with pytest.raises(RefusedError, match="listing 4711"):
        editor.ask("source", source=gone, sourceReference=4711)
    (made,) = editor.ask("setBreakpoints", source=gone, breakpoints=[{"line": 1}])["breakpoints"]
    assert not made["verified"]
    assert "listing 4711" in made["message"]
