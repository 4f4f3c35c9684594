"""Whatever is wrong with an image, a word says what, where and what to do, and nothing else is opened."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vmdbg.images.foreign import MAGICS, PACKED, Magic, Packing
from vmdbg.images.formats import Format
from vmdbg.images.image import Image, ImageError
from vmdbg.images.opening import open_cd, open_image

SIZE = 300_000 // 512 * 512
CLUSTER = 4096


def qemu(program: str, *arguments: object) -> None:
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A qcow2 image with noise in every cluster."""
    source, path = tmp_path / "source", tmp_path / "disk.qcow2"
    source.write_bytes(random.Random(1).randbytes(SIZE))
    qemu("qemu-img", "convert", "-O", "qcow2", "-o", f"cluster_size={CLUSTER}", source, path)
    return path


def patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def first_l2(path: Path) -> int:
    (l1,) = struct.unpack_from(">Q", path.read_bytes(), 40)
    (entry,) = struct.unpack_from(">Q", path.read_bytes(), l1)
    return int(entry & 0x00FFFFFFFFFFFE00)


HEADERS: dict[str, tuple[int, bytes]] = {
    "version": (4, u32(4)),
    "cluster_bits": (20, u32(40)),
    "clusters too small": (20, u32(8)),
    "size 0": (24, u64(0)),
    "huge size": (24, u64(1 << 62)),
    "more than L1 maps": (24, u64(1 << 40)),
    "encryption": (32, u32(1)),
    "l1 size": (36, u32(0xFFFFFFFF)),
    "l1 beyond the end": (40, u64(1 << 30)),
    "l1 askew": (40, u64(CLUSTER * 3 + 8)),
    "corrupt": (72, u64(2)),
    "external data": (72, u64(4)),
    "subclusters": (72, u64(16)),
    "unknown feature": (72, u64(1 << 20)),
    "header length": (100, u32(0xFFFFFFF8)),
    "backing name": (8, u64(1 << 40)),
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers(disk: Path, what: str) -> None:
    patch(disk, *HEADERS[what])
    with pytest.raises(ImageError, match=r"disk\.qcow2") as raised:
        open_image(str(disk))
    assert "\n" not in str(raised.value)
    assert "qemu-img" in str(raised.value)


def test_a_cluster_beyond_the_end_an_l2_table_beyond_it_and_reserved_bits(disk: Path) -> None:
    table = first_l2(disk)
    for entry in (u64(1 << 40), u64(CLUSTER + 512), u64(CLUSTER | 1 << 5), u64(1 << 62 | 1 << 50)):
        patch(disk, table, entry)
        image = open_image(str(disk))
        with pytest.raises(ImageError, match="cluster 0"):
            image.read(0, 512)
        assert len(image.read(CLUSTER, 512)) == 512
        image.close()
    (l1,) = struct.unpack_from(">Q", disk.read_bytes(), 40)
    patch(disk, l1, u64(1 << 40))
    with pytest.raises(ImageError, match="entry 0 of its L1 table"):
        open_image(str(disk))


def test_tables_that_point_to_themselves_end(disk: Path) -> None:
    (l1,) = struct.unpack_from(">Q", disk.read_bytes(), 40)
    patch(disk, l1, u64(l1))
    image = open_image(str(disk))
    read_everywhere(image)
    image.close()


@pytest.mark.parametrize("cut", [0, 3, 50, 90, 200, CLUSTER, 5 * CLUSTER, 9 * CLUSTER + 100])
def test_truncated(disk: Path, cut: int) -> None:
    os.truncate(disk, cut)
    with pytest.raises(ImageError):
        read_all(disk)


def read_all(path: Path) -> None:
    with contextlib.closing(open_image(str(path), Format.QCOW2)) as image:
        image.read(0, image.size)


def read_everywhere(image: Image) -> None:
    for start in range(0, min(image.size, 1 << 20), CLUSTER):
        with contextlib.suppress(ImageError):
            image.read(start, min(CLUSTER, image.size - start))


def write_everywhere(image: Image) -> None:
    for start in range(512, min(image.size, 1 << 18) - 512, 5 * CLUSTER // 2):
        with contextlib.suppress(ImageError):
            image.write(start, b"w" * 512)


@pytest.mark.parametrize("kind", [[], ["-c"]])
def test_damage_of_any_kind_is_an_error_or_another_content(tmp_path: Path, disk: Path, kind: list[str]) -> None:
    chance, path = random.Random(7), tmp_path / "packed.qcow2"
    qemu("qemu-img", "convert", *kind, "-O", "qcow2", "-o", "compression_type=zstd", disk, path)
    whole = path.read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 5])):
            at = chance.choice([chance.randrange(112), chance.randrange(len(data))])
            data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        for writable in (False, True):
            with contextlib.suppress(ImageError):
                image = open_image(str(path), Format.QCOW2, writable=writable)
                read_everywhere(image)
                if writable:
                    write_everywhere(image)
                image.close()


