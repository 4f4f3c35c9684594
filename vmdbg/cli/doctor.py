"""`vmdbg doctor`: whether everything that vmdbg needs is here and works."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from vmdbg.errors import EngineError, UserError
from vmdbg.host.exit_code import ExitCode
from vmdbg.host.sample import sample_path
from vmdbg.host.start import GuestFiles, engine_version, start
from vmdbg.host.terminal import both_ends_are_terminals
from vmdbg.machine.config import MachineConfig
from vmdbg.units import Tick
from vmdbg.x86.cpu_models import DEFAULT_MODEL, MODELS

_MINIMUM_PYTHON = (3, 11)


class State(Enum):
    """FAIL keeps vmdbg from working; WARN keeps a feature from it."""

    OK = "ok"
    WARN = "warning"
    FAIL = "FAILED"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    text: str


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser("doctor", help=line, allow_abbrev=False)
    parser.set_defaults(command=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Print the checks; an engine failure's exit code if one failed."""
    del options
    checks = list(run_checks())
    for check in checks:
        print(f"{check.state.value:<8} {check.name:<15} {check.text}")
    return ExitCode.ENGINE if any(check.state is State.FAIL for check in checks) else ExitCode.DONE


def run_checks() -> Iterator[Check]:
    checks: tuple[Callable[[], Check], ...] = (_python, _engine, _sample, _memory, _gdb, _lldb, _terminal)
    for check in checks:
        yield check()
    yield from _models()


def _models() -> Iterator[Check]:
    """What `--cpu` can be, each with what it has and the one before it has not."""
    before: frozenset[str] = frozenset()
    for model in MODELS.values():
        default = " (the default)" if model.name == DEFAULT_MODEL else ""
        features = " ".join(sorted(model.features - before))
        text = f"{model.description}{default}; {'and ' if before else ''}{features}"
        yield Check(f"--cpu {model.name}", State.OK, text)
        before = model.features


def _python() -> Check:
    state = State.OK if sys.version_info >= _MINIMUM_PYTHON else State.FAIL
    return Check("python", state, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _engine() -> Check:
    """Build a machine and run the sample kernel's first instructions on it."""
    try:
        started = start(GuestFiles(), MachineConfig())
    except EngineError as error:
        return Check("engine", State.FAIL, str(error))
    except UserError as error:
        return Check("engine", State.WARN, f"not tried: {error}")
    machine = started.machine
    try:
        machine.run(Tick(1_000_000))
        clock = machine.clock
    except EngineError as error:
        return Check("engine", State.FAIL, str(error))
    finally:
        machine.close()
    from vmdbg.recording.fingerprint import build_fingerprint

    text = f"{engine_version()}, calibrated, build {build_fingerprint()}; a guest ran {clock} ticks"
    return Check("engine", State.OK, text)


def _sample() -> Check:
    try:
        return Check("sample", State.OK, str(sample_path()))
    except UserError as error:
        return Check("sample", State.WARN, str(error))


def _memory() -> Check:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    state = State.OK if free >= 512 else State.WARN
    return Check("memory", state, f"{free} MiB free; a guest needs its --memory and up to 300 MiB more")


def _gdb() -> Check:
    return _tool("gdb", "to debug with gdb")


def _lldb() -> Check:
    return _tool("lldb", "to debug with lldb instead of gdb")


def _tool(name: str, purpose: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, State.WARN, f"not installed; needed {purpose} only")
    return Check(name, State.OK, path)


def _terminal() -> Check:
    if both_ends_are_terminals():
        return Check("terminal", State.OK, os.environ.get("TERM", "unknown"))
    return Check("terminal", State.WARN, "stdin and stdout are no terminal: the guest's console cannot be typed at")
