"""Linux kernels that unpack themselves: what their decompressor writes into memory, piece by piece.

Sources: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"; lib/decompress.c; lib/xz/xz_dec_bcj.c;
"The .xz File Format", 1.2.1, chapters 3 and 5; "LZ4 Frame Format Description", "Legacy frame".
"""

from __future__ import annotations

import bz2
import enum
import lzma
import struct
from collections.abc import Iterator

import lz4.block

from vmdbg.boot.decompress import find_format
from vmdbg.recording.unpacking import LARGEST_WINDOW, Packing, Stepwise, Unpacker, UnpackingError, unpacker

BOOT_SIGNATURE, BOOT_SIGNATURE_AT = b"\x55\xaa", 0x1FE
_MAGIC, _MAGIC_AT = b"HdrS", 0x202
_SETUP_SECTORS_AT, _VERSION_AT, _PAYLOAD_AT = 0x1F1, 0x206, 0x248
_HEADER_END = 0x250
_WITH_PAYLOAD = 0x0208
_SECTOR = 512
_MOST_BEFORE = 1 << 20
"""Bytes before the payload: setup code, and the decompressor's beginning."""
_SIZE = 4
"""Bytes at a payload's end, which say how large it is when it is unpacked."""
_LONGEST_BEGINNING = 2048
"""Bytes of a payload that tell how it is packed: the longest header of xz has 1024, after 12 of the stream."""
_XZ_STREAM_HEADER = 12
_XZ_SIZES = (0x40, 0x80)
"""Flags of a block whose header says one size or the other, before its filters."""
_CONTINUED = bytes(range(0x80, 0x100))
"""Bytes of an integer that are not its last."""
_NO_PROPERTIES_X86, _ONE_PROPERTY_LZMA2 = b"\x04\0", b"\x21\x01"
_WIDEST = 39
"""What the byte says that stands for LZMA2's widest window."""
_CHUNK = 1 << 16
_FIRST_CHUNK, _NEXT_CHUNK, _NO_CHUNK = b"\x01", b"\x02", b"\0"
"""Of LZMA2, before chunks that are not packed, and at the end."""
_LZ4_BLOCK = 8 << 20
_LZ4_MAGIC = 4


class KernelForm(enum.Enum):
    """Which bytes of a kernel: xz filters x86 code before it packs it, and Linux undoes that when all is unpacked."""

    KERNEL = "as it was before it was packed"
    UNFILTERED_KERNEL = "as it is before the filter is undone"


def may_be_kernel(data: bytes | bytearray, at: int) -> bool:
    """Whether a bzImage may begin there; of its second sector there may be nothing yet."""
    magic = data[at + _MAGIC_AT : at + _MAGIC_AT + len(_MAGIC)]
    return data.startswith(BOOT_SIGNATURE, at + BOOT_SIGNATURE_AT) and magic in (_MAGIC, b"")


class PackedKernel:
    """A bzImage, from its first byte on, in the form UNFILTERED_KERNEL where it has that."""

    def __init__(self) -> None:
        self.is_filtered = False
        """Whether its other form is another one: known once something has come out."""
        self._beginning = bytearray()
        self._payload: Unpacker | None = None
        self._left = 0
        """Bytes of the payload that have not been put in."""

    @property
    def wants(self) -> int:
        """Bytes of the image that may still be put in."""
        if self._payload is None:
            return _MOST_BEFORE
        return 0 if self._payload.ended else self._left

    @property
    def ended(self) -> bool:
        return not self.wants

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._payload is None:
            self._beginning += data
            data = self._begin()
        if self._payload is not None and data:
            data = data[: self._left]
            self._left -= len(data)
            yield from self._payload.feed(data)

    def _begin(self) -> bytes:
        """What of the payload is there, once it can be told how it is packed."""
        if len(self._beginning) < _HEADER_END:
            return b""
        start, length = _payload(self._beginning)
        if len(self._beginning) < start + min(length, _LONGEST_BEGINNING):
            return b""
        data, self._beginning = bytes(self._beginning[start:]), bytearray()
        self._left, size = length, 0
        match find_format(memoryview(data)):
            case None:
                raise UnpackingError("a kernel is packed in an unknown way")
            case found if found.name == "xz":
                size, window, self.is_filtered = _xz_block(data)
                self._payload = _lzma2([{"id": lzma.FILTER_LZMA2, "dict_size": window}])
            case found:
                self._payload = _unpacker(found.name)
        self._left -= size
        return data[size:]


def _payload(header: bytearray) -> tuple[int, int]:
    """Where in a bzImage it is, and its length without its size at the end. Raises UnpackingError."""
    version, offset, length = (
        struct.unpack_from(form, header, at)[0]
        for form, at in (("<H", _VERSION_AT), ("<I", _PAYLOAD_AT), ("<I", _PAYLOAD_AT + 4))
    )
    start = ((header[_SETUP_SECTORS_AT] or 4) + 1) * _SECTOR + offset
    if not may_be_kernel(header, 0) or version < _WITH_PAYLOAD or start > _MOST_BEFORE or length <= _SIZE:
        raise UnpackingError("it is no kernel")
    return start, length - _SIZE


