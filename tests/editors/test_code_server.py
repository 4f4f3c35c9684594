"""The extension in a real VS Code, in a real browser: the sample kernel by its source, both ways."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.editors.code_server import packed_extension, served, started_by
from tests.vmdbg.dap.test_sample import SOURCES, line_of
from tests.vmdbg.web.browser import Browser, Tab, browser, needed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SECONDS = 40
MAP = {"samples/kernel/": "${workspaceFolder}/"}
TOP = "document.querySelector('.debug-call-stack .monaco-list-row .stack-frame')?.textContent ?? ''"
VARIABLES = "document.querySelector('.debug-variables')?.textContent ?? ''"
CONSOLE = "document.querySelector('.repl')?.textContent ?? ''"
START = ".start-debug-action-item .codicon-debug-start"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL, and the folder of everything that is the editor's."""
    needed()
    folder = tmp_path_factory.mktemp("editor")
    packed_extension(folder / "vmdbg.vsix")
    program = folder / "vmdbg"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m vmdbg "$@"\n')
    program.chmod(0o755)
    settings = {"vmdbg.path": str(program), "workbench.startupEditor": "none", "window.commandCenter": False}
    with served(folder, folder / "vmdbg.vsix", settings) as url:
        yield url, folder


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser() as made:
        yield made


def workspace(folder: Path, **configuration: object) -> Path:
    """The sample's sources, with one launch configuration."""
    (folder / ".vscode").mkdir(parents=True)
    for source in SOURCES.glob("*.[chS]"):
        (folder / source.name).symlink_to(source)
    launch = {"type": "vmdbg", "request": "launch", "name": "the sample kernel", **configuration}
    told = {"version": "0.2.0", "configurations": [launch]}
    (folder / ".vscode" / "launch.json").write_text(json.dumps(told))
    return folder


def opened(chromium: Browser, url: str, folder: Path) -> Tab:
    """With the debug view on the left."""
    tab = chromium.open(f"{url}?folder={folder}", width=1400, height=860)
    tab.until("document.querySelector('.explorer-folders-view .monaco-list-row') !== null")
    tab.do("press", "Control+Shift+D")
    tab.do("waitForSelector", START)
    return tab


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what


def command(tab: Tab, words: str) -> None:
    """Of the palette."""
    tab.do("press", "F1")
    tab.do("fill", ".quick-input-widget input.input", f">{words}")
    tab.do("click", f".quick-input-list .monaco-list-row[aria-label^='{words}']")


def in_page(tab: Tab, expression: str) -> Any:
    """In the machine's page, once its panel shows it."""
    return tab.in_frame("/proxy/", expression)


def break_in(tab: Tab, file: str, line: int) -> None:
    tab.do("press", "Control+P")
    tab.do("fill", ".quick-input-widget input.input", f"{file}:{line}")
    tab.do("click", f".quick-input-list .monaco-list-row[aria-label^='{file}']")
    tab.until(f"document.body.innerText.includes('Ln {line},')")
    tab.do("press", "F9")
    tab.until("document.querySelector('.codicon-debug-breakpoint') !== null")


def steer(tab: Tab, key: str) -> None:
    """By a key, once the editor takes it: the frames of a stop are shown before its keys are bound."""
    tab.do("waitForSelector", ".debug-toolbar .codicon-debug-continue:not(.disabled)")
    tab.do("press", key)


