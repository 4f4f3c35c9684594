"""Plans as TOML: what they say, and what is said of bad ones."""

from pathlib import Path

import pytest

from vmdbg.api.lab_file import duration, read_plan
from vmdbg.errors import UserError
from vmdbg.lab.plan import End, SwitchKind

GOOD = """
[machines.client]
kernel = "vmlinuz"
memory = "128M"
disk = ["a.img", "b.img"]
no-apic = true
cpus = 2

[machines.server]
starts = "1.5s"

[switches.lan]
kind = "hub"

[[links]]
ends = ["client.net0", "lan"]
latency = "250us"
loss = 2.5
seed = 7

[[links]]
name = "uplink"
ends = ["lan", "server.net0"]

[[happenings]]
at = "2s"
do = "cut uplink"
"""


def _plan(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(text)
    return path


def test_a_plan_says_what_there_is_and_what_happens(tmp_path: Path) -> None:
    plan = read_plan(_plan(tmp_path, GOOD))
    client, server = plan.machines
    assert client.options == {
        "kernel": str(tmp_path / "vmlinuz"),
        "memory": "128M",
        "disks": [str(tmp_path / "a.img"), str(tmp_path / "b.img")],
        "apic": False,
        "cpus": 2,
    }
    assert (server.name, server.starts) == ("server", 1_500_000_000)
    assert plan.switches[0].kind is SwitchKind.HUB
    first, second = plan.links
    assert (first.name, first.latency, first.loss, first.seed) == ("client-lan", 250_000, 25_000, 7)
    assert second.ends == (End("lan"), End("server", "net0"))
    assert [(one.at, one.line) for one in plan.happenings] == [(2_000_000_000, "cut uplink")]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('memory = "128M"', "memroy = 1", "lab.toml:4: machines.client: memroy is not known: do you mean memory"),
        ('kind = "hub"', 'kind = "tube"', "lab.toml:13: switches.lan: kind is one of learning, hub, not 'tube'"),
        ('"250us"', '"soon"', "lab.toml:17: links, the 1.: latency 'soon' is no time"),
        ('"250us"', '"1us"', "link client-lan: a latency of 1000 ns is not between 10000 ns and a minute"),
        ('"lan", "server.net0"', '"lan", "sever.net0"', "link uplink: there is no machine 'sever'"),
        ('"lan", "server.net0"', '"wan", "server.net0"', "link uplink: there is no switch 'wan' .there are: lan."),
        ('"lan", "server.net0"', '"lan", "server.usb0"', "there is no port 'usb0'; a machine has net0"),
        ('"lan", "server.net0"', '"lan", "client.net0"', "two links are plugged into client.net0"),
        ('"lan", "server.net0"', '"lan", "server.com2"', "a serial port is linked to a serial port"),
        ('"lan", "server.net0"', '"lan"', "links, the 2.: ends has to be there, two texts"),
        ("cut uplink", "cut ropes", "there is no link 'ropes'"),
        ('at = "2s"', "", "happenings, the 1.: do and at have to be there"),
        ("[machines.server]", "[machines.'the server']", "'the server' is no name"),
        ("[[happenings]]", "[happening]", "happening is not known: do you mean happenings"),
        ("no-apic = true", "no-apic = 1", "machines.client: no-apic is true or false"),
        ('kernel = "vmlinuz"', "kernel = 3", "machines.client: kernel is a text"),
        ("loss = 2.5", "loss = 250", "loss is per cent"),
        ("[[links]]", "[[links]", "at line"),
        ("[machines.client]", "record = 'x'\n[machines.client]", "record is not known"),
        ('kernel = "vmlinuz"', 'record = "x"', "machines.client: record is not known"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, before: str, after: str, words: str) -> None:
    assert before in GOOD
    with pytest.raises(UserError, match=words):
        read_plan(_plan(tmp_path, GOOD.replace(before, after, 1)))


def test_a_loop_of_switches_is_refused(tmp_path: Path) -> None:
    text = "[machines.a]\n[switches.s]\n[switches.t]\n" + 2 * '[[links]]\nends = ["s", "t"]\n'
    text = text.replace('ends = ["s", "t"]\n', 'ends = ["s", "t"]\nname = "first"\n', 1)
    with pytest.raises(UserError, match="closes a loop of switches"):
        read_plan(_plan(tmp_path, text))


def test_what_is_no_plan_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a lab needs machines"):
        read_plan(_plan(tmp_path, ""))
    with pytest.raises(UserError, match="cannot read"):
        read_plan(tmp_path / "nothing.toml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is no TOML file"):
        read_plan(tmp_path / "binary")


@pytest.mark.parametrize(("text", "found"), [("250us", 250_000), ("1.5 ms", 1_500_000), ("2s", 2 * 10**9), ("7ns", 7)])
def test_times_are_numbers_with_a_unit(text: str, found: int) -> None:
    assert duration(text) == found


@pytest.mark.parametrize(
    "text",
    [f"a = {'[' * 20_000}{']' * 20_000}", f"a = {'{a=' * 3000}1{'}' * 3000}", f"[lab]\nlatency = {'9' * 5000}"],
)
def test_what_nests_or_counts_beyond_measure_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"lab.toml"):
        read_plan(_plan(tmp_path, text))
