"""Debian's kernel from an editor: as it comes, with its debug information, and a program that it runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_debug_vmlinux, cloud_kernel
from tests.vmdbg.dap.editor import Editor, RefusedError, own_debugger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = """
struct order { int number; const char *what; };
static struct order kept[3];
static int fill(struct order *order, int number)
{
    static int calls;
    order->number = number;
    order->what = "bread";
    return ++calls;
}
int main(int argc, char **argv)
{
    (void)argv;
    return fill(&kept[argc], 41 + argc);
}
"""
FIRST_TASK = 1000


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled with debug information; its source lies beside it."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "orders.c").write_text(PROGRAM)
    command = ["gcc", "-g", "-O0", "-static", "-o", "orders", "orders.c"]
    subprocess.run(command, check=True, cwd=folder, timeout=100)
    return folder / "orders"


@pytest.fixture
def editor() -> Iterator[Editor]:
    with own_debugger() as made:
        yield made


def had(fetch: Callable[[], Path]) -> Path:
    """What a test needs, or the test is skipped."""
    try:
        return fetch()
    except AssetsMissingError as error:
        pytest.skip(str(error))


def boot(editor: Editor, initrd: Path, **arguments: object) -> None:
    kernel = had(cloud_kernel)
    editor.begin(kernel=str(kernel), initrd=str(initrd), memory="256M", stopOnEntry=True, **arguments)
    editor.ask("configurationDone")
    editor.stopped()


def first_call(editor: Editor, function: str, **when: str) -> None:
    """Functions of a kernel that is not unpacked yet are waited for."""
    editor.ask("setFunctionBreakpoints", breakpoints=[{"name": function, **when}])
    assert editor.go("continue")["reason"] == "function breakpoint"
    editor.ask("setFunctionBreakpoints", breakpoints=[])


def test_a_stock_kernel_has_stacks_types_and_its_sleeping_tasks(editor: Editor) -> None:
    boot(editor, had(busybox_initrd), tasks=True, cpus=2)
    first_call(editor, "do_sys_openat2", condition="lx_pid > 1")
    assert "do_sys_openat2" in editor.top()["name"]
    frames = editor.ask("stackTrace", threadId=_running(editor))["stackFrames"]
    assert any("entry_SYSCALL_64" in one["name"] for one in frames)
    task = editor.ask("evaluate", expression="task", context="watch", frameId=frames[0]["id"])
    members = editor.inside(task["variablesReference"])
    assert int(members["pid"]["value"]) > 1
    assert "struct mm_struct" in members["mm"]["type"]
    threads = editor.ask("threads")["threads"]
    sleeping = {one["name"]: one["id"] for one in threads if one["id"] >= FIRST_TASK}
    init = next(number for name, number in sleeping.items() if number == FIRST_TASK + 1)
    stack = editor.ask("stackTrace", threadId=init)["stackFrames"]
    assert any("wait" in one["name"] for one in stack), [one["name"] for one in stack]
    kernel = [one for one in stack if int(one["instructionPointerReference"], 16) >> 63]
    assert all(one["source"]["sourceReference"] for one in kernel)
    registers = editor.variables("Registers", stack[0]["id"])
    assert registers["rip"]["value"] == stack[0]["instructionPointerReference"]
    with pytest.raises(RefusedError, match="on no CPU"):
        editor.ask("next", threadId=init)
    with pytest.raises(RefusedError, match="are of CPUs"):
        editor.ask("evaluate", expression="rsp", context="watch", frameId=stack[0]["id"])
    with pytest.raises(RefusedError, match="on no CPU"):
        editor.ask("restartFrame", frameId=stack[1]["id"])
    assert any("kthreadd" in name for name in sleeping)


def _running(editor: Editor) -> int:
    """The CPU that has stopped."""
    threads = editor.ask("threads")["threads"]
    for thread in threads:
        if thread["id"] < FIRST_TASK and "do_sys_openat2" in editor.top(thread["id"])["name"]:
            return int(thread["id"])
    raise AssertionError(threads)


def test_a_kernel_with_debug_information_has_locals_and_goes_back_to_calls(editor: Editor) -> None:
    vmlinux = had(cloud_debug_vmlinux)
    boot(editor, had(busybox_initrd), symbols=[str(vmlinux)])
    first_call(editor, "vfs_read")
    top = editor.top()
    assert top["name"].startswith("vfs_read(file=")
    arguments = editor.variables("Arguments", top["id"])
    assert {"file", "buf", "count", "pos"} <= set(arguments)
    inside = editor.inside(arguments["file"]["variablesReference"])
    assert "f_op" in inside
    caller = editor.ask("stackTrace", threadId=1)["stackFrames"][1]
    assert "ret" in editor.variables("Locals", caller["id"]) or editor.variables("Arguments", caller["id"])
    editor.go("next")
    editor.go("next")
    editor.ask("restartFrame", frameId=editor.top()["id"])
    assert editor.stopped()["reason"] == "restart"
    assert editor.top()["name"].startswith(caller["name"].partition("(")[0])
    statics = editor.variables("Statics", editor.top()["id"])
    assert isinstance(statics, dict)
    modules = editor.ask("modules")["modules"]
    assert any(one["name"] == vmlinux.name and one["symbolStatus"] == "symbols and lines" for one in modules)


def test_a_program_is_debugged_by_its_source_in_a_kernel_that_comes_as_it_is(editor: Editor, program: Path) -> None:
    extra = {"bin/orders": program.read_bytes(), "autorun": b"#!/bin/sh\n/bin/orders\n"}
    boot(editor, busybox_initrd(extra), symbols=[str(program)])
    source = {"path": str(program.with_suffix(".c"))}
    line = next(number for number, text in enumerate(PROGRAM.splitlines(), 1) if "->what" in text)
    (made,) = editor.ask("setBreakpoints", source=source, breakpoints=[{"line": line}])["breakpoints"]
    stop = editor.go("continue")
    assert (stop["reason"], stop["hitBreakpointIds"]) == ("breakpoint", [made["id"]])
    assert editor.at() == f"orders.c:{line}"
    order = editor.inside(editor.variables("Arguments")["order"]["variablesReference"])
    assert (order["number"]["value"], order["what"]["value"]) == ("42", "NULL")
    assert set(editor.variables("Statics")) == {"calls", "kept"}
    editor.go("next")
    again = editor.inside(editor.variables("Arguments")["order"]["variablesReference"])
    assert "bread" in again["what"]["value"]
    editor.go("stepBack")
    editor.go("stepOut")
    assert editor.at().startswith("orders.c:")
    assert editor.top()["name"].startswith("main(")
    kept = editor.variables("Statics")["kept"]
    assert editor.inside(kept["variablesReference"])["[1]"]["value"].startswith("{number = 42, what = ")