def test_the_sample_is_debugged_by_its_source_in_both_directions(
    editor: tuple[str, Path], chromium: Browser, tmp_path: Path
) -> None:
    url, folder = editor
    tab = opened(chromium, url, workspace(tmp_path / "sample", stopOnEntry=True, web=True, sourceMap=MAP))
    line = line_of("main.c", "demo_run();")
    break_in(tab, "main.c", line)
    tab.do("click", START)
    tab.until(f"({TOP}).startsWith('multiboot_entry')")
    steer(tab, "F5")
    tab.until(f"({TOP}).startsWith('kernel_main')")
    here = tab.evaluate(TOP)
    assert here.endswith(f"main.c{line}:1")
    tab.until(f"/loader\\s*=\\s*1/.test({VARIABLES})")
    tab.until(f"({CONSOLE}).includes('vmdbg sample kernel')")

    steer(tab, "F11")
    tab.until(f"({TOP}).startsWith('demo_run')")
    tab.do("click", ".debug-toolbar .codicon-debug-step-back")
    tab.until(f"({TOP}) === {json.dumps(here)}")
    steer(tab, "F10")
    tab.until(f"({TOP}).startsWith('kernel_main') && ({TOP}) !== {json.dumps(here)}")
    tab.do("click", ".debug-toolbar .codicon-debug-reverse-continue")
    tab.until(f"({TOP}) === {json.dumps(here)}")

    assert started_by(folder, "dap") != []
    tab.do("press", "Shift+F5")
    tab.until("document.querySelector('.debug-toolbar')?.offsetParent == null")
    until(lambda: not started_by(folder, "dap"), "vmdbg goes on without its editor")


def test_the_timeline_stands_beside_the_source_at_the_same_instant(
    editor: tuple[str, Path], chromium: Browser, tmp_path: Path
) -> None:
    url, folder = editor
    tab = opened(chromium, url, workspace(tmp_path / "sample", stopOnEntry=True, web=True, sourceMap=MAP))
    tab.do("click", START)
    tab.until(f"({TOP}).startsWith('multiboot_entry')")
    command(tab, "vmdbg: Show Timeline")
    tick = "document.querySelector('#tick')?.textContent"
    until(lambda: in_page(tab, tick) == "0", "no page in the panel")
    first = tab.evaluate(TOP)
    tab.do("click", ".debug-toolbar .codicon-debug-step-over")
    until(lambda: in_page(tab, tick) != "0", "a step of the editor is not one of the page")
    tab.until(f"({TOP}).startsWith('multiboot_entry') && ({TOP}) !== {json.dumps(first)}")
    in_page(tab, "document.querySelector('[data-move=reverse-stepi]').click()")
    tab.until(f"({TOP}) === {json.dumps(first)}")
    until(lambda: in_page(tab, tick) == "0", "a step of the page is not one of the editor")
    tab.do("press", "Shift+F5")
    until(lambda: not started_by(folder, "dap"), "vmdbg goes on without its editor")


def test_where_no_source_is_found_it_stands_in_assembly_and_breaks_there(
    editor: tuple[str, Path], chromium: Browser, tmp_path: Path
) -> None:
    url, folder = editor
    tab = opened(chromium, url, workspace(tmp_path / "sample", stopOnEntry=True))
    tab.do("click", START)
    tab.until(f"({TOP}) === 'multiboot_entry()multiboot_entry2:1'")
    tab.do("waitForSelector", ".repl")
    tab.do("click", ".view-line:has-text('<protected_mode>')")
    tab.until("document.body.innerText.includes('Ln 5,')")
    tab.do("press", "F9")
    tab.until("document.querySelector('.codicon-debug-breakpoint') !== null")
    steer(tab, "F5")
    tab.until(f"({TOP}) === 'multiboot_entry()multiboot_entry5:1'")
    tab.do("press", "Shift+F5")
    until(lambda: not started_by(folder, "dap"), "vmdbg goes on without its editor")


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ("no-such-vmdbg", "no-such-vmdbg is in no folder of PATH"),
        ("false", "no answer of `false dap` ("),
    ],
)
def test_what_cannot_be_started_is_said(
    editor: tuple[str, Path], chromium: Browser, tmp_path: Path, adapter: str, said: str
) -> None:
    tab = opened(chromium, editor[0], workspace(tmp_path / "sample", adapter=adapter))
    tab.do("click", START)
    tab.until(f"document.body.innerText.includes({json.dumps(said)})")
