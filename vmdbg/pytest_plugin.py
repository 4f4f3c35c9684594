"""A pytest fixture that boots, records and inspects guests: `vmdbg_guest`.

    def test_init_runs(vmdbg_guest):
        guest = vmdbg_guest("vmlinuz", initrd="initrd.cpio")
        guest.expect("login:")
        assert guest.memory.cstring("linux_banner").startswith("Linux version")

Guests are closed at the end of the test. If it fails, `--vmdbg-keep DIRECTORY` writes the history of each of its guests
there, to be replayed. Registered by the entry point `pytest11` of the package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import pytest

if TYPE_CHECKING:
    from vmdbg.api.guest import Guest

_FAILED = pytest.StashKey[bool]()
_Options = ParamSpec("_Options")
_KEPT = pytest.StashKey[list[Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vmdbg")
    group.addoption("--vmdbg-keep", metavar="DIRECTORY", help="write the guests' histories of failed tests there")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture
def vmdbg_guest(request: pytest.FixtureRequest) -> Iterator[Callable[..., Guest]]:
    """Makes guests: the arguments are those of vmdbg.launch()."""
    from vmdbg.api.boot import launch

    guests: list[Guest] = []

    yield _noting(launch, guests)
    keep = request.config.getoption("--vmdbg-keep")
    for number, guest in enumerate(guests):
        if keep and request.node.stash.get(_FAILED, False):
            kept = _keep(guest, Path(keep), f"{request.node.name}-{number}")
            request.config.stash.setdefault(_KEPT, []).append(kept)
        guest.close()


def _noting(make: Callable[_Options, Guest], made: list[Guest]) -> Callable[_Options, Guest]:
    def noted(*arguments: _Options.args, **options: _Options.kwargs) -> Guest:
        made.append(make(*arguments, **options))
        return made[-1]

    return noted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for path in config.stash.get(_KEPT, []):
        terminalreporter.write_line(f"vmdbg: what happened in a failed test: vmdbg replay {path} --repl")


def _keep(guest: Guest, directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / (re.sub(r"[^\w.-]+", "_", name) + ".vmdbg")
    path.unlink(missing_ok=True)
    guest.save_recording(path)
    return path
