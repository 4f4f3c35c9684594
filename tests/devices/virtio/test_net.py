"""virtio-net: frames both ways, whole and in order, whatever buffers the driver has, and only those it wants."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.network.cable import GRAIN, Cable
from devices.network.frame import LONGEST
from devices.network.inputs import LinkInput
from devices.virtio.net import CONTROL, MOST_WAITING, RECEIVE, TRANSMIT, Feature, VirtioNet
from devices.virtio.registers import Status
from tests.devices.network.wiring import Far, frame
from tests.devices.virtio.driver import Driver

MAC = bytes.fromhex("525400123456")
HEADER = 12
SLOT = 0x1000
"""Bytes of each buffer; from 0x40000 on."""
EVERYTHING = int(
    Feature.MRG_RXBUF | Feature.STATUS | Feature.CTRL_VQ | Feature.CTRL_RX | Feature.CTRL_VLAN
    | Feature.CTRL_RX_EXTRA | Feature.GUEST_ANNOUNCE | Feature.CTRL_MAC_ADDR | Feature.MAC
)  # fmt: skip


class Station:
    """The driver, and what is at the other end."""

    def __init__(self, features: int = EVERYTHING, *, event_index: bool = True) -> None:
        self.far = Far()
        self.driver = Driver(self._make, features=features, event_index=event_index).begin(queues=3)
        self.places: list[tuple[int, int]] = []

    def _make(self, slot):
        self.cable = Cable("net0", slot.scheduler.timer("net0-cable"))
        self.cable.peer = self.far
        return VirtioNet(slot, self.cable, MAC)

    def run(self) -> None:
        driver = self.driver
        while (due := driver.scheduler.next_due()) is not None:
            driver.now = max(driver.now, due)
            event = driver.scheduler.pop_due(driver.now)
            device = self.cable if event.owner == "net0-cable" else driver.device
            device.on_event(event.name, driver.now)

    def send(self, data: bytes, *, cut: int = 0, indirect: bool = False) -> None:
        queue = self.driver.queues[TRANSMIT]
        at = 0x40000 + SLOT * 16 * (queue.added % 8)
        whole = bytes(HEADER) + data
        self.driver.ram.data[at : at + len(whole)] = whole
        parts = [(at, len(whole), False)]
        if 0 < cut < len(whole):
            parts = [(at, cut, False), (at + cut, len(whole) - cut, False)]
        queue.add(parts, indirect=indirect)
        if queue.wants_kick:
            queue.kick()

    def offer(self, size: int) -> None:
        queue = self.driver.queues[RECEIVE]
        at = 0x40000 + 0x800 * (queue.added % 128)
        queue.add([(at, size, True)])
        self.places.append((at, size))
        if queue.wants_kick:
            queue.kick()

    def got(self) -> list[bytes]:
        """Whole frames, put together from as many buffers as their headers say."""
        found, rest = [], [self._taken(written) for _, written in self.driver.queues[RECEIVE].done()]
        while rest:
            count = struct.unpack_from("<H", rest[0], 10)[0]
            found.append(b"".join(rest[:count])[HEADER:])
            rest = rest[count:]
        return found

    def _taken(self, written: int) -> bytes:
        at, size = self.places.pop(0)
        assert written <= size
        return bytes(self.driver.ram.data[at : at + written])

    def order(self, command: bytes) -> int:
        """The acknowledgement of a control command."""
        queue, ram = self.driver.queues[CONTROL], self.driver.ram.data
        ram[0xE0000 : 0xE0000 + len(command)] = command
        ram[0xF0000] = 0x55
        queue.add([(0xE0000, len(command), False), (0xF0000, 1, True)])
        queue.kick()
        self.run()
        assert [written for _, written in queue.done()] == [1]
        return ram[0xF0000]

    def come(self, *frames: bytes) -> None:
        for one in frames:
            self.cable.send(one, self.driver.now)
        self.run()

    def receives(self, one: bytes) -> bool:
        self.offer(2000)
        self.come(one)
        found = self.got() == [one]
        if not found:
            self.come(MAC + one[6:12] + b"\x88\xb5" + bytes(46))
            self.got()
        return found


def to(mac: bytes, kind: bytes = b"\x88\xb5", rest: bytes = b"") -> bytes:
    return (mac + bytes.fromhex("525400000002") + kind + rest).ljust(60, b"\0")


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(14, 1514), max_size=30),
    cuts=st.lists(st.integers(0, 1600), min_size=30, max_size=30),
    event_index=st.booleans(),
)
def test_what_the_guest_sends_comes_out_whole_and_in_order(sizes, cuts, event_index):
    station = Station(event_index=event_index)
    sent = [frame(number, max(size, 18)) for number, size in enumerate(sizes)]
    for number, (one, cut) in enumerate(zip(sent, cuts, strict=False)):
        station.send(one, cut=cut, indirect=bool(cut & 1))
        if number % 4 == 3:
            station.run()
    station.run()
    assert [data for _, data in station.far.heard] == sent
    assert len(station.driver.queues[TRANSMIT].done()) == len(sent)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["come", "offer", "run"]), st.integers(60, 1514)), max_size=50),
    merges=st.booleans(),
    event_index=st.booleans(),
)
def test_what_comes_is_had_whole_and_in_order_whenever_the_driver_has_room(steps, merges, event_index):
    station = Station(EVERYTHING if merges else EVERYTHING & ~int(Feature.MRG_RXBUF), event_index=event_index)
    sent, got = [], []
    for action, size in [*steps, *[("offer", 0)] * 120, ("run", 0)]:
        match action:
            case "come" if len(sent) < 12:
                sent.append(frame(len(sent), size))
                station.cable.send(sent[-1], station.driver.now)
            case "offer" if len(station.places) < 60:
                station.offer(1600 if not merges else 100 + size % 700)
            case "run":
                station.run()
        got += station.got()
    for _ in range(40):
        station.run()
        got += station.got()
        while len(station.places) < 60:
            station.offer(1600)
    assert got == sent


def test_of_a_burst_each_frame_costs_two_accesses_and_the_driver_is_told_once():
    station = Station()
    for _ in range(30):
        station.offer(1600)
    station.run()
    station.driver.now = 4 * GRAIN  # so that all come at the next multiple
    before = station.driver.ram.accesses
    station.come(*(frame(number, 100) for number in range(25)))
    assert station.driver.ram.accesses - before <= 2 * 25 + 6
    assert station.got() == [frame(number, 100) for number in range(25)]


def test_a_jumbo_frame_lies_in_as_many_buffers_as_it_takes():
    station = Station()
    for _ in range(50):
        station.offer(1536)
    jumbo = frame(1, LONGEST)
    station.come(jumbo)
    assert station.got() == [jumbo]


def test_frames_wait_for_buffers_and_the_rest_is_refused():
    station = Station()
    station.come(*(frame(number) for number in range(MOST_WAITING + 7)))
    lost = dict(station.cable.describe(0))["to the guest"]
    assert lost == f"{MOST_WAITING + 7} frames, {MOST_WAITING} came through, 7 lost"
    station.offer(2000)
    station.run()
    assert station.got() == [frame(0)]


def test_nothing_is_received_before_the_driver_is_there_and_all_is_gone_after_a_reset():
    station = Station()
    station.come(frame(1))
    station.driver.put(0x14, 1, 0)
    assert station.driver.device.receive(frame(2), station.driver.now) is False
    assert dict(station.driver.device.describe(0))["waiting"].startswith("0 ")


def test_the_configuration_has_the_address_and_the_link():
    station = Station()
    read = station.driver.get
    assert bytes(read(0x2000 + at, 1) for at in range(6)) == MAC
    assert read(0x2006, 2) == 1
    station.driver.slot.messages.clear()
    station.cable.take(LinkInput("net0-cable", up=False), 0)
    assert read(0x2006, 2) == 0
    station.cable.take(LinkInput("net0-cable", up=True), 0)
    assert read(0x2006, 2) == 3, "up, and the driver is to announce itself"
    assert len(station.driver.slot.messages) == 2, "a configuration interrupt each"
    assert station.order(bytes([3, 0])) == 0
    assert read(0x2006, 2) == 1


OTHER, GROUP = bytes.fromhex("525400000099"), bytes.fromhex("01005e000005")
BROADCAST = b"\xff" * 6


def mode(number: int, on: int) -> bytes:
    return bytes([0, number, on])


def table(unicast: list[bytes], multicast: list[bytes]) -> bytes:
    return bytes([1, 0]) + b"".join(len(part).to_bytes(4, "little") + b"".join(part) for part in (unicast, multicast))


@pytest.mark.parametrize(
    ("orders", "taken", "refused"),
    [
        ([], [MAC, OTHER, GROUP, BROADCAST], []),
        ([mode(0, 0)], [MAC, BROADCAST], [OTHER, GROUP]),
        ([mode(0, 0), mode(1, 1)], [MAC, GROUP, BROADCAST], [OTHER]),
        ([mode(0, 0), mode(2, 1)], [MAC, OTHER, BROADCAST], [GROUP]),
        ([mode(0, 0), table([OTHER], [GROUP])], [MAC, OTHER, GROUP, BROADCAST], [OTHER[:5] + b"\x01"]),
        ([mode(0, 0), table([OTHER], [GROUP]), mode(3, 1), mode(4, 1), mode(5, 1)], [], [MAC, OTHER, GROUP, BROADCAST]),
        ([mode(0, 0), bytes([1, 1]) + OTHER], [OTHER, BROADCAST], [MAC, GROUP]),
        ([mode(0, 0), table([], [bytes([1, 0, 0, 0, 0, n]) for n in range(65)])], [MAC, GROUP, BROADCAST], [OTHER]),
    ],
)
def test_filters_let_through_what_the_driver_wants(orders, taken, refused):
    station = Station()
    assert [station.order(order) for order in orders] == [0] * len(orders)
    assert [station.receives(to(mac)) for mac in taken] == [True] * len(taken)
    assert not any(station.driver.device._filter.keeps(to(mac), by_vlan=True) for mac in refused)


def test_tagged_frames_come_through_where_their_vlan_was_added():
    station = Station()
    station.order(mode(0, 0))
    tagged = to(MAC, b"\x81\x00", bytes([0x60, 5]))
    keeps = station.driver.device._filter.keeps
    assert not keeps(tagged, by_vlan=True)
    assert station.order(bytes([2, 0, 5, 0])) == 0
    assert keeps(tagged, by_vlan=True)
    assert station.order(bytes([2, 1, 5, 0])) == 0
    assert not keeps(tagged, by_vlan=True)


@pytest.mark.parametrize(
    "command",
    [b"", b"\0", mode(6, 1), bytes([0, 0]), bytes([1, 1, 2]), bytes([1, 0, 9, 0, 0, 0]), bytes([1, 2]),
     bytes([2, 0, 0, 0x10]), bytes([2, 5, 1, 0]), bytes([4, 0]), bytes([3, 1])],
)  # fmt: skip
def test_commands_that_make_no_sense_are_refused(command):
    station = Station()
    if command:
        assert station.order(command) == 1
    assert not station.driver.device._filter.obey(command)


def test_a_frame_without_a_header_breaks_the_device_and_a_reset_mends_it():
    station = Station()
    station.driver.queues[TRANSMIT].add([(0x40000, 11, False)])
    station.driver.queues[TRANSMIT].kick()
    station.run()
    assert station.driver.status & Status.NEEDS_RESET
    assert station.driver.device.receive(frame(1), station.driver.now) is False
    station.driver.begin(queues=3)
    station.send(frame(2))
    station.run()
    assert [data for _, data in station.far.heard] == [frame(2)]


def test_four_gigabytes_in_one_frame_are_none():
    station = Station()
    station.driver.queues[TRANSMIT].add([(0, 0xFFFF_FFFF, False), (0, 0xFFFF_FFFF, False)])
    station.driver.queues[TRANSMIT].kick()
    station.run()
    assert station.far.heard == []
    assert station.driver.ram.largest <= LONGEST + 1 + HEADER
