"""What the kernel asks of its disks: a `struct bio`, where it goes, and whose data it moves (block/blk-mq.c).

Source: include/linux/blk_types.h, fs.h, dcache.h of 5.10 to 6.x. A bio that comes to blk_mq_submit_bio() has been led
to the disk itself: its sectors are the disk's, and whoever runs has asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.walks import guarded
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel
    from vmdbg.os.linux.types import Type

Read = Callable[[int, int], bytes]
"""So many bytes at a linear address, fewer if not all are there."""
FUNCTION = "blk_mq_submit_bio"
_OPERATION = 0xFF
_READ = 0
_SECTOR = 512
_MAX_NAME = 64
_MAX_DEPTH = 64
_MAPPING_FLAGS = 3
"""Of page->mapping: not a file's (include/linux/page-flags.h)."""
_TAIL = 1


@dataclass(frozen=True, slots=True)
class Bio:
    """`sector` and `count` on the disk called `disk`; `is_read`, or it changes something. `file` is "" if unknown."""

    disk: str
    sector: int
    count: int
    is_read: bool
    file: str


@dataclass(frozen=True, slots=True)
class DiskLayout:
    """From a bio to the name of its disk: by way of a block device from 5.12 on."""

    device: int | None
    disk: int
    name: int


@dataclass(frozen=True, slots=True)
class FileLayout:
    """Offsets from a page to the names of its file. `vector` is that of a bio."""

    vector: int
    vectors: int
    page: int
    mapping: int
    head: int
    host: int
    block: int
    aliases: int
    alias: int
    parent: int
    label: int
    dentry_block: int
    type: int
    type_name: int
    mounts: int
    mount: int
    mount_point: int
    mount_parent: int


@dataclass(frozen=True, slots=True)
class BioLocator:
    """Good for a whole boot. `files` is None where the kernel has no such types."""

    function: Linear
    operation: int
    sector: int
    size: int
    disk: DiskLayout
    files: FileLayout | None

    def read(self, read: Read, bio: int) -> Bio | None:
        """None where memory contradicts itself."""
        operation, sector, size = (_integer(read, bio + at, width) for at, width in self._fields)
        name = self._name(read, bio)
        if operation is None or sector is None or not size or not name:
            return None
        is_read = operation & _OPERATION == _READ
        return Bio(name, sector, size // _SECTOR, is_read, self._file(read, bio))

    @property
    def _fields(self) -> tuple[tuple[int, int], ...]:
        return (self.operation, 4), (self.sector, 8), (self.size, 4)

    def _name(self, read: Read, bio: int) -> str:
        owner = bio if self.disk.device is None else _pointer(read, bio + self.disk.device)
        disk = _pointer(read, owner + self.disk.disk)
        return _text(read(disk + self.disk.name, 32)) if disk else ""

    def _file(self, read: Read, bio: int) -> str:
        files = self.files
        if files is None or not _integer(read, bio + files.vectors, 2):
            return ""
        page = _pointer(read, _pointer(read, bio + files.vector) + files.page)
        head = _pointer(read, page + files.head)
        mapping = _pointer(read, (head - _TAIL if head & _TAIL else page) + files.mapping)
        if not mapping or mapping & _MAPPING_FLAGS:
            return ""
        inode = _pointer(read, mapping + files.host)
        block = _pointer(read, inode + files.block)
        kind = _text(read(_pointer(read, _pointer(read, block + files.type) + files.type_name), _MAX_NAME))
        if kind == "bdev":
            return "(block device)"
        alias = _pointer(read, inode + files.aliases)
        return self._path(read, files, alias - files.alias) if alias and kind else ""

    def _path(self, read: Read, files: FileLayout, dentry: int) -> str:
        """Down from the root of all mounts; "" if it leads nowhere."""
        parts: list[str] = []
        for _ in range(_MAX_DEPTH):
            above = _pointer(read, dentry + files.parent)
            if not above:
                return ""
            if above != dentry:
                parts.append(_text(read(_pointer(read, dentry + files.label), _MAX_NAME * 4)))
                dentry = above
                continue
            heads = _pointer(read, dentry + files.dentry_block) + files.mounts
            first = _pointer(read, heads)
            mount = first - files.mount
            if first in (0, heads) or _pointer(read, mount + files.mount_parent) == mount:
                break
            dentry = _pointer(read, mount + files.mount_point)
        return "/" + "/".join(reversed(parts))


def _integer(read: Read, address: int, size: int) -> int | None:
    data = read(address, size)
    return int.from_bytes(data, "little") if len(data) == size else None


def _pointer(read: Read, address: int) -> int:
    """0 where there is none, and from nowhere."""
    return _integer(read, address, 8) or 0 if address > 0 else 0


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")


@guarded("block layer")
def bio_locator(kernel: Kernel) -> BioLocator | None:
    """None for a kernel that has none of this."""
    function = kernel.table.find(FUNCTION)
    if function is None or not kernel.types.has("struct bio"):
        return None
    bio, disk = kernel.type("struct bio"), kernel.type("struct gendisk")
    if bio.has("bi_bdev"):
        owner, place = bio.offset_of("bi_bdev"), kernel.type("struct block_device").offset_of("bd_disk")
        layout = DiskLayout(owner, place, disk.offset_of("disk_name"))
    else:
        layout = DiskLayout(None, bio.offset_of("bi_disk"), disk.offset_of("disk_name"))
    operation, sector, size = (bio.offset_of(path) for path in ("bi_opf", "bi_iter.bi_sector", "bi_iter.bi_size"))
    return BioLocator(Linear(function), operation, sector, size, layout, _files(kernel, bio))


def _files(kernel: Kernel, bio: Type) -> FileLayout | None:
    wanted = {
        "struct bio_vec": ("bv_page",),
        "struct page": ("mapping",),
        "struct address_space": ("host",),
        "struct inode": ("i_sb", "i_dentry"),
        "struct dentry": ("d_u.d_alias", "d_parent", "d_name.name", "d_sb"),
        "struct super_block": ("s_type", "s_mounts"),
        "struct file_system_type": ("name",),
        "struct mount": ("mnt_instance", "mnt_mountpoint", "mnt_parent"),
    }
    found: list[int] = []
    for name, paths in wanted.items():
        if not kernel.types.has(name):
            return None
        kind = kernel.type(name)
        if not all(kind.has(path) for path in paths):
            return None
        found += [kind.offset_of(path) for path in paths]
    page, mapping, host, block, aliases, alias, parent, label, owner, type_, mounts, text, mount, point, above = found
    if not kernel.type("struct page").has("compound_head"):
        return None
    head = kernel.type("struct page").offset_of("compound_head")
    vector, vectors = bio.offset_of("bi_io_vec"), bio.offset_of("bi_vcnt")
    return FileLayout(
        vector, vectors, page, mapping, head, host, block, aliases, alias, parent, label, owner, type_, text, mounts,
        mount, point, above,
    )  # fmt: skip
