"""The extension for VS Code: what it offers is what vmdbg takes, and it packs."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.editors.code_server import packed_extension
from tests.guests.build import REPOSITORY
from vmdbg.cli.run_options import add_run_options
from vmdbg.dap.launch_words import RECORDING, words_of
from vmdbg.dap.settings import NAMES
from vmdbg.version import VERSION

FOLDER = REPOSITORY / "editors" / "vscode"
OWN = {*NAMES, "adapter", "args", "program", RECORDING}


def package() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    return found


def debugger() -> dict[str, Any]:
    (found,) = package()["contributes"]["debuggers"]
    assert isinstance(found, dict)
    return found


def test_every_member_of_a_launch_that_it_offers_is_an_option() -> None:
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    offered = set(debugger()["configurationAttributes"]["launch"]["properties"])
    for name in offered - OWN:
        (word,) = words_of({name: "x"})
        assert word.partition("=")[0] in known, name
    assert set(NAMES) <= offered


def test_what_it_says_of_itself_is_so() -> None:
    found = package()
    assert found["version"] == VERSION
    assert (FOLDER / found["main"]).is_file()
    assert all(json.loads((FOLDER / one["path"]).read_text()) for one in found["contributes"]["grammars"])
    for snippet in debugger()["configurationSnippets"]:
        assert snippet["body"]["type"] == "vmdbg"
        assert set(snippet["body"]) - {"type", "request", "name", "port"} <= set(
            debugger()["configurationAttributes"]["launch"]["properties"]
        )


def test_its_code_is_read_by_node_without_complaint() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js")
    for script in FOLDER.glob("*.js"):
        subprocess.run([node, "--check", str(script)], check=True, timeout=30)


@pytest.mark.slow
def test_it_is_packed(tmp_path: Path) -> None:
    packed_extension(tmp_path / "vmdbg.vsix")
    with zipfile.ZipFile(tmp_path / "vmdbg.vsix") as packed:
        names = packed.namelist()
    assert {"extension/package.json", *(f"extension/{script.name}" for script in FOLDER.glob("*.js"))} <= set(names)
