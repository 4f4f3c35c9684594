"""What `make wheels` makes, and what pip fetches beside it, in the cache for as long as the sources are the same."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY
from tests.linux_assets import AssetsMissingError, cache_directory

PACKED = ("vmdbg", "devices", "gdbstub", "dapstub", "samples/kernel", "packaging")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "COPYING")
UNPACKED = (".so", ".pyc", ".elf", ".o")
PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_24", "manylinux_2_26", "manylinux_2_28")
"""What Debian 12 takes."""
BUILD_SECONDS, FETCH_SECONDS = 1500, 300


def _sources() -> Iterator[Path]:
    for name in PACKED:
        yield from (path for path in sorted((REPOSITORY / name).rglob("*")) if path.suffix not in UNPACKED)
    yield from (REPOSITORY / name for name in FILES)


def _kept(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made by `make` unless it is there; of several with that name only the newest is kept."""
    place = cache_directory() / f"{name}-{key[:16]}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=cache_directory()) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            make(made)
            for old in cache_directory().glob(f"{name}-*"):
                shutil.rmtree(old, ignore_errors=True)
            os.rename(made, place)
    return place


def built(architecture: str) -> Path:
    """The folder with the wheel for an architecture, and the sources' archive."""
    whole = hashlib.sha256()
    for path in _sources():
        if path.is_file():
            whole.update(f"{path.relative_to(REPOSITORY)} ".encode() + path.read_bytes())

    def make(folder: Path) -> None:
        command = [sys.executable, REPOSITORY / "packaging" / "wheels.py", architecture, "--dist", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        if " is missing" in last or "make web" in last:
            raise AssetsMissingError(last)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    return _kept(f"wheels-{architecture}", whole.hexdigest(), make)


def wheel(architecture: str) -> Path:
    (found,) = built(architecture).glob("*.whl")
    return found


def pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS)
    if done.returncode:
        pytest.skip(f"pip cannot fetch: {done.stderr.strip()[-300:]}")


def for_debian(architecture: str) -> Sequence[str]:
    """Options of pip: for Debian 12's Python, on another architecture than this machine's too."""
    tags = [f"--platform={tag}_{architecture}" for tag in PLATFORMS]
    return (*tags, "--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none")


def with_dependencies(architecture: str) -> Path:
    """A folder with the wheel, those that it needs, and pip's."""

    def make(folder: Path) -> None:
        words = ("--only-binary=:all:", *for_debian(architecture), "--dest", str(folder))
        pip("download", *words, wheel(architecture), "pip", "pytest")

    return _kept(f"installed-{architecture}", hashlib.sha256(wheel(architecture).read_bytes()).hexdigest(), make)
