"""The sample kernel from an editor, by its source: from boot to a planted bug and back."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.guests.build import REPOSITORY
from tests.vmdbg.dap.editor import Editor, RefusedError, own_debugger

SOURCES = REPOSITORY / "samples" / "kernel"


def source(name: str) -> dict[str, str]:
    return {"path": str(SOURCES / name), "name": name}


def line_of(name: str, text: str) -> int:
    lines = (SOURCES / name).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.fixture
def editor() -> Iterator[Editor]:
    """At the first instruction."""
    with own_debugger() as made:
        made.begin(stopOnEntry=True)
        made.ask("configurationDone")
        assert made.stopped()["reason"] == "entry"
        yield made


def break_at(editor: Editor, name: str, text: str, **when: str) -> dict[str, object]:
    breakpoints = [{"line": line_of(name, text), **when}]
    (made,) = editor.ask("setBreakpoints", source=source(name), breakpoints=breakpoints)["breakpoints"]
    assert made["verified"], made
    return dict(made)


def test_a_breakpoint_on_a_line_stops_there_and_steps_go_both_ways(editor: Editor) -> None:
    made = break_at(editor, "main.c", "boot_info_init(")
    stop = editor.go("continue")
    assert (stop["reason"], stop["hitBreakpointIds"]) == ("breakpoint", [made["id"]])
    here = editor.at()
    assert here == f"main.c:{made['line']}"
    assert editor.go("next")["reason"] == "step"
    after = editor.at()
    assert after != here
    assert after.startswith("main.c:")
    editor.go("stepBack")
    assert editor.at() == here
    editor.go("stepIn")
    assert editor.at().startswith("boot_info.c:")
    editor.go("stepOut")
    assert editor.at().startswith("main.c:")
    editor.go("stepBack", granularity="instruction")
    assert editor.top()["name"].startswith("boot_info_init")


def test_a_line_without_code_says_so_and_is_waited_for(editor: Editor) -> None:
    lines = [{"line": 1}, {"line": 100_000}]
    for made in editor.ask("setBreakpoints", source=source("main.c"), breakpoints=lines)["breakpoints"]:
        assert (made["verified"], made["reason"]) == (False, "pending")
        assert made["message"] == f"no code is known for line {made['line']} of 'main.c': it is waited for"
    (made,) = editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "nosuch"}])["breakpoints"]
    assert "nosuch" in made["message"]


def test_steps_of_an_instruction_are_the_cpus(editor: Editor) -> None:
    first = editor.top()["instructionPointerReference"]
    editor.go("stepIn", granularity="instruction")
    assert editor.top()["instructionPointerReference"] != first
    editor.go("stepBack", granularity="instruction")
    assert editor.top()["instructionPointerReference"] == first
    assert editor.go("stepBack", granularity="instruction")["reason"] == "pause"  # the start of its history


def test_frames_have_their_sources_arguments_and_registers(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "printk"}])
    assert editor.go("continue")["reason"] == "function breakpoint"
    frames = editor.ask("stackTrace", threadId=1)
    assert frames["totalFrames"] == len(frames["stackFrames"]) > 1
    inner, outer = frames["stackFrames"][:2]
    assert inner["name"].startswith("printk(")
    assert inner["source"]["path"] == str(SOURCES / "printk.c")
    assert "format" in editor.variables("Arguments", inner["id"])
    assert editor.variables("Registers", inner["id"])["rip"]["value"].startswith(inner["instructionPointerReference"])
    assert editor.variables("Registers", outer["id"])["rsp"]["value"] != editor.variables("Registers")["rsp"]["value"]
    tables = editor.variables("CPU tables")
    assert editor.inside(tables["GDT"]["variablesReference"])
    assert editor.ask("stackTrace", threadId=1, startFrame=1, levels=1)["stackFrames"][0]["name"] == outer["name"]


def test_conditions_hits_and_log_points_are_the_breakpoints(editor: Editor) -> None:
    break_at(editor, "printk.c", "printk(", hitCondition="3")
    log = [{"name": "serial_write_char", "logMessage": "wrote {edi:#x}"}]
    made = editor.ask("setFunctionBreakpoints", breakpoints=log)["breakpoints"]
    if not made[0]["verified"]:
        editor.ask("setFunctionBreakpoints", breakpoints=[])
    editor.go("continue")
    assert editor.command("points").count("hits 3") == 1
    bad = [{"name": "printk", "hitCondition": "often"}, {"name": "printk", "condition": "((("}]
    refused = editor.ask("setFunctionBreakpoints", breakpoints=bad)["breakpoints"]
    assert [one["verified"] for one in refused] == [False, False]
    assert "hits" in refused[0]["message"]
    assert refused[1]["message"]


def test_what_a_log_point_writes_is_shown_once_however_often_it_is_passed(editor: Editor) -> None:
    break_at(editor, "main.c", "boot_info_init(", logMessage="loader={loader:#x}")
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
    editor.go("continue")
    editor.until_output("loader=")
    editor.go("reverseContinue")
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
    editor.go("continue")
    editor.command("tick")
    assert editor.output.count("loader=") == 1


def test_a_word_of_memory_is_watched_and_gone_back_to(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
    editor.go("continue")
    stack = editor.variables("Registers")["rsp"]["value"].split()[0]
    info = editor.ask("dataBreakpointInfo", name=stack, asAddress=True, bytes=8)
    assert info["dataId"]
    point = [{"dataId": info["dataId"], "accessType": "write"}]
    assert editor.ask("setDataBreakpoints", breakpoints=point)["breakpoints"][0]["verified"]
    stop = editor.go("reverseContinue")
    assert stop["reason"] == "data breakpoint", stop
    assert editor.ask("dataBreakpointInfo", name="1 + 1")["dataId"] is None
    wrong = editor.ask("setDataBreakpoints", breakpoints=[{"dataId": "nonsense"}])["breakpoints"][0]
    assert not wrong["verified"]


def test_memory_and_code_are_read_where_they_are_and_said_not_to_be_where_not(editor: Editor) -> None:
    pc = editor.top()["instructionPointerReference"]
    found = editor.ask("readMemory", memoryReference=pc, count=16)
    assert len(base64.b64decode(found["data"])) == 16
    nothing = editor.ask("readMemory", memoryReference="phys:0xf00000000000", count=16)
    assert nothing["unreadableBytes"] == 16
    for before in (-5, 0, 3):
        code = editor.ask("disassemble", memoryReference=pc, instructionOffset=before, instructionCount=8)
        assert len(code["instructions"]) == 8
    assert editor.ask("disassemble", memoryReference=pc, instructionCount=1)["instructions"][0]["address"] == pc
    unmapped = editor.ask("disassemble", memoryReference="0xffffffffffffffff", offset=-2, instructionCount=5)
    assert [one["presentationHint"] for one in unmapped["instructions"]][-1] == "invalid"
    before = editor.ask("readMemory", memoryReference="phys:0x7000", count=4)["data"]
    editor.ask("writeMemory", memoryReference="phys:0x7000", data=base64.b64encode(b"\1\2\3\4").decode())
    assert base64.b64decode(editor.ask("readMemory", memoryReference="phys:0x7000", count=4)["data"]) == b"\1\2\3\4"
    assert before


def test_values_are_evaluated_changed_and_opened(editor: Editor) -> None:
    frame = editor.top()["id"]
    rax = editor.ask("evaluate", expression="rax", frameId=frame, context="watch")["result"]
    assert editor.ask("setExpression", expression="rax", value="0x1234", frameId=frame)["value"].startswith("0x1234")
    assert editor.variables("Registers")["rax"]["value"].endswith("1234")
    scopes = editor.ask("scopes", frameId=frame)["scopes"]
    reference = next(one for one in scopes if one["name"] == "Registers")["variablesReference"]
    assert editor.ask("setVariable", variablesReference=reference, name="rbx", value="7")["value"].startswith("7")
    with pytest.raises(RefusedError):
        editor.ask("evaluate", expression="nosuchname", context="watch")
    assert rax
    targets = editor.ask("completions", text="regi", column=5)["targets"]
    assert "registers" in [one["label"] for one in targets]


def test_an_argument_that_is_in_a_register_is_set_there_and_a_caller_s_is_not(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "deposit"}])
    editor.go("continue")

    def arguments(frame: int) -> int:
        scopes = editor.ask("scopes", frameId=frame)["scopes"]
        return int(next(one for one in scopes if one["name"] == "Arguments")["variablesReference"])

    made = editor.ask("setVariable", variablesReference=arguments(editor.top()["id"]), name="form", value="'a'")
    assert made["value"] == "97"
    assert editor.variables("Arguments")["form"]["value"] == "97"
    assert editor.variables("Registers")["rsi"]["value"] == f"{97:#018x}"
    editor.ask("setExpression", expression="form", value="3", frameId=editor.top()["id"])
    assert editor.variables("Arguments")["form"]["value"] == "3"
    caller = editor.ask("stackTrace", threadId=1, startFrame=1, levels=1)["stackFrames"][0]["id"]
    with pytest.raises(RefusedError, match="of a caller's"):
        editor.ask("setVariable", variablesReference=arguments(caller), name="argument", value="3")
    teller = editor.variables("Arguments")["teller"]["variablesReference"]
    assert editor.ask("setVariable", variablesReference=teller, name="paid_in", value="-2")["value"] == "-2"
    teller = editor.variables("Arguments")["teller"]["variablesReference"]
    with pytest.raises(RefusedError, match="holds no text"):
        editor.ask("setVariable", variablesReference=teller, name="name", value='"a text"')


def test_what_was_shown_can_be_asked_for_after_a_change_but_not_after_a_step(editor: Editor) -> None:
    """Editors read scopes and variables again after a change, by the numbers that they have."""
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "deposit"}])
    editor.go("continue")
    frame = editor.top()["id"]
    scopes = {one["name"]: one["variablesReference"] for one in editor.ask("scopes", frameId=frame)["scopes"]}
    registers, arguments = scopes["Registers"], scopes["Arguments"]
    pointed = editor.inside(arguments)["teller"]["variablesReference"]
    changes: tuple[tuple[str, dict[str, object]], ...] = (
        ("setVariable", {"variablesReference": pointed, "name": "paid_in", "value": "13"}),
        ("writeMemory", {"memoryReference": "phys:0x7000", "data": "AQID"}),
        ("setVariable", {"variablesReference": pointed, "name": "first_form", "value": "14"}),
        ("setVariable", {"variablesReference": registers, "name": "rbx", "value": "11"}),
        ("setVariable", {"variablesReference": arguments, "name": "form", "value": "12"}),
        ("setExpression", {"expression": "rcx", "value": "14", "frameId": frame}),
        ("evaluate", {"expression": "set rcx = 15", "context": "repl"}),
    )
    for request, words in changes:
        editor.events.clear()
        editor.ask(request, **words)
        assert {name for name, _ in editor.events} & {"invalidated", "memory"}
        assert [one["name"] for one in editor.ask("scopes", frameId=frame)["scopes"]] == [*scopes]
        editor.inside(registers)
    assert editor.inside(registers)["rbx"]["value"] == f"{11:#018x}"
    assert editor.inside(arguments)["form"]["value"] == "12"
    inside = editor.inside(editor.inside(arguments)["teller"]["variablesReference"])
    assert (inside["paid_in"]["value"], inside["first_form"]["value"]) == ("13", "14")
    editor.go("stepIn", granularity="instruction")
    for request, number in (("scopes", {"frameId": frame}), ("variables", {"variablesReference": pointed})):
        with pytest.raises(RefusedError, match="ask for the stack again"):
            editor.ask(request, **number)


def test_the_debug_console_takes_the_prompts_commands_and_lets_the_guest_run(editor: Editor) -> None:
    assert "eax" in editor.command("registers")
    editor.command("tbreak demo_run")
    before = len(editor.events)
    assert "demo_run" in editor.command("continue")
    assert [name for name, _ in editor.events[before:]] == ["continued", "stopped"]
    with pytest.raises(RefusedError, match="nosuch"):
        editor.command("nosuch")


def test_a_line_is_gone_to_in_time(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
    editor.go("continue")
    line = line_of("main.c", "boot_info_init(")
    back, on = editor.ask("gotoTargets", source=source("main.c"), line=line)["targets"]
    assert editor.go("goto", targetId=back["id"])["reason"] == "goto"
    assert editor.at() == f"main.c:{line}"
    assert "back" in back["label"]
    assert "on" in on["label"]


def test_a_frame_is_restarted_by_going_back_to_its_call(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
    editor.go("continue")
    caller = editor.ask("stackTrace", threadId=1)["stackFrames"][1]["name"]
    editor.ask("restartFrame", frameId=editor.top()["id"])
    assert editor.stopped()["reason"] == "restart"
    assert editor.top()["name"] == caller


def test_exceptions_are_caught_and_explained(editor: Editor) -> None:
    assert all(one["verified"] for one in editor.ask("setExceptionBreakpoints", filters=["vector14"])["breakpoints"])
    assert editor.go("continue")["reason"] == "exception"
    assert editor.ask("exceptionInfo", threadId=1)["exceptionId"] == "#PF"
    assert not editor.ask("setExceptionBreakpoints", filters=["nosuch"])["breakpoints"][0]["verified"]
    assert "vector" not in editor.command("catch")


def test_each_filter_has_its_own_answer_in_the_order_of_the_request(editor: Editor) -> None:
    wanted = ["vector14", "nosuch", "vector13", "vector14"]
    options = [
        {"filterId": "disk", "condition": "nonsense"},
        {"filterId": "cr3"},
        {"filterId": "interrupt", "condition": "0x20"},
    ]
    made = editor.ask("setExceptionBreakpoints", filters=wanted, filterOptions=options)["breakpoints"]
    assert [one["verified"] for one in made] == [True, False, True, True, False, True, True]
    both = editor.ask("setExceptionBreakpoints", filters=["interrupt"], filterOptions=options[2:])["breakpoints"]
    assert [one["verified"] for one in both] == [True, True]
    caught = editor.command("catch")
    assert "0x20" in caught
    assert "cr3" not in caught
    editor.ask("setExceptionBreakpoints", filters=[])
    assert "0x20" not in editor.command("catch")


def test_a_guest_that_runs_is_paused_and_its_state_not_asked_for(editor: Editor) -> None:
    editor.ask("continue", threadId=1)
    with pytest.raises(RefusedError, match="pause it first"):
        editor.ask("stackTrace", threadId=1)
    editor.ask("pause", threadId=1)
    assert editor.stopped()["reason"] == "pause"
    assert editor.top()


def test_a_restart_begins_anew_and_what_the_guest_writes_is_shown(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "demo_run"}])
    editor.go("continue")
    editor.until_output("vmdbg sample kernel")
    editor.ask("restart")
    assert editor.stopped()["reason"] == "entry"
    assert editor.command("tick").split()[:2] == ["tick", "0"]


def test_sources_and_modules_are_listed(editor: Editor) -> None:
    listed = editor.ask("loadedSources")["sources"]
    assert str(SOURCES / "main.c") in [one["path"] for one in listed]
    assert "boot_info_init" in editor.ask("source", source=source("main.c"), sourceReference=0)["content"]
    assert editor.ask("modules")["totalModules"] == 1
    places = editor.ask("breakpointLocations", source=source("main.c"), line=60, endLine=80)["breakpoints"]
    assert places == sorted(places, key=lambda one: one["line"])
    assert all(60 <= one["line"] <= 80 for one in places)
    (other,) = editor.ask("setBreakpoints", source={"path": "/elsewhere/main.c"}, breakpoints=[{"line": 67}])[
        "breakpoints"
    ]
    assert not other["verified"], "another file of the same name"


def test_the_process_ends_with_its_editor(editor: Editor) -> None:
    editor.ask("continue", threadId=1)
    editor.ask("disconnect")
    editor.closed()
    assert editor.process is not None
    assert editor.process.wait(timeout=10) == 0
