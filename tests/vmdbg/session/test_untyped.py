"""Variables whose type nobody tells: what is taken for them is said."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guests.build import require
from tests.vmdbg.conftest import open_session
from tests.vmdbg.gdb.guests import guest
from vmdbg.document.plain import render_plain
from vmdbg.session.session import Session

SOURCE = """
char byte = 1; short narrow = 2; int counter = 3; long wide = 4; char table[24] = { 5 }; int last = 6;
void _start(void) { for (;;) asm volatile("hlt"); }
int helper(int counter) { return counter; }
"""
OPTIONS = (
    "-O0", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static", "-Wl,-Ttext=0x200000",
    "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
)  # fmt: skip
SIZES = {"byte": 1, "narrow": 2, "counter": 4, "wide": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`program` and `plain` are alike but for debug information; `map` is what nm says."""
    directory = tmp_path_factory.mktemp("untyped")
    (directory / "program.c").write_text(SOURCE)
    for name, more in (("program", ["-g"]), ("plain", [])):
        source = str(directory / "program.c")
        subprocess.run([require("gcc"), *OPTIONS, *more, "-o", str(directory / name), source], check=True)
    names = subprocess.run([require("nm"), str(directory / "plain")], check=True, capture_output=True).stdout
    (directory / "map").write_bytes(names)
    subprocess.run([require("strip"), "-o", str(directory / "bare"), str(directory / "plain")], check=True)
    return directory


@pytest.fixture
def stopped(folder: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A guest without debug information, and its names by the file that is asked for."""
    with guest((folder / "bare").read_bytes()) as made:
        session = open_session(made.debugger)
        session.sources.add(folder / getattr(request, "param", "plain"))
        yield session


def says(session: Session, line: str) -> str:
    return render_plain(session.run(line))


WAYS = (
    "break _start if {} > 5", "break _start if 5 < {} + 1", "logpoint _start '{{{}}}'", "display {} == 5",
    "print {} > 5", "print '{{{}}}'", "watch byte if {} == value", "break _start if !{}",
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SIZES)
def test_an_address_taken_for_a_value_is_said_with_what_reads_it(stopped: Session, way: str, name: str) -> None:
    words = f"no type is known of {name}: its address is taken; u{8 * SIZES[name]}({name}) reads it"
    assert says(stopped, way.format(name)).count(words) == 1


@pytest.mark.parametrize("stopped", ["map"], indirect=True)
def test_a_list_of_symbols_says_no_size(stopped: Session) -> None:
    words = says(stopped, "break _start if counter > 5")
    assert "its address is taken; u32(counter) or u64(counter) reads what is there" in words


@pytest.mark.parametrize("stopped", ["plain", "map"], indirect=True)
@pytest.mark.parametrize(
    "line",
    ["break _start if rip == _start", "break _start if u32(counter) > 5", "break _start if &counter != 0", "x counter",
     "print counter + 4", "print mem[counter, 4]", "print counter", "break _start if *(int *)counter == 3",
     "break _start if _start + 4 > rip"],
)  # fmt: skip
def test_addresses_that_are_meant_are_not_spoken_of(stopped: Session, line: str) -> None:
    assert "no type" not in says(stopped, line)


def test_an_array_is_its_address_as_in_c(stopped: Session) -> None:
    assert "no type" not in says(stopped, "break _start if rdi == table")


@pytest.mark.parametrize("stopped", ["program"], indirect=True)
def test_what_has_a_type_is_taken_for_what_it_holds(stopped: Session) -> None:
    for name in SIZES:
        assert "no type" not in says(stopped, f"break helper if {name} > 5")
    assert bool(stopped.value("counter == 3"))


def test_another_name_of_the_users_is_no_symbol(stopped: Session) -> None:
    stopped.run("print counter = 7")
    assert "no type" not in says(stopped, "break _start if counter == 7")
