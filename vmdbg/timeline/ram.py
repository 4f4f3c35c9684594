"""What a machine holds by page at an instant, and the difference between two instants put back into it.

That is RAM, and after it the paged state of devices: see vmdbg.machine.paged.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from itertools import compress
from operator import is_not, not_
from typing import Protocol
from weakref import ref

from vmdbg.engine.memory import Contents
from vmdbg.errors import RecordingError
from vmdbg.interruption import INTERRUPTION
from vmdbg.timeline.page_tree import Node, top_span, uniform
from vmdbg.timeline.pages import Page, PageStore, contents, page_key

WORTH_OWING = 2048
"""Pages that differ: fewer are put back as quickly as it is decided which."""

MOST_REPLACED = 1 << 17
COOLED_AT_ONCE = 256
FEW_OWED = 64
"""Pages that are kept at hand when they are put back late."""


class Paged(Protocol):
    """Pages by number, as vmdbg.machine.paged has them."""

    @property
    def count(self) -> int: ...

    def view(self, number: int) -> bytes | memoryview: ...

    @property
    def owable(self) -> int: ...

    def owe(self, numbers: array[int], contents: Contents) -> bool: ...

    def owed(self) -> bytes: ...

    def restore(self, pages: Iterable[tuple[int, bytes]]) -> None: ...

    def dirty(self) -> Sequence[int]: ...

    def clean(self) -> None: ...


class RamImage:
    """The contents of all pages at an instant. Images share what is equal."""

    __slots__ = ("_others", "count", "root")

    def __init__(self, root: Node, count: int) -> None:
        self.root = root
        self.count = count
        self._others: tuple[ref[Node], array[int]] | None = None
        """The image that this one was made from, and which pages differ."""

    @classmethod
    def filled(cls, page: Page, pages: int) -> RamImage:
        """All pages alike."""
        return cls(uniform(page, top_span(pages), pages), pages)

    def __getitem__(self, page: int) -> Page:
        return self.root.page(page)

    def with_pages(self, changes: Mapping[int, Page]) -> RamImage:
        """The image with some pages replaced."""
        return RamImage(self.root.with_pages(changes), self.count)

    def followed_by(self, numbers: array[int], pages: Iterable[Page]) -> RamImage:
        """The image with these pages, each another than its own, at these numbers, which rise."""
        if not numbers:
            return self
        image = self.with_pages(dict(zip(numbers, pages, strict=True)))
        image._others = ref(self.root), numbers
        return image

    def pages(self, numbers: Iterable[int]) -> list[Page]:
        """The pages of these numbers, quickest where they rise."""
        return self.root.pages(numbers)

    def changed(self, other: RamImage) -> tuple[array[int], list[Page]]:
        """Where this one differs from another image of the same machine: numbers, rising, and its own pages."""
        if self._others is not None and self._others[0]() is other.root:
            numbers = self._others[1]
            return numbers[:], self.root.pages(numbers)
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

    def __init__(
        self, paged: Paged, store: PageStore, image: RamImage | None = None, *, worth_owing: int = WORTH_OWING
    ) -> None:
        """Without an `image`, all pages held zeros before anything was marked dirty. `worth_owing`: see WORTH_OWING."""
        self._paged = paged
        self._store = store
        self._image = image or RamImage.filled(store.zero, paged.count)
        self._hashed: dict[int, bytes] = {}
        """The keys of pages that were touched since all was equal to the image, when they were last hashed."""
        self._worth_owing = worth_owing
        self._owes = True
        """Whether pages may be put back later than at once."""
        self._replaced = deque[ref[Page]](maxlen=MOST_REPLACED)
        """What capture() has found others in place of: the machine needs it no longer."""

    def digest(self) -> str:
        """The digest of what the pages hold now, of which nothing else is kept."""
        view, hashed = self._paged.view, self._hashed
        for number in self._paged.dirty():
            hashed[number] = page_key(view(number))
        self._paged.clean()
        return self._image.digest(hashed)

    def capture(self) -> RamImage:
        """What the pages hold now."""
        image, touched = self._image, array("I", sorted(self._touched()))
        before, now = image.pages(touched), list(map(self._store.page, map(self._paged.view, touched)))
        differ = list(map(is_not, before, now))
        self._replaced += [page.kept or ref(page) for page in compress(before, differ)]
        self._is_equal_to(image.followed_by(array("I", compress(touched, differ)), compress(now, differ)))
        return self._image

    def cool_replaced(self, is_enough: Callable[[], bool]) -> None:
        """Have memory not keep as they are pages that the machine had, the oldest first, until that `is_enough`."""
        while self._replaced and not is_enough():
            some = [self._replaced.popleft() for _ in range(min(COOLED_AT_ONCE, len(self._replaced)))]
            self._store.cool(page for one in some if (page := one()) is not None)

    def let_go(self) -> None:
        """The machine is no more: hold no pages of it."""
        self._image = RamImage.filled(self._store.zero, self._image.count)
        self._hashed.clear()
        self._replaced.clear()

    def restore(self, image: RamImage, likely: Set[int] | None = None) -> int:
        """Make the pages what they were; returns how many had to be written.

        `likely`: pages that will be accessed soon. If that is known, of many pages the others are put back when they
        are accessed; RecordingError may then come out of whatever does so.
        """
        numbers, pages = image.changed(self._image)
        later = array("I")
        if not self._owes:
            numbers, pages = self._with_owed(numbers, pages, image)
        elif likely is not None and len(numbers) >= self._worth_owing:
            numbers, pages, later = self._split(numbers, pages, image, likely)
        self._add_touched(numbers, pages, image)
        self._fetch(pages)  # before anything is changed: it may be damaged
        self._paged.restore(zip(numbers, contents(pages), strict=True))
        if later and not self._paged.owe(later, self._owed_contents):
            self._owes = False
            return len(numbers) + self.restore(image)
        self._is_equal_to(image)
        return len(numbers)

    @property
    def owes_some(self) -> bool:
        """Whether pages may have to be put back yet."""
        return bool(self._paged.owed())

    def bring(self, likely: Set[int]) -> None:
        """Put back now what is owed of pages that will be accessed soon: one by one each takes a fault.

        What is damaged stays owed: whoever accesses it is told.
        """
        numbers = array("I", sorted(self._owed_among(likely)))
        pages = self._image.pages(numbers)
        with suppress(RecordingError):
            self._fetch(pages)
            self._paged.restore(zip(numbers, contents(pages), strict=True))

    def _owed_among(self, numbers: Iterable[int]) -> set[int]:
        owed = self._paged.owed()
        return {number for number in numbers if number < len(owed) and owed[number]}

    def _add_touched(self, numbers: array[int], pages: list[Page], image: RamImage) -> None:
        """Add what is not equal to the image for having been touched."""
        touched, view = sorted(self._touched()), self._paged.view
        known, owed = set(numbers), self._owed_among(touched)
        for number, page in zip(touched, image.pages(touched), strict=True):
            if number in known:
                continue
            if number in owed or page_key(view(number)) != page.key:
                numbers.append(number)
                pages.append(page)

    def _split(
        self, numbers: array[int], pages: list[Page], image: RamImage, likely: Set[int]
    ) -> tuple[array[int], list[Page], array[int]]:
        """What is to be put back now, of what differs and of what is owed, and the numbers of the others."""
        end, touched = self._paged.owable, self._touched()
        soon = [number in likely or number >= end or number in touched for number in numbers]
        later = array("I", compress(numbers, map(not_, soon)))
        now, known = array("I", compress(numbers, soon)), list(compress(pages, soon))
        missing = sorted(self._owed_among(likely).difference(numbers))
        now.extend(missing)
        return now, known + image.pages(missing), later

    def _with_owed(self, numbers: array[int], pages: list[Page], image: RamImage) -> tuple[array[int], list[Page]]:
        """And all that is owed, as nothing is to be any more."""
        owed = self._paged.owed()
        missing = sorted(set(compress(range(len(owed)), owed)).difference(numbers))
        return numbers + array("I", missing), pages + image.pages(missing)

    def _owed_contents(self, numbers: Sequence[int]) -> list[bytes]:
        """Of pages that are accessed. Raises RecordingError."""
        pages = self._image.pages(numbers)
        away = [page for page in pages if page.is_away]
        with INTERRUPTION.critical():
            self._fetch(away)
            found = list(contents(pages))
        if len(away) > FEW_OWED:
            self._store.cool(away)  # whoever asks for so many wants memory, not checkpoints
        return found

    def _fetch(self, pages: Iterable[Page]) -> None:
        """Have their contents at hand. Raises RecordingError; from then on no page becomes owed any more."""
        try:
            self._store.fetch(pages)
        except RecordingError:
            self._owes = False
            raise
        except OSError as error:
            self._owes = False
            raise RecordingError(f"a page of a checkpoint cannot be read: {error.strerror}") from error

    def _is_equal_to(self, image: RamImage) -> None:
        """The pages hold that now."""
        self._paged.clean()
        self._hashed.clear()
        self._image = image

    def _touched(self) -> set[int]:
        """What may differ from the image."""
        return {*self._paged.dirty(), *self._hashed}
