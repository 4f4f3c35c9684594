"""query packets, catch packet and --pcap: the same packets, whoever asks and when."""

from __future__ import annotations

import getpass
import json
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from devices.network.inputs import FaultsInput
from devices.network.packet_filter import parse_filter
from devices.network.wire import Direction, Fate, Passage
from tests.determinism.test_network import MARKS, conversation, quiet_origin
from tests.devices.network.random_packets import EXTENSIONS, Drawn, draw
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import DeviceStop
from vmdbg.errors import UserError
from vmdbg.machine.outcome import PacketPassed
from vmdbg.machine.snapshot import Position
from vmdbg.queries.scan import scan
from vmdbg.queries.survey import Kind, SurveyQuery
from vmdbg.recording.pcap import PcapFile
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packets")
    (path / "file").write_bytes(bytes(range(250)) * 120)
    return path


@pytest.fixture
def session(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr("tests.determinism.test_network.FILE", bytes(range(250)) * 120)
    origin = quiet_origin(folder, conversation(folder))
    timeline = Timeline(origin.machine(), origin=origin)
    made = Session(Debugger(timeline), catalog.commands(), allowed=~Effect.NONE)
    yield made
    made.debugger.close()


def packets(path: Path) -> list[tuple[int, bytes]]:
    """Nanoseconds since 1970 and bytes, of a file as libpcap describes it."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, 1)
    found, at = [], 24
    while at < len(data):
        seconds, nanoseconds, size, whole = struct.unpack_from("<IIII", data, at)
        assert size == whole
        found.append((seconds * 1_000_000_000 + nanoseconds, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


def test_the_question_the_file_and_the_catch_agree(session: Session, tmp_path: Path) -> None:
    timeline = session.debugger.timeline
    file = PcapFile(str(tmp_path / "it.pcap"), timeline.machine.config.start)
    timeline.machine.pc.device_events.packet_listeners.append(file.on_passage)
    timeline.run(Tick(MARKS[0]))
    timeline.push(FaultsInput("net0-cable", 300_000, 100_000, 100_000, seed=2))
    timeline.run(Tick(MARKS[1]))
    session.workers = 1
    rows = json.loads(json.dumps(session.run("query packets --limit 100000").value))
    file.close()
    kept = packets(tmp_path / "it.pcap")
    start = timeline.machine.config.start * 1_000_000_000
    came = [(start + int(row["position"]), bytes.fromhex(row["frame"])) for row in rows if not row["fate"]]
    assert kept == came, "going through the past again wrote nothing"
    assert {row["fate"] for row in rows} == {"", "lost"}
    assert {row["protocol"] for row in rows} >= {"ARP", "ICMP", "DHCP", "DNS", "TFTP", "TCP"}
    names = [row for row in rows if row["protocol"] == "DNS"]
    (counted,) = scan(timeline, SurveyQuery(1 << 20, each=True), timeline.start, timeline.end)
    moments = [one.position.tick for one in counted.moments if one.kind is Kind.NETWORK]
    assert moments == sorted(int(row["position"]) for row in rows)
    assert counted.counts[Kind.NETWORK] == Counter(tick >> 20 for tick in moments)
    shown = session.execute("query packets arp and sent")
    assert "who has 10.0.2.2? tell 10.0.2.15" in shown
    assert "frame" not in shown
    session.run("goto start")
    session.run("catch packet udp port 53")
    assert len(names) >= 2
    for row in names[:2]:
        session.run("continue")
        stop = session.debugger.last_stop
        assert isinstance(stop, DeviceStop)
        (event,) = stop.events
        assert isinstance(event, PacketPassed)
        assert (event.direction, event.info) == (row["direction"], row["info"])
        assert int(row["position"]) <= session.debugger.position.tick < int(row["position"]) + 100
    session.run("reverse-continue")
    assert session.debugger.position.tick < int(names[1]["position"])
    assert "packets: udp port 53" in session.execute("catch")
    session.run("uncatch packet")
    assert session.debugger.points.catches.devices == ()


@pytest.mark.parametrize("line", ["query packets wlan", "catch packet port", "catch packet (arp"])
def test_filters_that_make_no_sense_are_named(session: Session, line: str) -> None:
    with pytest.raises(UserError, match=r"there are: arp|ends where|closed"):
        session.run(line)


def passage(number: int, now: int, fate: Fate = Fate.CARRIED) -> Passage:
    return Passage("net0", Direction.SENT, number, bytes([number]) * 60, now, now, fate)


def test_a_file_of_packets_has_each_once_and_the_new_future_after_a_fork(tmp_path: Path) -> None:
    file = PcapFile(str(tmp_path / "it.pcap"), 0)
    for number, now in enumerate((5, 10, 10, 20)):
        file.on_passage(passage(number, now))
    for number, now in enumerate((5, 10, 10, 20, 30)):
        file.on_passage(passage(number, now))
    file.on_passage(passage(5, 31, Fate.LOST))
    file.forked(Position(Tick(8)))
    file.on_passage(passage(1, 12))
    file.close()
    assert [(now, frame[0]) for now, frame in packets(tmp_path / "it.pcap")] == [
        (5, 0), (10, 1), (10, 2), (20, 3), (30, 4), (12, 1)
    ]  # fmt: skip
    with pytest.raises(UserError, match="File exists"):
        PcapFile(str(tmp_path / "it.pcap"), 0)


def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    file = PcapFile(str(tmp_path / "full.pcap"), 0)
    file._file.close()
    file._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - close() closes it
    file.on_passage(passage(0, 1))
    file.on_passage(passage(1, 2))
    file.close()
    assert "No space left on device" in file.failed


FILTERS = ["arp", "ip", "ip6", "icmp", "icmp6", "tcp", "udp", "tcp port 80", "port 443 or port 5000",
           "not ip and not ip6", "udp and not port 80", "not (tcp or udp or arp)"]  # fmt: skip


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not there")
@pytest.mark.parametrize("words", [*FILTERS, "host"])
def test_filters_let_through_what_tcpdump_does(tmp_path, words):
    """Of frames without tags and extension headers, which it does not see through."""
    random = Random(3)
    every = [one for one in (draw(random) for _ in range(3000)) if "vlan" not in one.protocols and not _extended(one)]
    if words == "host":
        words = f"host {random.choice([one for one in every if one.protocols & {'ip', 'ip6'}]).hosts[0]}"
    file = PcapFile(str(tmp_path / "all.pcap"), 0)
    for number, one in enumerate(every):
        file.write(number, one.frame)
    file.close()
    command = ["tcpdump", "--nano", "-Z", getpass.getuser(), "-r", "-", "-w", "-", words]
    done = subprocess.run(
        command, input=(tmp_path / "all.pcap").read_bytes(), check=True, capture_output=True, timeout=60
    )
    (tmp_path / "some.pcap").write_bytes(done.stdout)
    test = parse_filter(words).holds
    assert [frame for _, frame in packets(tmp_path / "some.pcap")] == [
        one.frame for one in every if test(Passage("net0", Direction.SENT, 0, one.frame, 0, 0, Fate.CARRIED))
    ]


def _extended(one: Drawn) -> bool:
    return "ip6" in one.protocols and one.frame[20] in (*EXTENSIONS, 44)
