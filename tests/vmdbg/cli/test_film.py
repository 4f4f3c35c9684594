"""Films of recordings, and pictures, as their users make them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.guests.build import REPOSITORY
from tests.vmdbg.boot.builders import assemble
from tests.vmdbg.cli.vmdbg_process import errors, vmdbg
from vmdbg.boot.installed_firmware import vgabios
from vmdbg.errors import UserError

END = 250_000_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A boot sector that goes through a display's modes."""
    directory = tmp_path_factory.mktemp("film")
    floppy, path = directory / "floppy.img", directory / "screens.vmdbg"
    source = (REPOSITORY / "tests/determinism/screens.asm").read_text()
    floppy.write_bytes(assemble(source).ljust(1440 << 10, b"\0"))
    machine = ("--floppy", floppy, "--vga", "std", "--memory", "16M")
    done = vmdbg("record", path, *machine, "--serial", "none", "--stop-at", END)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_a_film_lasts_as_long_as_what_it_shows(recording: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film.{suffix}"
    done = vmdbg("film", recording, path, "--fps", "25")
    assert done.returncode == 0, done.stderr
    with Image.open(path) as film:
        assert film.size == (720, 480)
        assert 4 <= film.n_frames <= 8
        durations = []
        for number in range(film.n_frames):
            film.seek(number)
            durations.append(film.info["duration"])
        assert abs(sum(durations) - END / 1e6) <= 50
    assert "pictures" in errors(done)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("film.avi",), "neither: name it"),
        (("film.gif", "--fps", "0"), "not between"),
        (("film.gif", "--fps", "nan"), "not between"),
        (("film.gif", "--from", "end", "--to", "start"), "nothing to film"),
        (("no/such/film.gif",), "cannot write"),
        (("x" * 300 + ".gif",), "cannot write"),
    ],
)
def test_what_cannot_be_filmed(recording: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = vmdbg("film", recording, tmp_path / words[0], *words[1:])
    assert done.returncode == 2
    assert said in errors(done)
    assert not list(tmp_path.iterdir())


def test_a_film_overwrites_nothing(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    path.write_text("mine")
    assert "exists" in errors(vmdbg("film", recording, path))
    assert path.read_text() == "mine"


def test_pictures_of_any_instant(recording: Path, tmp_path: Path) -> None:
    lines = []
    for name, where in (("one.png", "100000000"), ("other.png", "20%"), ("again.png", "100000000")):
        lines += [f"goto {where}", "screen", f"screenshot {tmp_path / name}"]
    refused = [f"screenshot {tmp_path / 'one.png'}", f"screenshot {tmp_path / 'one.jpg'}"]
    done = vmdbg("replay", recording, *(word for line in (*lines, *refused) for word in ("-x", line)))
    one, other, again = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "other", "again"))
    assert one == again != other
    assert "a picture of 640x4" in done.stdout.decode()
    assert "exists; it is not overwritten" in errors(done)


def test_a_display_without_its_rom_names_the_package() -> None:
    with pytest.raises(UserError, match=r"vgabios-stdvga\.bin, which is not installed: (apt|dnf|pacman|brew|install)"):
        vgabios(places=())


def test_a_plain_machine_has_no_place_for_a_display() -> None:
    done = vmdbg("run", "--machine", "plain", "--vga", "std", "--stop-at", "1")
    assert done.returncode == 2
    assert "--vga std: a plain machine has no PCI bus" in errors(done)
