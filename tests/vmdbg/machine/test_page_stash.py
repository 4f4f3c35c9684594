import errno
import os
import random
from pathlib import Path

import pytest

from devices.disk.medium import SECTOR
from devices.disk.overlay import PAGE
from vmdbg.images.image import ImageError
from vmdbg.images.opening import open_image
from vmdbg.images.sectors import ImageSectors
from vmdbg.machine.media import Media
from vmdbg.machine.page_stash import PageStash

PAGES = 60


@pytest.mark.parametrize("room", [0.0, 0.5, 1.0])
def test_pages_are_what_was_put_whether_the_host_has_room_or_not(room: float, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, written = random.Random(1), os.pwrite

    def write_some(file: int, data: bytes, offset: int) -> int:
        fate = chance.random()
        if fate < room:
            return written(file, data, offset)
        if fate < room + (1 - room) / 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(file, data[: chance.randrange(len(data))], offset)

    monkeypatch.setattr(os, "pwrite", write_some)
    for _ in range(20):
        stash, model = PageStash(), dict[int, bytes]()
        for _ in range(12):
            first = chance.randrange(PAGES)
            end = first + chance.randrange(1, 9)
            if not model.keys().isdisjoint(range(first, end)):
                continue
            data = chance.randbytes((end - first) * PAGE)
            stash.put(first, data)
            model.update((number, data[(number - first) * PAGE :][:PAGE]) for number in range(first, end))
        assert {number: stash.get(number) for number in range(2 * PAGES) if number in stash} == model
        assert len(stash) == len(model)
        stash.close()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_read_once_stays_as_it_was(seed: int, tmp_path: Path) -> None:
    chance, path = random.Random(seed), tmp_path / "disk.img"
    before = chance.randbytes(PAGES * PAGE - 3 * SECTOR)
    path.write_bytes(before)
    media, kept, read = Media(), list[tuple[int, bytes]](), set[int]()
    media.keeper = lambda _name, number, page: kept.append((number, page))
    media.remembers = True
    medium = media.add("disk", ImageSectors(open_image(str(path))))
    for _ in range(10):
        first = chance.randrange(medium.sectors)
        count = chance.randrange(1, min(medium.sectors - first, 12 * PAGE // SECTOR) + 1)
        assert medium.read(first, count) == before[first * SECTOR : (first + count) * SECTOR]
        read.update(range(first * SECTOR // PAGE, -(-(first + count) * SECTOR // PAGE)))
    assert sorted(kept) == [(number, before[number * PAGE :][:PAGE].ljust(PAGE, b"\0")) for number in sorted(read)]
    path.write_bytes(chance.randbytes(len(before) + SECTOR))
    for number in range(PAGES):
        first, count = number * PAGE // SECTOR, min(PAGE // SECTOR, medium.sectors - number * PAGE // SECTOR)
        if number in read:
            assert medium.read(first, count) == before[number * PAGE :][:PAGE]
        else:
            with pytest.raises(ImageError, match="has changed"):
                medium.read(first, count)
    media.close()
