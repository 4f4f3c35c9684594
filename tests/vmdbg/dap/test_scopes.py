"""What an editor sees in a frame: statics, the CPU's tables, numbers and parts as it asks for them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.vmdbg.dap.editor import Editor, RefusedError, own_debugger


@pytest.fixture
def editor() -> Iterator[Editor]:
    """Where a function with statics of its own, in a file with others, begins to work."""
    with own_debugger() as made:
        made.begin(stopOnEntry=True, append="bug=stale autostop", memory="16M")
        made.ask("setFunctionBreakpoints", breakpoints=[{"name": "mailbox_post"}])
        made.ask("configurationDone")
        made.stopped()
        assert made.go("continue")["reason"] == "function breakpoint"
        yield made


def frame_named(editor: Editor, name: str) -> int:
    frames = editor.ask("stackTrace", threadId=1)["stackFrames"]
    return int(next(one["id"] for one in frames if one["name"].startswith(name)))


def test_statics_of_a_function_and_of_its_file_are_shown_where_they_are_seen(editor: Editor) -> None:
    courier = frame_named(editor, "courier_main")
    statics = editor.variables("Statics", courier)
    texts = statics["texts"]
    listed = editor.inside(texts["variablesReference"])
    assert "hello" in listed["[0]"]["value"]
    assert texts["indexedVariables"] == len(listed) == 6
    assert "texts" not in editor.variables("Statics", frame_named(editor, "mailbox_post"))
    assert not editor.variables("Globals of the file", courier)


def test_a_static_is_evaluated_by_the_expression_that_it_is_shown_with(editor: Editor) -> None:
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": "pay_interest"}])
    editor.go("continue")
    order = editor.variables("Statics")["standing_order"]
    again = editor.ask("evaluate", expression=order["evaluateName"], context="watch")
    assert (again["result"], again["memoryReference"]) == (order["value"], order["memoryReference"])
    assert set(editor.variables("Statics")) == {"counter_lock", "standing_order"}
    info = editor.ask("dataBreakpointInfo", name="standing_order", variablesReference=_scope(editor, "Statics"))
    assert info["dataId"]
    point = [{"dataId": info["dataId"], "accessType": "write"}]
    assert editor.ask("setDataBreakpoints", breakpoints=point)["breakpoints"][0]["verified"]
    editor.ask("setFunctionBreakpoints", breakpoints=[])
    assert editor.go("reverseContinue")["reason"] == "data breakpoint"
    assert editor.top()["name"].startswith(("standing_order_set", "account_close"))


def _scope(editor: Editor, name: str) -> int:
    scopes = editor.ask("scopes", frameId=editor.top()["id"])["scopes"]
    return int(next(one["variablesReference"] for one in scopes if one["name"] == name))


def test_the_cpus_tables_are_opened_one_by_one(editor: Editor) -> None:
    tables = editor.variables("CPU tables")
    assert {"GDT", "LDT", "IDT", "TSS", "CPUS"} <= set(tables)
    control = editor.inside(tables["Control registers, bit by bit"]["variablesReference"])
    assert {"cr0", "cr3", "cr4", "efer"} <= set(control)
    pages = editor.inside(tables["Page tables of rip"]["variablesReference"])
    assert any("PML4E" in name or "PML4E" in one["value"] for name, one in pages.items()), pages
    for title in tables:
        assert editor.inside(tables[title]["variablesReference"]) is not None


def test_elements_are_shown_in_parts_and_numbers_as_wanted(editor: Editor) -> None:
    letters = editor.ask("evaluate", expression="*mailbox", context="watch")
    members = letters["variablesReference"]
    named = editor.ask("variables", variablesReference=members, filter="named")["variables"]
    assert {"capacity", "taken"} <= {one["name"] for one in named}
    assert not editor.ask("variables", variablesReference=members, filter="indexed")["variables"]
    plain = editor.inside(members)["capacity"]["value"]
    asked = editor.ask("variables", variablesReference=members, format={"hex": True})["variables"]
    assert next(one["value"] for one in asked if one["name"] == "capacity") == hex(int(plain))
    texts = editor.variables("Statics", frame_named(editor, "courier_main"))["texts"]["variablesReference"]
    part = editor.ask("variables", variablesReference=texts, filter="indexed", start=2, count=2)["variables"]
    assert [one["name"] for one in part] == ["[2]", "[3]"]


def _shown(editor: Editor, reference: int, **part: int) -> list[tuple[str, str]]:
    found = editor.ask("variables", variablesReference=reference, **part)["variables"]
    return [(one["name"], one["value"]) for one in found]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_pages_of_whatever_is_shown_are_the_whole(editor: Editor, size: int) -> None:
    for scope in editor.ask("scopes", frameId=editor.top()["id"])["scopes"]:
        reference = scope["variablesReference"]
        whole, paged = _shown(editor, reference), list[tuple[str, str]]()
        while part := _shown(editor, reference, start=len(paged), count=size):
            assert len(part) <= size
            paged += part
        assert paged == whole, scope["name"]


def test_what_is_before_a_function_is_shown_too_as_it_is_assembled(editor: Editor) -> None:
    """Back to far before the function in which the CPU stands, each instruction is one that leads to the next."""
    here = editor.top()["instructionPointerReference"]
    found = editor.ask("disassemble", memoryReference=here, instructionOffset=-400, instructionCount=401)[
        "instructions"
    ]
    assert len({one["symbol"].partition("+")[0] for one in found if "symbol" in one}) > 3
    assert not [one for one in found if one.get("presentationHint") == "invalid"]
    assert found[-1]["address"] == here
    for one, following in pairwise(found):
        assert int(one["address"], 16) + len(bytes.fromhex(one["instructionBytes"])) == int(following["address"], 16)
    functions = {one["address"] for one in found if "symbol" in one and "+" not in one["symbol"]}
    for name in ("mailbox_take", "mailbox_post"):
        address = editor.ask("evaluate", expression=f"&{name}", context="watch")["memoryReference"]
        assert address in functions


def test_memory_is_read_up_to_the_end_of_the_address_space(editor: Editor) -> None:
    for reference, count in (("0xfffffffffffffff0", 32), ("phys:0xffffffffffff0", 32)):
        read = editor.ask("readMemory", memoryReference=reference, count=count)
        assert len(base64.b64decode(read.get("data", ""))) + read["unreadableBytes"] == count


def test_a_part_of_what_is_to_be_written_is_written_where_that_will_do(editor: Editor) -> None:
    data = base64.b64encode(b"12345678").decode()
    end = 16 << 20
    readable = editor.ask("readMemory", memoryReference=f"phys:{end:#x}", offset=-4, count=8)
    assert readable["unreadableBytes"] == 4
    with pytest.raises(RefusedError):
        editor.ask("writeMemory", memoryReference=f"phys:{end:#x}", offset=-4, data=data)
    written = editor.ask("writeMemory", memoryReference=f"phys:{end:#x}", offset=-4, data=data, allowPartial=True)
    assert written["bytesWritten"] == 4
    moved = editor.event("memory")
    assert (moved["memoryReference"], moved["offset"], moved["count"]) == (f"phys:{end:#x}", -4, 4)


def test_what_the_console_changes_is_read_anew(editor: Editor) -> None:
    editor.command("set rax = 5")
    assert editor.event("invalidated")["areas"] == ["all"]


@pytest.mark.parametrize("cpu", ["x86-64", "base", "x86-64-v3"])
def test_registers_are_those_of_the_cpus_model(cpu: str) -> None:
    with own_debugger() as made:
        made.begin(stopOnEntry=True, cpu=cpu, memory="16M")
        made.ask("configurationDone")
        made.stopped()
        scopes = {one["name"] for one in made.ask("scopes", frameId=made.top()["id"])["scopes"]}
        names = {name for scope in scopes - {"CPU tables"} for name in made.variables(scope)}
        assert {"cr4", "xmm0"} <= names
        assert ("AVX" in scopes, "pkru" in names, "ymm0" in names) == (cpu == "x86-64-v3",) * 3
