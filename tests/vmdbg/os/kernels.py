"""Stock Debian kernels of several ages, fetched with apt into a cache directory outside the system.

`VMDBG_TEST_CACHE` names the directory (default `~/.cache/vmdbg-tests`). apt runs over sources and lists of
its own, so the system's are neither used nor changed.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel image, its modules' directory and its release, unpacked."""

    label: str
    release: str
    image: Path
    modules: Path

    def module(self, name: str) -> Path:
        """The `.ko`, `.ko.xz` file of a module."""
        return next(self.modules.rglob(f"{name}.ko*"))


@dataclass(frozen=True, slots=True)
class Source:
    suites: tuple[str, ...]
    package: str


SOURCES = {
    "5.10-cloud": Source(("debian-security bullseye-security",), "linux-image-cloud-amd64"),
    "6.1-cloud": Source(("debian bookworm", "debian-security bookworm-security"), "linux-image-cloud-amd64"),
    "6.1-generic": Source(("debian bookworm", "debian-security bookworm-security"), "linux-image-amd64"),
    "6.12-cloud": Source(("debian trixie", "debian-security trixie-security"), "linux-image-cloud-amd64"),
    "newest-cloud": Source(("debian sid",), "linux-image-cloud-amd64"),
}


def cache_directory() -> Path:
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vmdbg-tests"
    return Path(os.environ.get("VMDBG_TEST_CACHE", default))


@contextmanager
def being_made(target: Path) -> Iterator[bool]:
    """Whether a directory of the cache is still to be filled; whoever else wants it waits meanwhile."""
    target.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not (target / "complete").exists()
        yield missing
        if missing:
            (target / "complete").touch()


def fetch(label: str) -> Kernel:
    """From the cache or from the archive. Raises `CalledProcessError`, `OSError`."""
    root = cache_directory() / "kernels" / label
    with being_made(root) as missing:
        if missing:
            _download(SOURCES[label], root)
    image = next(root.rglob("vmlinuz*"))
    modules = next(path for path in root.rglob("lib/modules/*") if path.is_dir())
    return Kernel(label, modules.name, image, modules)


def _download(source: Source, root: Path) -> None:
    options = _apt_options(source, root)
    subprocess.run(["apt-get", *options, "update"], check=True, capture_output=True)
    image = _dependencies(options, source.package, r"linux-image-.*amd64")[0]
    parts = _dependencies(options, image, r"linux-(binary|modules|base)-\d.*amd64")
    packages = root / "packages"
    packages.mkdir(exist_ok=True)
    subprocess.run(["apt-get", *options, "download", image, *parts], cwd=packages, check=True, capture_output=True)
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root / "files"], check=True)
        package.unlink()


def _apt_options(source: Source, root: Path) -> list[str]:
    apt = root / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    lines = [f"deb [signed-by={KEYRING}] http://deb.debian.org/{suite} main\n" for suite in source.suites]
    (apt / "sources.list").write_text("".join(lines))
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _dependencies(options: list[str], package: str, pattern: str) -> list[str]:
    shown = subprocess.run(
        ["apt-cache", *options, "depends", package], check=True, capture_output=True, text=True
    ).stdout
    names = re.findall(r"Depends: (\S+)", shown)
    return [name for name in names if re.fullmatch(pattern, name)]
