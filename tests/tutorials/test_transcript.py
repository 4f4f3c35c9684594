"""The tutorials' tests can fail: what is not as shown is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tutorials.transcript import GDB, SHELL, Command, commands, difference

PAGE = """\
Read this:

```console
$ vmdbg run
hello
(gdb) continue
(gdb) print x
$1 = 2
```

```c
$ not a session
```
"""


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ("a\nb", "a\n\nb\n"),
        ("#0 ... at bank.c:50", "#0 0x1234 in f () at bank.c:50"),
        ("at 0xffffffff80103b48", "at 0xffffffff80103999"),
        ("rip ffffffff80103b48,", "rip ffffffff80000000,"),
        ("first\n...\nlast", "first\n1\n2\nlast"),
        ("...", ""),
        ("", ""),
    ],
)
def test_output_as_shown(expected: str, said: str) -> None:
    assert difference(expected.splitlines(), said) is None


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("#0 ... at bank.c:50", "#0 0x1234 in f () at bank.c:51"),
        ("posted = 6", "posted = 7"),
        ("", "Cannot access memory"),
        ("first\n...\nlast", "first\n1"),
        ("x.c", "xyc"),
    ],
)
def test_output_not_as_shown(expected: str, said: str) -> None:
    found = difference(expected.splitlines(), said)
    assert found is not None
    assert "got:" in found


def test_commands_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert commands(page) == [
        Command(SHELL, "vmdbg run", ("hello",), 4),
        Command(GDB, "continue", (), 6),
        Command(GDB, "print x", ("$1 = 2",), 7),
    ]
