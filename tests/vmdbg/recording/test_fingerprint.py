"""The fingerprint of a build: what it covers, and what a recording without one means."""

from __future__ import annotations

from pathlib import Path

import grimp
import msgspec

import vmdbg
from tests.guests.build import REPOSITORY
from tests.vmdbg.recording.guests import new_timeline
from vmdbg.recording.fingerprint import SOURCES
from vmdbg.recording.meta import make_meta, other_build
from vmdbg.recording.records import Meta, decode

WITHOUT_EFFECT = {"vmdbg.errors", "vmdbg.interruption", "vmdbg.units", "vmdbg.boot.image"}
"""Names of errors and integers, what ends a run early, and what is booted: no guest can tell, or a recording has it."""


def covered() -> set[Path]:
    return {path for place, patterns in SOURCES.items() for one in patterns for path in (REPOSITORY / place).glob(one)}


def test_all_that_the_machine_is_made_of_is_covered() -> None:
    graph = grimp.build_graph("vmdbg", "devices")
    needed = {"vmdbg.engine.unicorn.engine", "vmdbg.machine.machine", "vmdbg.machine.power_on"}
    for module in tuple(needed):
        needed |= graph.find_upstream_modules(module)
    paths = {REPOSITORY / f"{module.replace('.', '/')}.py" for module in needed - WITHOUT_EFFECT}
    assert {path for path in paths if path.is_file()} <= covered()
    assert len(paths) > 40


def test_the_native_part_is_covered() -> None:
    directory = REPOSITORY / "vmdbg" / "engine" / "native"
    assert set(directory.glob("*.c")) <= covered()
    assert set(directory.glob("*.h")) <= covered()


def test_a_recording_from_before_there_were_fingerprints_is_of_another_build() -> None:
    timeline = new_timeline()
    assert timeline.origin is not None
    meta, _ = make_meta(timeline.origin, embed=True)
    timeline.machine.close()
    assert other_build(meta) == ""
    fields = msgspec.to_builtins(meta, builtin_types=(bytes,))
    del fields["build"]
    old = decode(msgspec.msgpack.encode(fields), Meta, "an old recording's beginning")
    assert f"another build of vmdbg ({vmdbg.__version__}, fingerprint unknown; this is" in other_build(old)


def test_what_a_file_claims_is_shown_without_escapes() -> None:
    timeline = new_timeline()
    assert timeline.origin is not None
    meta, _ = make_meta(timeline.origin, embed=True)
    timeline.machine.close()
    claims = msgspec.structs.replace(meta, build="\x1b[2J" + "f" * 1000, vmdbg="1\n2")
    assert "(12, fingerprint [2Jfff" in other_build(claims)
    assert "\x1b" not in other_build(claims)
    assert len(other_build(claims)) < 160
