"""State of a device that is too much to be copied at every checkpoint: kept by page."""

from __future__ import annotations

from collections.abc import Iterator

PAGE_SIZE = 0x1000
_ZEROS = bytes(PAGE_SIZE)


class PagedArea:
    """devices.seam.Pages: zeros at first, in memory where something else was written.

    Whoever keeps it asks for it by page: which may have changed, what is there now, and back to what it was. Pages are
    immutable bytes, so that what is kept and what is here is the same memory.
    """

    def __init__(self, name: str, size: int) -> None:
        """`size` in bytes; the last page may go beyond it. Raises ValueError if it is none."""
        if size <= 0:
            raise ValueError(f"{name}: {size} bytes of paged state cannot be kept")
        self.name = name
        self.size = size
        self._pages: dict[int, bytes] = {}
        self._dirty: set[int] = set()

    def read(self, offset: int, size: int) -> bytes:
        self._check(offset, size)
        pages = self._pages
        first, start = divmod(offset, PAGE_SIZE)
        if start + size <= PAGE_SIZE:
            return pages.get(first, _ZEROS)[start : start + size]
        last = (offset + size - 1) // PAGE_SIZE
        joined = b"".join([pages.get(number, _ZEROS) for number in range(first, last + 1)])
        return joined[start : start + size]

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self._check(offset, len(data))
        done, view = 0, memoryview(data)
        while done < len(view):
            number, start = divmod(offset + done, PAGE_SIZE)
            part = view[done : done + PAGE_SIZE - start]
            if len(part) < PAGE_SIZE:
                page = bytearray(self._pages.get(number, _ZEROS))
                page[start : start + len(part)] = part
                self.put(number, bytes(page))
            else:
                self.put(number, bytes(part))
            self._dirty.add(number)
            done += len(part)

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= offset <= offset + size <= self.size:
            raise ValueError(f"{self.name}: {size} bytes at {offset:#x} of {self.size:#x} bytes of paged state")

    @property
    def page_count(self) -> int:
        return -(-self.size // PAGE_SIZE)

    def page(self, number: int) -> bytes:
        """What it holds now."""
        return self._pages.get(number, _ZEROS)

    def put(self, number: int, page: bytes) -> None:
        """Have a page hold that, without marking it dirty."""
        if page == _ZEROS:
            self._pages.pop(number, None)
        else:
            self._pages[number] = page

    def filled(self) -> Iterator[tuple[int, bytes]]:
        """Pages that are not zeros, by rising number."""
        for number in sorted(self._pages):
            yield number, self._pages[number]

    def dirty(self) -> list[int]:
        """What has been written since clean(), rising."""
        return sorted(self._dirty)

    def clean(self) -> None:
        self._dirty.clear()
