"""python, source, alias, echo and commands of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmdbg.commands import catalog
from vmdbg.commands.scripting import load_config
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session


def test_python_has_the_sessions_objects(session: Session) -> None:
    assert session.execute("python reg('rip') == debugger.pc") == "True\n"
    session.run("python kept = mem[reg('rsp')]")
    assert session.execute("python kept") == f"{session.evaluate('mem[rsp]'):#x}\n"
    assert session.execute("python [c for c in 'ab']") == "['a', 'b']\n"


def test_python_errors_name_the_line(session: Session) -> None:
    assert session.execute("python 1/0") == "error: <python>, line 1: ZeroDivisionError: division by zero\n"
    assert "SyntaxError" in session.execute("python for")
    assert "SystemExit" in session.execute("python raise SystemExit")


def test_source_runs_lines_and_names_the_one_that_fails(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("# a comment\n\np 1 + 1\necho done {cpl}\n")
    assert session.execute(f"source {path}") == "2\ndone 0\n"
    path.write_text("p 1\nnonsense\np 2\n")
    assert f"{path}, line 2: there is no command 'nonsense'" in session.execute(f"source {path}")
    path.write_text(f"source {path}\n")
    assert "16 deep" in session.execute(f"source {path}")


def test_a_python_file(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text("print(hex(reg('cr0')))\n")
    assert session.execute(f"source {path}") == f"{session.registers.read('cr0'):#x}\n"


def test_aliases(session: Session) -> None:
    session.run("alias rr registers")
    assert session.execute("rr rax") == session.execute("registers rax")
    session.run("alias a b")
    session.aliases |= {"loop": "loop2", "loop2": "loop"}
    assert "refer to one another" in session.execute("loop")
    session.run("alias rr")
    assert "there is no alias 'rr'" in session.execute("alias rr")


def test_echo_fills_in_what_braces_hold(session: Session) -> None:
    assert session.execute("echo rip is {rip:x}, 1 + 1 is {1 + 1}") == f"rip is {session.debugger.pc:x}, 1 + 1 is 2\n"
    assert session.execute("echo") == "\n"


def test_ones_own_commands(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vmdbg").mkdir()
    (tmp_path / "vmdbg" / "init.py").write_text(
        "@command('hello', examples=('hello',))\n"
        "def hello(session, arguments):\n"
        "    '''Greet.'''\n"
        "    return document(f'hello {arguments.words}')\n"
    )
    assert load_config(session) == ""
    assert session.execute("hello a b") == "hello ['a', 'b']\n"
    assert "Greet." in session.execute("help hello")


def test_a_broken_file_of_ones_own_says_where(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vmdbg").mkdir()
    (tmp_path / "vmdbg" / "init.py").write_text("x = 1\nnothing()\n")
    with pytest.raises(Exception, match="line 2: NameError"):
        load_config(session)


def test_gdbs_monitor_reaches_no_files(session: Session, tmp_path: Path) -> None:
    monitor = Session(session.debugger, catalog.commands(), allowed=Effect.CHANGES, owner="gdb")
    try:
        for line in (f"source {tmp_path}", "python open('/etc/passwd').read()", f"symbol-file {tmp_path}"):
            assert "cannot be used here" in monitor.execute(line)
    finally:
        monitor.close()
