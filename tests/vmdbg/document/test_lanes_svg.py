"""Charts of lanes as pictures."""

from __future__ import annotations

from xml.etree import ElementTree

from vmdbg.document.lanes import Chart, Entry, Mark, Tie
from vmdbg.document.lanes_svg import svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>&\x1b[2J\x00"


def test_it_is_well_formed_whatever_the_guest_calls_its_data() -> None:
    entries = tuple(Entry(lane, HOSTILE, HOSTILE, HOSTILE, mark, HOSTILE) for lane, mark in enumerate(Mark))
    chart = Chart(tuple(f"CPU {n}{HOSTILE}" for n in range(len(Mark))), entries, (Tie(0, 1, HOSTILE),), (HOSTILE,))
    tree = ElementTree.fromstring(svg(chart, HOSTILE))
    assert {element.tag for element in tree.iter()} == {
        SVG + name for name in ("svg", "defs", "marker", "path", "rect", "text", "line", "circle", "title")
    }
    assert "\x1b" not in "".join(tree.itertext())


def test_entries_are_below_one_another_in_their_lanes_and_ties_between() -> None:
    entries = (Entry(0, "1", "writes", "f", Mark.WRITE), Entry(1, "2", "reads", "g", Mark.READ))
    tree = ElementTree.fromstring(svg(Chart(("CPU 0", "CPU 1"), entries, (Tie(0, 1, "why"),)), "title"))
    first, second = tree.findall(f"{SVG}circle")
    assert float(first.attrib["cx"]) < float(second.attrib["cx"]) < float(tree.attrib["width"])
    assert float(first.attrib["cy"]) < float(second.attrib["cy"]) < float(tree.attrib["height"])
    (tie,) = tree.findall(f"{SVG}path")
    assert tie.findtext(f"{SVG}title") == "writes: reads (why)"


def test_an_empty_chart_is_a_picture_too() -> None:
    ElementTree.fromstring(svg(Chart((), ()), "nothing"))