@pytest.mark.parametrize("magic", MAGICS, ids=lambda magic: magic.title)
def test_foreign_formats_are_named_with_what_helps(tmp_path: Path, magic: Magic) -> None:
    path = tmp_path / "it's a disk.img"
    data = bytearray(8192)
    offset = magic.offset if magic.offset >= 0 else len(data) + magic.offset
    data[offset : offset + len(magic.magic)] = magic.magic
    path.write_bytes(data)
    with pytest.raises(ImageError) as raised:
        open_image(str(path))
    assert magic.title in str(raised.value)
    assert magic.qemu in str(raised.value)
    assert "'\"'\"'" in str(raised.value), "quoted for a shell"
    open_image(str(path), Format.RAW).close()


NAMES = ("disk.img", "-O.img", "at 10:20.img", "json:{}.img", "it's a, b.img", "deep/10:20.img", "deep/-O.img", ".img")


def said_of(path: str) -> str:
    """The line that helps with an image that is refused."""
    with pytest.raises(ImageError) as raised:
        open_image(path)
    return str(raised.value).split("`")[1]


def there(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def made(directory: Path, line: str) -> bytes:
    """What the only new file is an image of once a line was carried out, which changes no file."""
    before = there(directory)
    run = subprocess.run(line, shell=True, check=False, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True)
    assert run.returncode == 0, run.stderr
    after = there(directory)
    (new,) = after.keys() - before.keys()
    assert {name: after[name] for name in before} == before
    image = open_image(str(directory / new))
    content = image.read(0, image.size)
    image.close()
    return content


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["vmdk", "vdi", "vhdx", "vpc", "qed", "parallels", "qcow"])
def test_the_line_that_is_given_makes_an_image_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, name: str
) -> None:
    source, path = tmp_path / "source", tmp_path / name
    content = random.Random(3).randbytes(1 << 20)
    source.write_bytes(content)
    path.parent.mkdir(exist_ok=True)
    if subprocess.run(["qemu-img", "convert", "-O", form, source, path], capture_output=True, check=False).returncode:
        pytest.skip(f"this qemu-img makes no {form}")
    monkeypatch.chdir(tmp_path)
    assert made(tmp_path, said_of(name))[: 1 << 20] == content
    assert made(tmp_path, said_of(name))[: 1 << 20] == content, "beside what was made before"


@pytest.mark.parametrize("name", NAMES)
def test_the_line_that_is_given_makes_a_plain_image_of_an_encrypted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep").mkdir()
    make = ["qemu-img", "create", "-f", "qcow2", "--object", "secret,id=s,data=PASSPHRASE"]
    options = "encrypt.format=aes,encrypt.key-secret=s"
    if subprocess.run([*make, "-o", options, tmp_path / name, "1M"], capture_output=True, check=False).returncode:
        pytest.skip("this qemu-img makes no encrypted images")
    assert made(tmp_path, said_of(name)) == bytes(1 << 20)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("packing", [one for one in PACKED if one.suffix], ids=lambda packing: packing.command)
@pytest.mark.parametrize("is_called_so", [True, False])
def test_the_line_that_is_given_unpacks_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: Packing, name: str, is_called_so: bool
) -> None:
    if shutil.which(packing.command) is None:
        pytest.skip(f"no {packing.command}")
    monkeypatch.chdir(tmp_path)
    Path("deep").mkdir()
    content = random.Random(4).randbytes(4096)
    packed = name + packing.suffix if is_called_so else name
    packer = {"gunzip": "gzip", "bunzip2": "bzip2"}.get(packing.command, packing.command.removeprefix("un"))
    run = subprocess.run([packer, "-c"], input=content, check=True, capture_output=True)
    Path(packed).write_bytes(run.stdout)
    assert made(tmp_path, said_of(packed)) == content
    assert made(tmp_path, said_of(packed)) == content, "beside what was made before"


def test_no_backing_file_is_opened_unless_the_user_names_it(tmp_path: Path, disk: Path) -> None:
    secret, path = tmp_path / "secret", tmp_path / "over.qcow2"
    secret.write_bytes(b"s" * 4096)
    qemu("qemu-img", "create", "-f", "qcow2", "-b", secret, "-F", "raw", path)
    with pytest.raises(ImageError, match=f"backing={secret}"):
        open_image(str(path))
    image = open_image(str(path), backing=[str(secret)])
    assert image.read(0, 4096) == b"s" * 4096
    image.close()
    with pytest.raises(ImageError, match="has no backing file"):
        open_image(str(disk), backing=[str(secret)])
    with pytest.raises(ImageError, match="is raw and has no"):
        open_image(str(secret), Format.RAW, backing=[str(disk)])


