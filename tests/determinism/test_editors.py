"""An editor that steps, looks and goes back and forth does nothing that the guest could tell."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from tests.vmdbg.dap.editor import Editor, RefusedError, own_debugger

END = 600_000
"""The sample kernel has begun its demonstration by then."""
FUNCTIONS = ("printk", "demo_run", "boot_info_print", "paging_init")


def alone() -> object:
    lines = ["-x", f"goto {END}", "-x", "digest --json"]
    command = [sys.executable, "-m", "vmdbg", "run", "--serial", "none", *lines]
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=100)
    return json.loads(done.stdout.splitlines()[-1])


def look(editor: Editor, rng: random.Random) -> None:
    frame = editor.top()
    for scope in editor.ask("scopes", frameId=frame["id"])["scopes"]:
        if rng.random() < 0.4:
            editor.ask("variables", variablesReference=scope["variablesReference"])
    editor.ask("disassemble", memoryReference="$rip", instructionOffset=-4, instructionCount=9)
    editor.ask("readMemory", memoryReference="$rsp", count=256)
    for expression in ("rax + 1", "mem[rsp]", "nosuch"):
        try:
            editor.ask("evaluate", expression=expression, context="hover", frameId=frame["id"])
        except RefusedError:
            continue


def go(editor: Editor, rng: random.Random) -> None:
    command = rng.choice(("next", "stepIn", "stepOut", "stepBack", "continue", "reverseContinue", "console"))
    granularity = rng.choice(("line", "instruction"))
    try:
        if command == "console":
            editor.command(rng.choice(("stepi 50", "reverse-stepi 3", "goto +5000", "goto -2000", "bt", "cpus")))
            return
        steps = command not in ("continue", "reverseContinue")
        editor.ask(command, threadId=1, **({"granularity": granularity} if steps else {}))
    except RefusedError:
        return
    editor.stopped()


@pytest.mark.parametrize("seed", range(3))
def test_what_an_editor_does_leaves_the_guest_as_it_would_be_alone(seed: int) -> None:
    rng = random.Random(seed)
    with own_debugger() as editor:
        editor.begin(stopOnEntry=True)
        breakpoints = [
            {"name": name, "condition": "rax != 77", "hitCondition": rng.choice(("", "% 3", "> 2"))}
            for name in FUNCTIONS
        ]
        editor.ask("setFunctionBreakpoints", breakpoints=breakpoints)
        editor.ask("setExceptionBreakpoints", filters=["vector14", "cr3"])
        editor.ask("configurationDone")
        editor.stopped()
        for _ in range(12):
            look(editor, rng)
            go(editor, rng)
            editor.events.clear()
        editor.ask("setFunctionBreakpoints", breakpoints=[])
        editor.ask("setExceptionBreakpoints", filters=[])
        editor.command(f"goto {END}")
        found = json.loads(editor.command("digest --json").splitlines()[-1])
    assert found == alone()
