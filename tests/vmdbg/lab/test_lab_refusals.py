"""Whatever is wrong with a plan is said with its file, the line that it is in, and nothing that drives a terminal."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from vmdbg.api.lab_file import read_plan
from vmdbg.errors import UserError

Value = str
"""As TOML writes it."""
Tables = list[tuple[str, dict[str, Value]]]
"""What is in the brackets of a header, and what follows it."""
JUNK: tuple[Value, ...] = (
    *(
        "true",
        "0",
        "-1",
        "1.5",
        "nan",
        "inf",
        str(1 << 70),
        "[]",
        "[1]",
        "[[]]",
        '["a"]',
        "{}",
        "{a = 1}",
        "1979-05-27",
    ),
    *('""', '"x"', '"\\u001b[31m"', '"a\\u0000b"', f'"{"5" * 300}"', '"1s"', '"1us"', '"99999999999999999999s"'),
    *(
        '"client.net0"',
        '"lan"',
        '"client"',
        '".net0"',
        '"client."',
        '"cut"',
        '"cut x"',
        '"lose uplink nan"',
        '"boot lan"',
    ),
    *(
        '"unplug client.com2"',
        '"lose uplink 5 -1"',
        '["client.net0", "client.net0"]',
        '["lan", "lan"]',
        '["a.b.c", "x"]',
    ),
)
KEYS = ("foo", '"\\u001b[1m"', f'"{"k" * 400}"', "do", "kernel", "a.b", "ends", '"with space"')
ELSEWHERE = {"name": ("do",), "ends": ("do", "ends", "latency")}
"""Where else what is wrong may show: a name is not there, a port is taken twice, a link of another kind is too fast."""


def tables() -> Tables:
    return [
        ("lab", {"latency": '"500us"'}),
        ("machines.client", {"kernel": '"vmlinuz"', "memory": '"128M"', "disk": '["a.img"]', "no-apic": "true"}),
        ("machines.server", {"starts": '"1.5s"', "cpus": "2", "append": '"quiet"'}),
        ("switches.lan", {"kind": '"hub"'}),
        ("[links]", {"ends": '["client.net0", "lan"]', "latency": '"250us"', "loss": "2.5", "seed": "7"}),
        ("[links]", {"name": '"uplink"', "ends": '["lan", "server.net0"]'}),
        ("[links]", {"ends": '["client.com2", "server.com2"]'}),
        ("[happenings]", {"at": '"2s"', "do": '"cut uplink"'}),
        ("[happenings]", {"at": '"3s"', "do": '"unplug client.net0"'}),
    ]


def written(made: Tables, chance: random.Random) -> tuple[str, dict[tuple[int, str], int]]:
    """With empty lines and remarks here and there; and in which line each key is, and each header, which is ""."""
    lines: list[str] = []
    places = dict[tuple[int, str], int]()
    for number, (header, values) in enumerate(made):
        lines += chance.choice(([], [""], ["# kernel = 3 [lab]"]))
        lines.append(chance.choice(("[{}]", "[ {} ]")).format(header) if header[0] != "[" else f"[{header}]")
        places[number, ""] = len(lines)
        for key, value in values.items():
            lines.append(f"{chance.choice(('', '  '))}{key} = {value}{chance.choice(('', '  # a remark'))}")
            places[number, key] = len(lines)
    return "\n".join(lines) + "\n", places


def refusal(path: Path, text: str) -> str | None:
    """What is said of it, behind the file's name; None where nothing is wrong."""
    path.write_text(text)
    try:
        read_plan(path)
    except UserError as error:
        words = str(error)
    else:
        return None
    assert words.startswith(str(path))
    return words.removeprefix(str(path))


def refused(path: Path, text: str) -> int | None:
    """The line that is said; None where nothing is wrong."""
    words = refusal(path, text)
    if words is None:
        return None
    assert words.isprintable()
    assert len(words) < 700
    assert "unpack" not in words, "Python's own words"
    found = re.match(r":(\d+): ", words)
    assert found is not None, words
    return int(found[1])


@pytest.mark.parametrize("seed", range(12))
def test_a_value_that_cannot_be_is_refused_with_its_line(tmp_path: Path, seed: int) -> None:
    chance, refusals = random.Random(seed), 0
    for _ in range(40):
        made = tables()
        number = chance.randrange(len(made))
        key = chance.choice(list(made[number][1]))
        made[number][1][key] = chance.choice(JUNK)
        text, places = written(made, chance)
        line = refused(tmp_path / "lab.toml", text)
        others = {at for (_, other), at in places.items() if other in ELSEWHERE.get(key, ())}
        assert line in {None, places[number, key], *others}, text
        refusals += line is not None
    assert refusals > 15


@pytest.mark.parametrize("seed", range(4))
def test_a_key_that_is_not_known_is_refused_with_its_line(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(20):
        made = tables()
        number, key = chance.randrange(len(made)), chance.choice(KEYS)
        if key in made[number][1] or (made[number][0].startswith("machines") and key == "kernel"):
            continue
        made[number][1][key] = chance.choice(JUNK)
        text, places = written(made, chance)
        assert refused(tmp_path / "lab.toml", text) == places[number, key], text


@pytest.mark.parametrize("key", ["ends", "at", "do"])
def test_what_has_to_be_there_is_missed_where_it_is_missing(tmp_path: Path, key: str) -> None:
    """And not where the next table has it."""
    for number, (_, values) in enumerate(tables()):
        if key in values:
            made = tables()
            del made[number][1][key]
            text, places = written(made, random.Random(number))
            assert refused(tmp_path / "lab.toml", text) in {places[number, ""], places.get((number, "do"))}, text


@pytest.mark.parametrize("header", ["machines", "machines.client.x", "switches", "links", "[machines]", "[lab]", "foo"])
def test_a_table_of_another_kind_is_refused_with_its_line(tmp_path: Path, header: str) -> None:
    name = header.strip("[]").split(".")[0]
    made = [one for one in tables() if not one[0].strip("[]").startswith(name)]
    made.insert(3, (header, {"kind": "3"}))
    text, places = written(made, random.Random(1))
    assert refused(tmp_path / "lab.toml", text) in {places[3, ""], places[3, "kind"]}, text


@pytest.mark.parametrize("name", ['"a b"', "9", '"\\u001b"', "client", "lan", '"' + "n" * 200 + '"'])
@pytest.mark.parametrize("kind", ["machines", "switches"])
def test_a_name_that_cannot_be_is_refused_with_its_line(tmp_path: Path, name: str, kind: str) -> None:
    made = tables()
    if f"{kind}.{name}" in dict(made):
        pytest.skip("it is there already, which TOML says")
    made.insert(4, (f"{kind}.{name}", {}))
    text, places = written(made, random.Random(2))
    headers = {at for (number, key), at in places.items() if not key and number in (1, 3, 4)}
    line = refused(tmp_path / "lab.toml", text)
    assert line in headers if name in ("client", "lan") else line == places[4, ""]


def test_a_latency_for_all_links_is_refused_where_it_is_said(tmp_path: Path) -> None:
    made = tables()
    made[0][1]["latency"] = '"1us"'
    text, places = written(made, random.Random(3))
    assert refused(tmp_path / "lab.toml", text) == places[0, "latency"]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_file_has_no_traceback_comes_of_it(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "lab.toml"
    for _ in range(100):
        text, _ = written(tables(), chance)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(('"', "'", "[", "]", "=", "\n", "{", ".", "\\", "")) + text[at + 1 :]
        said = refusal(path, text)
        assert said is None or re.search(r":\d+: |at line \d+|at end of document", said), said
