"""Guests for tests: assembled with nasm or compiled with gcc when a test asks for them.

Results are kept under `.cache/guests`, which git ignores, by the hash of everything they depend on.
A test that needs a tool which is not installed is skipped with the reason.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

GUESTS = Path(__file__).parent
REPOSITORY = GUESTS.parent.parent
SAMPLE_KERNEL = REPOSITORY / "samples" / "kernel"
CACHE = REPOSITORY / ".cache" / "guests"

FREESTANDING = (
    "-O1", "-g", "-gdwarf-4", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static",
    "-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables",
    "-fno-omit-frame-pointer", "-mgeneral-regs-only", "-mno-red-zone",
    "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
)  # fmt: skip


def require(tool: str) -> str:
    """Path of `tool`; skips the test if it is not installed."""
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed (on Debian: apt-get install {tool})")
    return path


@functools.cache
def _version(tool: str) -> str:
    return subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout


def _cached(key: Sequence[str], make: Callable[[Path], None]) -> Path:
    """The file that `make` writes to the path it is given, made once for each key."""
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()
    result = CACHE / digest[:32]
    if not result.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            made = Path(scratch) / "result"
            make(made)
            os.replace(made, result)
    return result


def _run(command: Sequence[str | Path], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def assemble(source: str, *, bits: int = 64, origin: int = 0, defines: Mapping[str, int | str] | None = None) -> bytes:
    """Flat binary of nasm source text in 16, 32 or 64 `bits` mode at `origin`, unless it says otherwise.

    The text may %include the .inc files beside this module.
    """
    prologue = f"bits {bits}\norg {origin:#x}\n" if "org " not in source else ""
    return _nasm(prologue + source, defines or {})


def assemble_file(name: str, *, defines: Mapping[str, int | str] | None = None) -> bytes:
    """Flat binary of the guest `name`.asm of this directory."""
    return _nasm((GUESTS / f"{name}.asm").read_text(), defines or {})


def _nasm(source: str, defines: Mapping[str, int | str]) -> bytes:
    nasm = require("nasm")
    flags = [f"-D{name}={value}" for name, value in sorted(defines.items())]
    includes = [path.read_text() for path in sorted(GUESTS.glob("*.inc"))]

    def make(result: Path) -> None:
        text = result.with_suffix(".asm")
        text.write_text(source)
        _run([nasm, "-f", "bin", "-Wall", "-I", f"{GUESTS}/", *flags, "-o", result, text])

    return _cached(["nasm", _version(nasm), source, *flags, *includes], make).read_bytes()


def compile_c(source: str, *, text_address: int = 0x100000, flags: Sequence[str] = ()) -> Path:
    """Path of a static ELF with DWARF of freestanding C source text with its own `_start`."""
    gcc = require("gcc")
    options = [*FREESTANDING, f"-Wl,-Ttext={text_address:#x}", *flags]

    def make(result: Path) -> None:
        result.with_name("guest.c").write_text(source)
        _run([gcc, *options, "-o", "result", "guest.c"], cwd=result.parent)

    return _cached(["gcc", _version(gcc), source, *options], make)


def build_program(source: str, flags: Sequence[str] = ()) -> Path:
    """Path of a program of C source text for this host."""
    gcc = require("gcc")
    options = ["-O2", "-Wall", "-Werror", "-fpie", "-pie", *flags]

    def make(result: Path) -> None:
        result.with_name("program.c").write_text(source)
        _run([gcc, *options, "-o", "result", "program.c"], cwd=result.parent)

    return _cached(["program", _version(gcc), source, *options], make)


def sample_kernel(name: str = "sample.elf") -> Path:
    """Path of samples/kernel's ELF, built from a copy of its sources so that the tree stays as it is.

    "sample-smp.elf" is the one for several CPUs.
    """
    gcc, make_tool = require("gcc"), require("make")
    suffixes = {".c", ".h", ".S", ".ld"}
    sources = sorted(p for p in SAMPLE_KERNEL.rglob("*") if p.suffix in suffixes or p.name == "Makefile")

    def make(result: Path) -> None:
        tree = result.with_name("tree")
        tree.mkdir()
        for source in sources:
            copy = tree / source.relative_to(SAMPLE_KERNEL)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(source, copy)
        _run([make_tool, "-s", "-j2", "-C", tree, name])
        os.replace(tree / name, result)

    found = _cached(["sample", name, _version(gcc), *(f"{p.name}\n{p.read_text()}" for p in sources)], make)
    if found.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        os.utime(found)  # sources of the same content, checked out later: gdb would warn of them
    return found
