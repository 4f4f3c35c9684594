"""Recordings from hostile hands, whose checksums hold: each field changed in turn, and any at random.

Whatever is in them, they are refused in words or replayed. Each is tried in a process of its own, for native code reads
some of it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from devices.serial.feed import SerialInput
from tests.vmdbg.cli.vmdbg_process import vmdbg
from tests.vmdbg.recording.conftest import Recorded
from tests.vmdbg.recording.guests import new_timeline, record_session
from vmdbg.errors import RecordingError, VmdbgError
from vmdbg.machine.snapshot import Position
from vmdbg.recording.blocks import Block, BlockWriter, Kind, read_payload, scan
from vmdbg.recording.reader import open_recording
from vmdbg.recording.records import Meta
from vmdbg.recording.replay import replay
from vmdbg.recording.save import save_snapshot
from vmdbg.timeline.steps_back import reverse_step
from vmdbg.units import Tick

HOSTILE = "\x1b[2J\x07\u202e"
SECONDS = 30
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    0xFFFF,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    -(1 << 31),
    1 << 32,
    (1 << 63) - 1,
    -(1 << 63),
    1 << 63,
)
Pieces = list[tuple[int, bytes]]
Place = tuple[Any, ...]


def pieces_of(path: Path) -> Pieces:
    with path.open("rb") as file:
        blocks = [one for one in scan(file, path.stat().st_size) if isinstance(one, Block)]
        return [(block.kind, read_payload(file, block)) for block in blocks if block.kind != Kind.INDEX]


def write(path: Path, pieces: Pieces) -> Path:
    with path.open("wb", buffering=0) as file:
        writer = BlockWriter(file)
        for kind, payload in pieces:
            writer.append(Kind(kind), payload)
    return path


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshots") / "sample"
    timeline = new_timeline()
    timeline.run(Tick(3_000_000))
    save_snapshot(timeline, path)
    timeline.machine.close()
    return path


def with_meta(recorded: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    pieces = pieces_of(recorded)
    meta = msgspec.msgpack.decode(pieces[0][1])
    change(meta)
    return write(path, [(Kind.META, msgspec.msgpack.encode(meta)), *pieces[1:]])


def _put(*keys: Any, value: object) -> Callable[[dict[str, Any]], None]:
    def change(meta: dict[str, Any]) -> None:
        place: Any = meta
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


BOUNDS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "memory": (_put("config", "memory", value=1 << 40), "as memory size"),
    "odd memory": (_put("config", "memory", value=(16 << 20) + 1), "as memory size"),
    "cpu": (_put("config", "cpu", value=HOSTILE * 1000), "as CPU model"),
    "date": (_put("config", "start", value=(1 << 64) - 1), "18446744073709551615 as start date"),
    "early date": (_put("config", "start", value=-1), "-1 as start date"),
    "description": (_put("description", value="x" * (1 << 20)), "as description"),
    "command line": (_put("image", "command_line", value="x" * (1 << 20)), "as image's command line"),
    "segment": (_put("image", "segments", 0, "address", value=1 << 62), "as segment's address"),
    "negative segment": (_put("image", "segments", 0, "address", value=-1), "as segment's address"),
    "size": (_put("image", "segments", 0, "size", value=-5), "as segment's size"),
    "e820": (_put("image", "e820", 0, "size", value=-1), "as E820 entry"),
    "register": (_put("image", "start", "general", value={"rax": 1 << 63, "bad": 1}), "'bad' as register"),
    "rip": (_put("image", "start", "rip", value=-1), "-1 as rip"),
    "selector": (_put("image", "start", "cs", "selector", value=1 << 20), "as cs"),
}


@pytest.mark.parametrize("field", BOUNDS)
def test_a_field_out_of_bounds_is_refused_by_its_name(field: str, recorded: Recorded, tmp_path: Path) -> None:
    change, words = BOUNDS[field]
    with pytest.raises(RecordingError) as refused:
        open_recording(with_meta(recorded.path, tmp_path / "hostile", change))
    assert words in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


def test_what_it_says_of_itself_reaches_no_terminal_as_it_is(recorded: Recorded, tmp_path: Path) -> None:
    pieces = [piece for piece in pieces_of(recorded.path) if piece[0] != Kind.END]
    end = next(msgspec.msgpack.decode(payload) for kind, payload in pieces_of(recorded.path) if kind == Kind.END)
    meta = msgspec.msgpack.decode(pieces[0][1]) | {"description": HOSTILE, "build": HOSTILE, "vmdbg": HOSTILE}
    console = msgspec.msgpack.encode([(0, 5, HOSTILE.encode() + b"\n")])
    ends = msgspec.msgpack.encode([*end[:2], HOSTILE])
    pieces = [(Kind.META, msgspec.msgpack.encode(meta)), *pieces[1:], (Kind.CONSOLE, console), (Kind.END, ends)]
    path = write(tmp_path / "hostile", pieces)
    for arguments in (
        ("replay", path, "--quiet"),
        ("query", path, "console"),
        ("replay", path, "-x", "query console", "-x", "history", "-x", f"goto '{HOSTILE}'"),
        ("save", path, tmp_path / "saved", "--at", f"'{HOSTILE}'"),
    ):
        done = vmdbg(*arguments)
        shown = (done.stdout + done.stderr).decode()
        assert all(line.isprintable() for line in shown.splitlines()), shown


def test_a_file_that_it_names_is_not_opened(tmp_path: Path) -> None:
    """A pipe would never end, and of any file it could be told whether it has some contents."""
    record_session(tmp_path / "thin", embed=False)
    os.mkfifo(tmp_path / "pipe")
    name = _put("files", "kernel", "name", value=str(tmp_path / "pipe"))
    path = with_meta(tmp_path / "thin", tmp_path / "hostile", name)
    began = time.monotonic()
    done = vmdbg("replay", path)
    assert done.returncode == 2
    assert "pipe, is missing: it is not in the recording; give it with --left-out FILE" in done.stderr.decode()
    assert time.monotonic() - began < SECONDS


def test_few_bytes_do_not_become_many(recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmdbg.recording.reader.MOST_CONSOLE", 1 << 20)
    console = msgspec.msgpack.encode([(0, 5, b"\n" * (1 << 19))])
    path = write(tmp_path / "hostile", [*pieces_of(recorded.path), *[(Kind.CONSOLE, console)] * 5])
    with open_recording(path) as recording:
        assert sum(len(piece.data) for piece in recording.console) <= 1 << 20
        assert any("there is more of it" in damage for damage in recording.damage)


# anything at random


def places(value: object, place: Place = ()) -> Iterator[Place]:
    yield place
    pairs = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, inner in pairs:
        yield from places(inner, (*place, key))


def changed(chance: random.Random, value: Any) -> Any:
    """Something else of the same kind, mostly."""
    if chance.random() < 0.05:
        return chance.choice([None, True, [], {}, "x", b"x", 1.5])
    match value:
        case bool():
            return not value
        case int():
            return chance.choice([*NUMBERS, value + 1, value - 1, value ^ 1 << chance.randrange(63)])
        case str():
            return chance.choice(["", HOSTILE, "x" * 100_000, value[:-1], value + "\0", "../../etc/passwd"])
        case bytes():
            return _other_bytes(chance, value)
        case list() if value:
            at = chance.randrange(len(value))
            return chance.choice([value[:at] + value[at + 1 :], [*value, value[at]], value[::-1], value * 2])
        case dict() if value:
            return {key: inner for key, inner in value.items() if key != chance.choice(list(value))}
        case _:
            return chance.choice([5, "x", [], {}, True, b"x", -1])


def _other_bytes(chance: random.Random, value: bytes) -> bytes:
    if value[:1] in (b"{", b"["):
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.encode(_with_a_change(chance, msgspec.json.decode(value)))
    with contextlib.suppress(zstandard.ZstdError, msgspec.DecodeError):  # most are no frame, or of another's bytes
        inner = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(value))
        return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(_with_a_change(chance, inner)))
    if not value:
        return b"\0"
    spoilt = bytearray(value)
    for _ in range(chance.choice([1, 4, 50])):
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    return chance.choice([bytes(spoilt), b"", value[:-1], value + b"\0", bytes(len(value)), b"\xff" * len(value)])


def _with_a_change(chance: random.Random, whole: Any) -> Any:
    place = chance.choice(list(places(whole)))
    if not place:
        return changed(chance, whole)
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = changed(chance, inner[place[-1]])
    return whole


def spoilt(chance: random.Random, pieces: Pieces) -> Pieces:
    kinds = sorted({kind for kind, _ in pieces} - {Kind.PAGES, Kind.CONTENT})
    wanted = chance.choice([*kinds, Kind.PAGES, Kind.CONTENT]) if chance.random() < 0.1 else chance.choice(kinds)
    at = chance.choice([index for index, (kind, _) in enumerate(pieces) if kind == wanted] or [0])
    kind, payload = pieces[at]
    whole = msgspec.msgpack.decode(payload)
    with contextlib.suppress(OverflowError):
        payload = msgspec.msgpack.encode(_with_a_change(chance, whole))
    return [*pieces[:at], (kind, payload), *pieces[at + 1 :]]


def use(path: Path) -> None:
    """Open it, go to what it offers, and on from a snapshot."""
    with open_recording(path) as recording:
        assert recording.why.isprintable()
        timeline = replay(recording)
        try:
            for checkpoint in list(timeline.checkpoints)[1:3]:
                timeline.seek(min(checkpoint.position, timeline.end))
                timeline.run(min(Tick(timeline.position.tick + 100_000), timeline.end.tick))
            timeline.seek(min(timeline.end, Position(Tick(timeline.start.tick + 5_000_000))))
            if recording.base is not None and timeline.position == timeline.end:
                timeline.reopen()
                timeline.run(Tick(timeline.end.tick + 300_000))
                if timeline.machine.ending is None:
                    timeline.push(SerialInput(0, b"threads\r" * 5))
                timeline.run(Tick(timeline.end.tick + 3_000_000))
            timeline.digest_here()
            if timeline.position > timeline.start:
                reverse_step(timeline)
        finally:
            timeline.machine.close()


def outcome(path: Path) -> str:
    """What comes of it: "" or what no user should see. In a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            use(path)
            said = b""
        except VmdbgError as error:
            said = b"" if len(str(error)) < 1000 else f"a very long error: {error}"[:300].encode()
        except BaseException:
            said = traceback.format_exc()[-1500:].encode()
        os.write(writer, said)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read()
    status = os.waitpid(child, 0)[1]
    return said.decode() if not status else f"ended with status {status}"


def _try(path: Path, source: Path, seeds: Sequence[int]) -> dict[int, str]:
    """What no user should see, by seed. It forks from a new process: one that has run many tests is slow to fork."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return executor.submit(_outcomes, path, source, seeds).result()


def _outcomes(path: Path, source: Path, seeds: Sequence[int]) -> dict[int, str]:
    pieces = pieces_of(source)
    found = {seed: outcome(write(path, spoilt(random.Random(seed), pieces))) for seed in seeds}
    return {seed: said for seed, said in found.items() if said}


def test_any_field_of_a_recording_may_have_any_value(recorded: Recorded, tmp_path: Path) -> None:
    assert not _try(tmp_path / "hostile", recorded.path, range(60, 120))


def test_any_field_of_a_snapshot_may_have_any_value(snapshot: Path, tmp_path: Path) -> None:
    assert not _try(tmp_path / "hostile", snapshot, [*range(60), 5701])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_more(recorded: Recorded, snapshot: Path, tmp_path: Path) -> None:
    for source in (recorded.path, snapshot):
        assert not _try(tmp_path / "hostile", source, range(1000, 6000))


def test_all_fields_of_the_first_block_are_known_here() -> None:
    """One that is added has bounds too: bounds.py, and then here."""
    known = "vmdbg engine state_size config description command_line image files roms elf build"
    assert set(Meta.__struct_fields__) == set(known.split())