def test_what_an_image_calls_its_backing_file_is_cleaned(tmp_path: Path, disk: Path) -> None:
    path = tmp_path / "over.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", "-b", disk, "-F", "qcow2", path)
    (at, length) = struct.unpack_from(">QI", path.read_bytes(), 8)
    patch(path, at, b"\x1b[2J\n\xff" + b"x" * (length - 6))
    with pytest.raises(ImageError) as raised:
        open_image(str(path))
    assert str(raised.value).isprintable()


def test_chains_go_round_in_no_circle(tmp_path: Path) -> None:
    one, two = tmp_path / "one.qcow2", tmp_path / "two.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", one, "1M")
    qemu("qemu-img", "create", "-f", "qcow2", "-b", one, "-F", "qcow2", two)
    qemu("qemu-img", "rebase", "-u", "-b", two, "-F", "qcow2", one)
    with pytest.raises(ImageError, match="its own backing file"):
        open_image(str(one), backing=[str(two), str(one)])


def missing(path: Path) -> None:
    path.unlink()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(missing, "there is no image"), (directory, "is a directory"), (fifo, "neither a file"), (empty, "is empty")],
)
def test_what_is_no_image(disk: Path, spoil: Callable[[Path], None], word: str) -> None:
    spoil(disk)
    for open_ in (open_image, open_cd):
        with pytest.raises(ImageError, match=word):
            open_(str(disk))


@pytest.mark.parametrize(
    "path", ["/proc/self/mem", "/proc/self/pagemap", "/proc/self/status", "/proc/kcore", "/dev/null"]
)
def test_files_that_the_kernel_makes_up_are_read_as_they_are_or_refused_in_words(path: str) -> None:
    for open_ in (open_image, open_cd):
        words = path
        try:
            open_(path).close()
        except ImageError as error:
            words = str(error)
        assert path in words


def test_a_name_that_cannot_be() -> None:
    with pytest.raises(ImageError, match="cannot open"):
        open_image("a\0b")


def test_an_image_that_changes_or_grows_while_it_is_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(8192))
    image = open_image(str(path), Format.RAW)
    assert image.read(0, 512) == bytes(512)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(ImageError, match="it had 8192 bytes and has 8196"):
        image.read(0, 512)
    os.truncate(path, 8192)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ImageError, match="it was written to"):
        image.read(0, 512)
    image.close()


def test_an_image_that_is_removed_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"d" * 8192)
    image = open_image(str(path))
    path.unlink()
    assert image.read(4096, 512) == b"d" * 512
    image.close()


def test_an_error_of_the_host_is_one_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(8192))
    image = open_image(str(path))
    image.close()
    with pytest.raises(ImageError, match="the host cannot read"):
        image.read(0, 512)


@contextmanager
def qemu_writing(path: Path) -> Iterator[None]:
    """QEMU has it open to be written."""
    process = subprocess.Popen(
        ["qemu-io", "-f", "raw", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("length\n")
    process.stdin.flush()
    try:
        process.stdout.readline()
        yield
    finally:
        process.communicate("quit\n")


def test_two_writers(tmp_path: Path) -> None:
    """QEMU's locks are ours."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(8192))
    with qemu_writing(path), pytest.raises(ImageError, match="is being written by another process"):
        open_image(str(path), Format.RAW)
    for writable in (False, True):
        image = open_image(str(path), Format.RAW, writable=writable)
        with pytest.raises(subprocess.CalledProcessError) as failed:
            qemu("qemu-io", "-f", "raw", "-c", "length", path)
        assert b"lock" in failed.value.stderr
        with pytest.raises(ImageError, match=f"open here already, to be {'written' if writable else 'read'}"):
            open_image(str(path), Format.RAW, writable=True)
        image.close()
    one, two = open_image(str(path)), open_image(str(path))
    one.close()
    two.close()


def test_writing_through_a_raw_image(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(8192))
    image = open_image(str(path), Format.RAW, writable=True)
    image.write(1024, b"w" * 512)
    image.flush()
    assert image.read(512, 1024) == bytes(512) + b"w" * 512
    image.close()
    assert path.read_bytes()[1024:1536] == b"w" * 512
    path.write_bytes(bytes(700))
    with pytest.raises(ImageError, match="no whole number of sectors"):
        open_image(str(path), Format.RAW, writable=True)


def test_an_iso_that_is_cut_off(tmp_path: Path) -> None:
    tree, path = tmp_path / "tree", tmp_path / "cd.iso"
    tree.mkdir()
    (tree / "file").write_bytes(bytes(100_000))
    qemu("xorriso", "-as", "mkisofs", "-quiet", "-o", path, tree)
    image = open_cd(str(path))
    assert image.format == "iso"
    assert image.size % 2048 == 0
    image.close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ImageError, match="is cut off"):
        open_cd(str(path))