def _unpacker(name: str) -> Unpacker:
    """Raises UnpackingError."""
    match name:
        case "gzip":
            return unpacker(Packing.GZIP)
        case "zstd":
            return unpacker(Packing.ZSTD)
        case "lzma":
            return Stepwise(lzma.LZMADecompressor(lzma.FORMAT_ALONE, LARGEST_WINDOW))
        case "bzip2":
            return Stepwise(bz2.BZ2Decompressor())
        case "lz4":
            return _LegacyLz4()
    raise UnpackingError(f"a kernel is packed with {name}")


def _lzma2(filters: list[dict[str, int]]) -> Stepwise:
    return Stepwise(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters))


def _xz_block(data: bytes) -> tuple[int, int, bool]:
    """Of a stream's first block: where it begins, how far back it looks, and whether it is filtered.

    Linux unpacks nothing else: LZMA2, after its x86 filter if any. Raises UnpackingError.
    """
    header = data[_XZ_STREAM_HEADER:]
    length, flags = (header[0] + 1) * 4 if header else 0, header[1] if len(header) > 1 else 0
    filters = header[2:length]
    for size in _XZ_SIZES:
        if flags & size:
            filters = filters.lstrip(_CONTINUED)[1:]
            flags &= ~size
    filtered = filters.startswith(_NO_PROPERTIES_X86)
    if filtered:
        filters = filters[2:]
    if flags != filtered or len(filters) < 3 or not filters.startswith(_ONE_PROPERTY_LZMA2) or filters[2] > _WIDEST:
        raise UnpackingError("a kernel is packed by xz in a way that Linux does not unpack")
    window = (2 | filters[2] & 1) << filters[2] // 2 + 11
    if window > LARGEST_WINDOW:
        raise UnpackingError(f"a kernel takes {window} bytes to unpack")
    return _XZ_STREAM_HEADER + length, window, filtered


class _LegacyLz4:
    """Blocks, each with its length before it; their end is that of the payload."""

    ended = False

    def __init__(self) -> None:
        self._rest = bytearray()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        at = 0 if self._begun else _LZ4_MAGIC
        self._begun = True
        while len(self._rest) >= at + 4:
            size = int.from_bytes(self._rest[at : at + 4], "little")
            if size > _LZ4_BLOCK * 2:
                raise UnpackingError("a block is too large")
            if len(self._rest) < at + 4 + size:
                break
            try:
                yield lz4.block.decompress(self._rest[at + 4 : at + 4 + size], uncompressed_size=_LZ4_BLOCK)
            except (lz4.block.LZ4BlockError, ValueError, MemoryError) as error:
                raise UnpackingError(str(error)) from error
            at += 4 + size
        del self._rest[:at]


class X86Filter:
    """Undoes xz's filter of x86 code, from the first byte on.

    Python has it only after LZMA2: there the bytes go in as chunks that are not packed. They are of one size, so that
    the same bytes come out however they are cut.
    """

    def __init__(self) -> None:
        self._filter = _lzma2([{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 12}])
        self._rest = bytearray()
        self._kind = _FIRST_CHUNK

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        whole = len(self._rest) // _CHUNK * _CHUNK
        for at in range(0, whole, _CHUNK):
            yield from self._chunk(bytes(self._rest[at : at + _CHUNK]))
        del self._rest[:whole]

    def _chunk(self, data: bytes) -> Iterator[bytes]:
        kind, self._kind = self._kind, _NEXT_CHUNK
        return self._filter.feed(kind + (len(data) - 1).to_bytes(2, "big") + data)

    def end(self) -> Iterator[bytes]:
        """The rest."""
        if self._filter.ended:
            return
        if self._rest:
            yield from self._chunk(bytes(self._rest))
            self._rest.clear()
        yield from self._filter.feed(_NO_CHUNK)


class KernelForms:
    """A bzImage, from its first byte on, in both forms; where it has only one, in the form KERNEL."""

    def __init__(self) -> None:
        self._kernel = PackedKernel()
        self._filter = X86Filter()

    @property
    def wants(self) -> int:
        """Bytes of the image that may still be put in."""
        return self._kernel.wants

    @property
    def ended(self) -> bool:
        return self._kernel.ended

    def feed(self, data: bytes) -> Iterator[tuple[KernelForm, bytes]]:
        """All that comes out when this has been put in. Raises UnpackingError."""
        for unpacked in self._kernel.feed(data):
            if not self._kernel.is_filtered:
                yield KernelForm.KERNEL, unpacked
                continue
            yield KernelForm.UNFILTERED_KERNEL, unpacked
            for filtered in self._filter.feed(unpacked):
                yield KernelForm.KERNEL, filtered
        if self._kernel.is_filtered and self._kernel.ended:
            for filtered in self._filter.end():
                yield KernelForm.KERNEL, filtered
