"""Debian's Python with what it needs and nothing else, for any architecture: packages, unpacked into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.linux_assets import AssetsMissingError, cache_directory

NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Debian's of architectures."""
PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib")
MOUNTED = ("dev", "proc", "mnt")
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
SECONDS = 600


def debian_root(architecture: str) -> Path:
    """The folder that is "/" of it."""
    place = cache_directory() / f"python-root-{architecture}"
    if not place.exists():
        if shutil.which("apt-get") is None or not Path(KEYS).exists():
            raise AssetsMissingError("apt-get and Debian's keys are missing: a bare Python is taken from its packages")
        with tempfile.TemporaryDirectory(dir=cache_directory()) as scratch:
            os.rename(_unpacked(Path(scratch), NAMES[architecture]), place)
    return place


def _unpacked(scratch: Path, architecture: str) -> Path:
    """By an apt that knows nothing of this machine's packages, and leaves them as they are."""
    for folder in ("lists/partial", "cache/archives/partial", "root"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources.list").write_text(f"deb [signed-by={KEYS}] http://deb.debian.org/debian bookworm main\n")
    configuration = scratch / "apt.conf"
    configuration.write_text(f"""
        APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }}; APT::Sandbox::User "";
        Dir::State "{scratch}"; Dir::State::status "{scratch}/status"; Dir::State::lists "{scratch}/lists";
        Dir::Cache "{scratch}/cache"; Dir::Etc::sourcelist "{scratch}/sources.list"; Dir::Etc::sourceparts "-";
    """)
    for command in (["update"], ["install", "-y", "--no-install-recommends", "--download-only", *PACKAGES]):
        _run(["apt-get", "-q", *command], os.environ | {"APT_CONFIG": str(configuration)})
    for package in sorted((scratch / "cache" / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(scratch / "root")], dict(os.environ))
    return scratch / "root"


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise AssetsMissingError(f"`{' '.join(command)}` failed: {reason}. Is the machine offline?")


def in_root(root: Path, work: Path, *command: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """A command where `root` is all that there is, but for /proc, /dev, and `work`, which is /mnt.

    Skips the test where users may not have such a place.
    """
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this user may not make a mount namespace")
    for folder in MOUNTED:
        (root / folder).mkdir(exist_ok=True)
    places = zip(("/dev", "/proc", work), MOUNTED, strict=True)
    mounts = "".join(f"mount --rbind {source} {root}/{at} && " for source, at in places)
    script = f'{mounts}PATH=/mnt/venv/bin:/usr/bin exec {shutil.which("chroot")} {root} "$@"'
    environment = {"PATH": os.environ["PATH"], "HOME": "/mnt", "TMPDIR": "/mnt", "LANG": "C.UTF-8"}
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *command],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip
