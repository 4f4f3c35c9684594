"""Gdb, the prompt, an editor and a page at one machine: a stop of one is one of all, any may leave, and nothing shows.

Live and in a recording, in the order that a seed draws.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.determinism.faces import FUNCTIONS, Faces, all_faces
from tests.determinism.test_editors import END, alone

LATER = 900_000
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]


@pytest.fixture(scope="module")
def undisturbed() -> set[str]:
    """Hashes of the guest at END."""
    hashes = set(re.findall(r"[0-9a-f]{32}", str(alone())))
    assert len(hashes) == 3
    return hashes


def session(faces: Faces, rng: random.Random, rounds: int) -> None:
    faces.prompt.command(f"goto {rng.randrange(300_000, 500_000)}")
    faces.agree()
    for _ in range(rounds):
        name = rng.choice(list(faces.here))
        faces.here[name].act(rng)
        faces.agree()
        if rng.random() < 0.4:
            one_runs_into_what_another_set(faces, rng)
            faces.agree()
        if rng.random() < 0.5:
            faces.one_stops_what_another_runs(rng)
            faces.agree()
        if rng.random() < 0.4:
            faces.one_comes_or_leaves(rng)
            faces.agree()


def one_runs_into_what_another_set(faces: Faces, rng: random.Random) -> None:
    """Backwards, which ends however little is set."""
    setter, runner = (rng.choice(list(faces.here.values())) for _ in range(2))
    setter.command(f"break {rng.choice(FUNCTIONS)}")
    runner.command("reverse-continue")
    setter.command("delete")


def hashes_at(faces: Faces, tick: int) -> set[str]:
    faces.prompt.command(f"goto {tick}")
    return set(re.findall(r"[0-9a-f]{32}", faces.prompt.command("digest").replace("\n", " ")))


@pytest.mark.parametrize("seed", SEEDS)
def test_all_faces_at_a_live_guest_leave_it_as_it_would_be_alone(
    seed: int, undisturbed: set[str], tmp_path: Path
) -> None:
    rng = random.Random(seed)
    with all_faces(tmp_path, "run", "--wait", "--serial", "none") as faces:
        session(faces, rng, 8)
        if rng.random() < 0.5:
            faces.leave(rng)
        assert hashes_at(faces, END) == undisturbed


@pytest.mark.parametrize("seed", SEEDS)
def test_all_faces_at_a_recording_find_what_was_recorded(seed: int, undisturbed: set[str], tmp_path: Path) -> None:
    rng, path = random.Random(seed), tmp_path / "boot.vmdbg"
    words = ["-m", "vmdbg", "record", str(path), "--serial", "none", "--no-realtime", "--stop-at", str(LATER)]
    subprocess.run([sys.executable, *words], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    with all_faces(tmp_path, "replay", str(path), "--quiet") as faces:
        session(faces, rng, 8)
        assert hashes_at(faces, END) == undisturbed
