"""What is read of an image is what qemu-img reads of it, however it was made."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from vmdbg.images.formats import Format
from vmdbg.images.image import Image
from vmdbg.images.opening import open_image

KIB = 1024
LAYOUTS = [
    pytest.param(version, cluster, compression, id=f"v{version}-{cluster}-{compression}")
    for version, cluster, compression in [
        (2, 512, "zlib"),
        (2, 64 * KIB, "zlib"),
        (3, 4 * KIB, "zstd"),
        (3, 64 * KIB, "zlib"),
        (3, 64 * KIB, "zstd"),
        (3, 2048 * KIB, "zstd"),
    ]
]


def qemu(program: str, *arguments: object) -> str:
    return subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def random_disk(chance: random.Random, size: int) -> bytes:
    """Noise, text and zeros in pieces of any length."""
    parts: list[bytes] = []
    while (left := size - sum(map(len, parts))) > 0:
        length = min(left, chance.choice([512, 4 * KIB, 40_000, 300_000]))
        parts.append(chance.choice([bytes(length), chance.randbytes(length), (b"sector %d " * length)[:length]]))
    return b"".join(parts)


def written(path: Path, chance: random.Random, size: int, writes: int) -> None:
    """Have QEMU write here and there."""
    commands: list[str] = []
    for number in range(writes):
        start = chance.randrange(size // 512) * 512
        length = min(size - start, chance.choice([512, 4 * KIB, 64 * KIB, 200 * KIB]))
        kind = chance.choice(["-P %d", "-P %d", "-z", "-zu"])
        commands += ["-c", f"write {kind % (number % 255 + 1) if '%' in kind else kind} {start} {length}"]
    qemu("qemu-io", "-f", "qcow2", *commands, path)


def assert_same(image: Image, path: Path, chance: random.Random, *options: object) -> None:
    """`path` as qemu-img converts it: the whole, random pieces of it, and the extents."""
    plain = path.with_suffix(".plain")
    qemu("qemu-img", "convert", "-O", "raw", *options, path, plain)
    expected = plain.read_bytes()
    assert image.size == len(expected)
    assert image.read(0, image.size) == expected
    for _ in range(200):
        start = chance.randrange(image.size)
        length = min(image.size - start, chance.choice([1, 512, 4096, 100_000]))
        assert image.read(start, length) == expected[start : start + length]
    at = 0
    for start, end in [*image.extents(), (image.size, image.size)]:
        assert start >= at
        assert not any(expected[at:start])
        at = end


@pytest.mark.parametrize(("version", "cluster", "compression"), LAYOUTS)
@pytest.mark.parametrize("seed", range(3))
def test_qcow2(tmp_path: Path, version: int, cluster: int, compression: str, seed: int) -> None:
    chance = random.Random(f"{version} {cluster} {compression} {seed}")
    size = chance.randrange(1, 5000) * 512
    source, path = tmp_path / "source", tmp_path / "disk.qcow2"
    source.write_bytes(random_disk(chance, size))
    options = f"compat={'0.10' if version == 2 else '1.1'},cluster_size={cluster}"
    if version == 3:
        options += f",compression_type={compression}"
    qemu("qemu-img", "convert", *chance.choice([["-c"], []]), "-O", "qcow2", "-o", options, source, path)
    if seed:
        written(path, chance, size, 12)
    if seed == 2:
        qemu("qemu-img", "snapshot", "-c", "before", path)
        written(path, chance, size, 6)
    image = open_image(str(path))
    assert image.format == "qcow2"
    assert_same(image, path, chance)
    image.close()


@pytest.mark.parametrize("seed", range(4))
def test_chains_of_backing_files_of_any_sizes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    base, names = tmp_path / "base.img", [tmp_path / "base.img"]
    base.write_bytes(random_disk(chance, chance.randrange(1, 3000) * 512))
    form = "raw"
    for number in range(chance.randrange(1, 4)):
        path = tmp_path / f"over{number}.qcow2"
        size = chance.randrange(1, 4000) * 512
        qemu("qemu-img", "create", "-f", "qcow2", "-b", names[0], "-F", form, path, size)
        written(path, chance, size, 5)
        names.insert(0, path)
        form = "qcow2"
    image = open_image(str(names[0]), backing=[str(name) for name in names[1:]])
    assert_same(image, names[0], chance)
    image.close()


@pytest.mark.parametrize("size", [512, 513, 1000, 5 << 20])
def test_raw_with_holes_and_half_a_sector(tmp_path: Path, size: int) -> None:
    path, chance = tmp_path / "disk.img", random.Random(size)
    with path.open("wb") as file:
        file.truncate(size)
        for start in (0, size // 2):
            file.seek(start)
            file.write(chance.randbytes(min(700, size - start)))
    image = open_image(str(path), Format.RAW)
    assert_same(image, path, chance, "-f", "raw")
    image.close()


def test_a_sparse_image_of_a_terabyte_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", path, "1T")
    qemu("qemu-io", "-f", "qcow2", "-c", f"write -P 7 {(1 << 40) - 512} 512", path)
    image = open_image(str(path))
    assert image.size == 1 << 40
    assert image.read((1 << 40) - 1024, 1024) == bytes(512) + b"\7" * 512
    ((start, end),) = image.extents()
    assert (start, end) == ((1 << 40) - 65536, 1 << 40)
    image.close()
