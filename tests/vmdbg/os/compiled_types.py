"""A small C program compiled here, its BTF by pahole, and its memory to read values from."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from vmdbg.os.linux.btf import Btf
from vmdbg.units import Linear
from vmdbg.x86.linear_memory import UnmappedLinearError

SOURCE = r"""
struct point { int x, y; };
enum colour { RED, GREEN = 5, NEGATIVE = -3 };
enum big { HUGE = 0x123456789abcdefULL };
typedef unsigned long word;
union number { long whole; double real; char text[8]; };
struct list { struct list *next, *prev; };
struct thing {
    char name[16];
    struct point where;
    struct { int inner; union { short left; unsigned char right; }; };
    unsigned flag : 3, level : 5; int low : 7;
    enum colour colour;
    word words[4];
    const char *label;
    int (*call)(struct thing *, unsigned long, ...);
    struct list links;
    _Bool yes;
    union number number;
    struct point *grid[6];
};
struct thing the_thing;
enum colour a_colour;
enum big a_big;
int compute(struct thing *thing, word count) { return thing->low + count; }
"""
EXTRA = r"""
struct point { int x, y; };
struct thing;
struct extra { struct thing *thing; struct point at; long only_here; };
struct extra one;
"""
OFFSETS = (
    "name", "where", "where.y", "inner", "left", "right", "colour", "words", "label", "call", "links.prev",
    "yes", "number", "grid",
)  # fmt: skip


@cache
def compiled() -> tuple[bytes, bytes, dict[str, int]]:
    """(BTF, split BTF over it, offsets that the compiler gives)."""
    if not shutil.which("pahole") or not shutil.which("gcc"):
        pytest.skip("needs gcc and pahole")
    with TemporaryDirectory() as name:
        directory = Path(name)
        base = _encode(directory, "base", SOURCE, [])
        split = _encode(directory, "split", EXTRA, ["--btf_base", str(directory / "base.btf")])
        return base, split, _offsets(directory)


def _encode(directory: Path, name: str, source: str, options: list[str]) -> bytes:
    (directory / f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-g", "-gdwarf-4", "-c", f"{name}.c"], cwd=directory, check=True)
    subprocess.run(
        ["pahole", *options, "--btf_gen_floats", "--btf_encode_detached", f"{name}.btf", f"{name}.o"],
        cwd=directory,
        check=True,
    )
    return (directory / f"{name}.btf").read_bytes()


def _offsets(directory: Path) -> dict[str, int]:
    prints = "".join(f'printf("{path} %zu\\n", __builtin_offsetof(struct thing, {path}));' for path in OFFSETS)
    size = 'printf("sizeof %zu\\n", sizeof(struct thing));'
    (directory / "main.c").write_text(f"#include <stdio.h>\n{SOURCE}\nint main(void) {{ {prints}{size} return 0; }}")
    subprocess.run(["gcc", "-o", "main", "main.c"], cwd=directory, check=True)
    shown = subprocess.run(["./main"], cwd=directory, check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in shown.splitlines()}


def base_btf() -> Btf:
    return Btf(compiled()[0])


def split_btf() -> Btf:
    return Btf(compiled()[1], base_btf())


class Buffer:
    """A space with one piece of memory at `start`."""

    def __init__(self, start: int, data: bytes) -> None:
        self.start = start
        self.data = data

    def read(self, address: int, size: int) -> bytes:
        offset = address - self.start
        if offset < 0 or offset + size > len(self.data):
            raise UnmappedLinearError(Linear(address), "outside of the buffer")
        return self.data[offset : offset + size]

    def string(self, address: int, limit: int = 4096) -> str:
        self.read(address, 1)
        offset = address - self.start
        return self.data[offset : offset + limit].partition(b"\0")[0].decode()

    def describe(self, address: int) -> str:
        return "compute" if address == 0xC0DE else ""
