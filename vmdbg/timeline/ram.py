"""What a machine holds by page at an instant, and the difference between two instants put back into it.

That is RAM, and after it the paged state of devices: see vmdbg.machine.paged.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from vmdbg.timeline.page_tree import Node, top_span, uniform
from vmdbg.timeline.pages import Page, PageStore, contents, page_key


class Paged(Protocol):
    """Pages by number, as vmdbg.machine.paged has them."""

    @property
    def count(self) -> int: ...

    def view(self, number: int) -> bytes | memoryview: ...

    def restore(self, pages: Iterable[tuple[int, bytes]]) -> None: ...

    def dirty(self) -> Sequence[int]: ...

    def clean(self) -> None: ...


class RamImage:
    """The contents of all pages at an instant. Images share what is equal."""

    __slots__ = ("count", "root")

    def __init__(self, root: Node, count: int) -> None:
        self.root = root
        self.count = count

    @classmethod
    def filled(cls, page: Page, pages: int) -> RamImage:
        """All pages alike."""
        return cls(uniform(page, top_span(pages), pages), pages)

    def __getitem__(self, page: int) -> Page:
        return self.root.page(page)

    def with_pages(self, changes: Mapping[int, Page]) -> RamImage:
        """The image with some pages replaced."""
        return RamImage(self.root.with_pages(changes), self.count)

    def pages(self, numbers: Iterable[int]) -> list[Page]:
        """The pages of these numbers, quickest where they rise."""
        return self.root.pages(numbers)

    def changed(self, other: RamImage) -> tuple[array[int], list[Page]]:
        """Where this one differs from another image of the same machine: numbers, rising, and its own pages."""
        return self.root.changed(other.root)

    def differences(self, other: RamImage) -> array[int]:
        """Their numbers."""
        return self.changed(other)[0]

    def besides(self, page: Page) -> tuple[array[int], list[Page]]:
        """The pages that are another than this one, such as zeros, in order."""
        return self.changed(RamImage.filled(page, self.count))

    def digest(self, changes: Mapping[int, bytes]) -> str:
        """XXH3-128 in hex over the tree of pages, if some had other keys: cheap where little has changed."""
        return self.root.key_with(changes).hex()


class RamTracker:
    """Knows which image a machine's pages were last equal to, and what may have changed since."""

    def __init__(self, paged: Paged, store: PageStore, image: RamImage | None = None) -> None:
        """Without an `image`, all pages held zeros before anything was marked dirty."""
        self._paged = paged
        self._store = store
        self._image = image or RamImage.filled(store.zero, paged.count)
        self._hashed: dict[int, bytes] = {}
        """The keys of pages that were touched since all was equal to the image, when they were last hashed."""
        self.replaced: list[Page] = []
        """What capture() has found others in place of, for whoever makes room: the machine needs it no longer."""

    def digest(self) -> str:
        """The digest of what the pages hold now, of which nothing else is kept."""
        view, hashed = self._paged.view, self._hashed
        for number in self._paged.dirty():
            hashed[number] = page_key(view(number))
        self._paged.clean()
        return self._image.digest(hashed)

    def capture(self) -> RamImage:
        """What the pages hold now."""
        changes: dict[int, Page] = {}
        view, image, page_of = self._paged.view, self._image, self._store.page
        touched = sorted(self._touched())
        for number, before in zip(touched, image.pages(touched), strict=True):
            page = page_of(view(number))
            if page is not before:
                changes[number] = page
                self.replaced.append(before)
        self._is_equal_to(image.with_pages(changes) if changes else image)
        return self._image

    def let_go(self) -> None:
        """The machine is no more: hold no pages of it."""
        self._image = RamImage.filled(self._store.zero, self._image.count)
        self._hashed.clear()
        self.replaced.clear()

    def restore(self, image: RamImage) -> int:
        """Make the pages what they were; returns how many had to be written."""
        touched, view = sorted(self._touched()), self._paged.view
        numbers, pages = image.changed(self._image)
        changed = set(numbers)
        for number, page in zip(touched, image.pages(touched), strict=True):
            if number not in changed and page_key(view(number)) != page.key:
                numbers.append(number)
                pages.append(page)
        self._store.fetch(pages)  # before anything is changed: it may be damaged
        self._paged.restore(zip(numbers, contents(pages), strict=True))
        self._is_equal_to(image)
        return len(numbers)

    def _is_equal_to(self, image: RamImage) -> None:
        """The pages hold that now."""
        self._paged.clean()
        self._hashed.clear()
        self._image = image

    def _touched(self) -> set[int]:
        """What may differ from the image."""
        return {*self._paged.dirty(), *self._hashed}
