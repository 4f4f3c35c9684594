"""Strips as pictures: well-formed whatever is in them, and with all that was counted."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.document.strip import Run, Strip
from vmdbg.document.strip_svg import svg

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def strips(draw: st.DrawFn) -> Strip:
    stretches, length = draw(st.integers(1, 40)), draw(st.integers(1, 1 << 40))
    start = draw(st.integers(0, 1 << 50))
    words, share = st.text(max_size=30), st.floats(0, 1)
    lines = draw(st.lists(st.tuples(st.integers(start, start + length * stretches), words), max_size=5))
    runs = draw(
        st.lists(st.builds(Run, st.integers(0, stretches), st.integers(1, 9), st.integers(1), words, share), max_size=5)
    )
    counts = draw(st.lists(st.integers(0, 1 << 40), min_size=stretches, max_size=stretches))
    return Strip(start, length, stretches, sorted(lines), [("CPU 0", runs)], [("disk", counts)], 1_000_000_000)


@given(strips())
@settings(deadline=None)
def test_every_run_and_count_is_drawn_and_text_of_guests_stays_text(strip: Strip) -> None:
    root = ElementTree.fromstring(svg(strip))
    assert {one.tag for one in root.iter()} <= {f"{SVG}{name}" for name in ("svg", "rect", "path", "text", "title")}
    colors = [one.get("fill", "") for one in root.iter(f"{SVG}rect")]
    assert sum(color.startswith("hsl") for color in colors) == len(strip.lanes[0][1])
    assert colors.count("#1f6feb") == sum(1 for count in strip.densities[0][1] if count)
    assert not re.search(r"nan|inf", svg(strip).partition("<text")[0])
    assert int(root.get("height", "0")) < 200
