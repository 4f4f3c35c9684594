"""Files of the client are those of debug information, and no others of the same name."""

from __future__ import annotations

from pathlib import Path

from tests.vmdbg.dap.editor import own_debugger
from tests.vmdbg.dap.test_sample import SOURCES, line_of, source


def test_where_only_the_editor_knows_the_tree_one_breakpoint_shows_where_all_of_it_is(tmp_path: Path) -> None:
    with own_debugger(tmp_path) as editor:
        editor.begin(stopOnEntry=True)
        editor.ask("configurationDone")
        editor.stopped()
        assert "path" not in editor.top()["source"]
        line = line_of("main.c", "boot_info_init(")
        (made,) = editor.ask("setBreakpoints", source=source("main.c"), breakpoints=[{"line": line}])["breakpoints"]
        assert made["verified"]
        assert editor.top()["source"]["path"] == str(SOURCES / "boot.S")
        editor.go("continue")
        assert editor.at() == f"main.c:{line}"
        editor.go("stepIn")
        assert editor.top()["source"]["path"] == str(SOURCES / "boot_info.c")


def test_another_file_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main;\n")
    with own_debugger(tmp_path) as editor:
        editor.begin(stopOnEntry=True)
        elsewhere = {"path": str(tmp_path / "main.c")}
        (other,) = editor.ask("setBreakpoints", source=elsewhere, breakpoints=[{"line": 67}])["breakpoints"]
        assert not other["verified"]


def test_a_mapping_says_where_a_tree_is(tmp_path: Path) -> None:
    with own_debugger(tmp_path) as editor:
        editor.begin(stopOnEntry=True, sourceMap={"samples/kernel/": f"{SOURCES}/"})
        editor.ask("configurationDone")
        editor.stopped()
        assert editor.top()["source"]["path"] == str(SOURCES / "boot.S")
        line = line_of("main.c", "boot_info_init(")
        (made,) = editor.ask("setBreakpoints", source=source("main.c"), breakpoints=[{"line": line}])["breakpoints"]
        assert made["verified"]
