"""An RTL8139C+ as a driver of its rings has it: descriptors, checksums, segments, tags, tallies; and as an RTL8139C."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.network.frame import LONGEST
from devices.network.inputs import FrameInput
from devices.network.net import NicModel
from devices.network.quiet import packets as ip
from devices.network.rtl8139 import cplus_descriptors as desc
from devices.network.rtl8139 import cplus_registers as plus
from devices.network.rtl8139 import registers as reg
from tests.devices.network.nic_bench import MAC, NicBench
from tests.devices.network.quiet.guest import GATEWAY, GUEST

RECEIVE, TRANSMIT, HIGH, DATA, BUFFERS, TALLIES = 0x10000, 0x11000, 0x12000, 0x20000, 0x80000, 0x1F000
FRAME = MAC + bytes(range(6)) + b"\x08\x06" + bytes(range(100))
ACCEPT = reg.RCR_OWN | reg.RCR_BROADCAST
MODE = plus.CPCR_TRANSMIT | plus.CPCR_RECEIVE
RING = 8
OUT = ip.Ends(bytes.fromhex("525500000002"), MAC, GATEWAY, GUEST)
"""From the guest: ours and the guest's are the other way round."""
TO_GUEST = ip.Ends(MAC, bytes.fromhex("525500000002"), GUEST, GATEWAY)


class Driver(NicBench):
    """Its rings are of RING descriptors, used in turn."""

    def __init__(self, model: NicModel = NicModel.RTL8139_CPLUS) -> None:
        super().__init__(model)
        self.receive = self.transmit_at = 0

    def read(self, offset: int, size: int = 4) -> int:
        return int(self.nic.read(offset, size, self.now))

    def write(self, offset: int, value: int, size: int = 4) -> None:
        self.nic.write(offset, size, value & (1 << 8 * size) - 1, self.now)

    def begin(self, mode: int = MODE, buffer: int = 2048, control: int = ACCEPT) -> None:
        self.write(reg.CR, reg.CR_RESET, 1)
        self.write(plus.CPCR, mode, 2)
        for register, ring in ((plus.RDSAR, RECEIVE), (plus.TNPDS, TRANSMIT), (plus.THPDS, HIGH)):
            self.write(register, ring)
            self.write(register + 4, 0)
        self.write(reg.CR, reg.CR_RECEIVE | reg.CR_TRANSMIT, 1)
        self.write(reg.RCR, control)
        self.write(reg.IMR, 0xFFFF, 2)
        self.receive = self.transmit_at = 0
        for number in range(RING):
            self.give(number, buffer)

    def descriptor(self, ring: int, number: int) -> tuple[int, int, int]:
        return struct.unpack("<IIQ", self.memory.read(ring + 16 * number, 16))

    def put(self, ring: int, number: int, command: int, tag: int, at: int) -> None:
        command |= desc.OWN | (desc.END_OF_RING if number == RING - 1 else 0)
        self.memory.write(ring + 16 * number, struct.pack("<IIQ", command, tag, at))

    def give(self, number: int, buffer: int) -> None:
        self.put(RECEIVE, number, buffer, 0, BUFFERS + 0x2000 * number)

    def received(self) -> list[tuple[int, int, bytes]]:
        """Status, second word and data of each frame; the sequences are good, and their descriptors are given back."""
        found, data = [], b""
        for _ in range(RING):
            status, tag, at = self.descriptor(RECEIVE, self.receive)
            if status & desc.OWN:
                break
            assert bool(status & desc.FIRST) == (not data)
            if status & desc.LAST:
                data += self.memory.read(at, (status & 0x1FFF) - len(data))
                assert zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:]
                found.append((status, tag, data[:-4]))
                data = b""
            else:
                data += self.memory.read(at, self.small)
            self.give(self.receive, self.small or 2048)
            self.receive = (self.receive + 1) % RING
        return found

    small = 0
    """Bytes of a buffer, where frames take several."""

    def send(self, *parts: bytes, command: int = 0, tag: int = 0, ring: int = TRANSMIT) -> None:
        at = DATA
        for number, part in enumerate(parts):
            self.memory.write(at, part)
            ends = (desc.FIRST if not number else 0) | (desc.LAST if number == len(parts) - 1 else 0)
            self.put(ring, self.transmit_at, command | ends | len(part), tag, at)
            self.transmit_at = (self.transmit_at + 1) % RING
            at += len(part)
        self.write(plus.TPPOLL, plus.POLL_HIGH if ring == HIGH else plus.POLL_NORMAL, 1)
        self.wait(10_000_000)


@pytest.fixture
def driver() -> Driver:
    made = Driver()
    made.begin()
    return made


def tcp(ends: ip.Ends, data: bytes, flags: int = 0x18, tag: bytes = b"") -> bytes:
    one = ip.Segment(80, 5000, 0xFFFF_FF00, 7, ip.Flag(flags), 100, data)
    frame = ip.ip_frame(ends, ip.TCP, ip.tcp_data(ends, one), 9)
    return frame[:12] + tag + frame[12:]


def udp(ends: ip.Ends, data: bytes) -> bytes:
    return ip.ip_frame(ends, ip.UDP, ip.udp_data(ends, ip.Datagram(53, 5000, data)), 9)


def test_it_says_what_it_is(driver: Driver) -> None:
    assert driver.read(reg.TCR) & 0x7CC0_0000 == 0x7480_0000
    assert driver.nic.function.read_config(8, 1) == 0x20
    assert driver.read(plus.CPCR, 2) == MODE


def test_a_packet_goes_out_of_as_many_descriptors_as_it_has(driver: Driver) -> None:
    for count in (1, 2, 3, 5):
        cut = len(FRAME) // count
        driver.send(*[FRAME[cut * at : cut * (at + 1) if at < count - 1 else None] for at in range(count)])
    assert driver.sent == [FRAME] * 4
    assert driver.read(reg.ISR, 2) == reg.TOK | plus.TDU
    assert driver.interrupt
    for number in range(RING):
        assert not driver.descriptor(TRANSMIT, number)[0] & desc.OWN
    assert driver.read(plus.TX_DMA_OK, 2) == TRANSMIT + 16 * 2 & 0xFFFF
    driver.write(reg.ISR, 0xFFFF, 2)
    assert not driver.interrupt


def test_what_is_not_given_over_is_not_sent_until_it_is_polled_for_again(driver: Driver) -> None:
    driver.write(plus.TPPOLL, plus.POLL_NORMAL, 1)
    driver.wait(1_000_000)
    assert driver.read(reg.ISR, 2) == plus.TDU
    driver.memory.write(DATA, FRAME)
    driver.put(TRANSMIT, 0, desc.FIRST | desc.LAST | len(FRAME), 0, DATA)
    driver.wait(1_000_000)
    assert driver.sent == []
    driver.write(plus.TPPOLL, plus.POLL_NORMAL, 1)
    driver.wait(1_000_000)
    assert driver.sent == [FRAME]


def test_the_high_ring_comes_first(driver: Driver) -> None:
    high = FRAME[::-1]
    driver.memory.write(DATA, FRAME)
    driver.memory.write(DATA + 0x1000, high)
    driver.put(TRANSMIT, 0, desc.FIRST | desc.LAST | len(FRAME), 0, DATA)
    driver.put(HIGH, 0, desc.FIRST | desc.LAST | len(high), 0, DATA + 0x1000)
    driver.write(plus.TPPOLL, plus.POLL_NORMAL | plus.POLL_HIGH, 1)
    driver.wait(1_000_000)
    assert driver.sent == [high, FRAME]


def test_software_asks_for_its_own_interrupt(driver: Driver) -> None:
    driver.write(plus.TPPOLL, plus.SOFTWARE_INTERRUPT, 1)
    assert driver.read(reg.ISR, 2) == plus.SWINT


@settings(max_examples=30, deadline=None)
@given(data=st.binary(min_size=1, max_size=300), is_tcp=st.booleans())
def test_checksums_that_were_left_are_filled_in(data: bytes, is_tcp: bool) -> None:
    driver = Driver()
    driver.begin()
    frame = tcp(OUT, data) if is_tcp else udp(OUT, data)
    at = 34 + (16 if is_tcp else 6)
    left = frame[:24] + b"\x12\x34" + frame[26:at] + b"\xab\xcd" + frame[at + 2 :]
    driver.send(left, command=desc.IP_CHECKSUM | (desc.TCP_CHECKSUM if is_tcp else desc.UDP_CHECKSUM))
    assert driver.sent == [frame]


@pytest.mark.parametrize(
    "command", [desc.IP_CHECKSUM, desc.TCP_CHECKSUM, desc.UDP_CHECKSUM, desc.LARGE_SEND | 1460 << 16]
)
def test_what_has_no_such_checksum_goes_out_as_it_is(driver: Driver, command: int) -> None:
    driver.send(FRAME, command=command)
    assert driver.sent == [FRAME]


@settings(max_examples=30, deadline=None)
@given(size=st.integers(0, 20_000), mss=st.integers(64, 1460), tagged=st.booleans())
def test_a_large_send_goes_out_as_segments_with_right_numbers_and_sums(size: int, mss: int, tagged: bool) -> None:
    driver = Driver()
    driver.begin()
    data = bytes(range(256)) * 80
    driver.send(
        tcp(OUT, data[:size], 0x19), command=desc.LARGE_SEND | mss << 16, tag=desc.TAGGED | 0x3412 if tagged else 0
    )
    assert len(driver.sent) == max(1, -(-size // mss))
    got, sequence = b"", 0xFFFF_FF00
    for number, frame in enumerate(driver.sent):
        if tagged:
            assert frame[12:16] == b"\x81\x00\x12\x34"
            frame = frame[:12] + frame[16:]
        packet = ip.read_ip(frame, OUT.our_mac)
        assert packet is not None
        segment = ip.read_tcp(packet)
        assert segment is not None
        assert segment.sequence == sequence & 0xFFFF_FFFF
        assert len(segment.data) <= mss
        assert segment.flags == (0x19 if number == len(driver.sent) - 1 else 0x10)
        got, sequence = got + segment.data, sequence + len(segment.data)
    assert got == data[:size]


def test_what_is_too_long_is_not_sent_and_the_ring_goes_on(driver: Driver) -> None:
    driver.memory.write(DATA, bytes(0x8000))
    for number, last in enumerate((0, 0, desc.LAST)):
        driver.put(TRANSMIT, number, (desc.FIRST if not number else 0) | last | 0x8000, 0, DATA)
    driver.transmit_at = 3
    driver.send(FRAME)
    assert driver.sent == [FRAME]


def test_frames_go_round_the_ring_with_what_they_are(driver: Driver) -> None:
    chance, sent = random.Random(1), list[bytes]()
    for _ in range(3 * RING):
        sent.append(chance.choice((MAC, b"\xff" * 6)) + chance.randbytes(chance.randrange(60, 1500)))
        driver.arrive(sent[-1])
        ((status, tag, data),) = driver.received()
        kind = 1 << 25 if sent[-1].startswith(MAC) else 1 << 24
        assert (status & 0xFFFF_FFFF, tag) == (
            status & desc.END_OF_RING | desc.FIRST | desc.LAST | kind | len(data) + 4, 0
        )  # fmt: skip
        assert data == sent[-1]
    assert driver.read(reg.ISR, 2) == reg.ROK


def test_a_frame_that_is_longer_than_a_buffer_takes_several(driver: Driver) -> None:
    driver.small = 200
    driver.begin(buffer=200)
    frame = MAC + bytes(range(250)) * 5
    driver.arrive(frame)
    assert [data for _, _, data in driver.received()] == [frame]
    assert driver.receive == -(-(len(frame) + 4) // 200)


def test_a_frame_without_room_is_missed_and_said(driver: Driver) -> None:
    driver.arrive(*[FRAME] * (RING + 2))
    assert driver.read(reg.ISR, 2) == reg.ROK | plus.RDU
    assert driver.read(reg.MPC) == 2
    assert len(driver.received()) == RING
    driver.arrive(FRAME)
    assert len(driver.received()) == 1


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (tcp(TO_GUEST, b"x"), desc.IS_TCP),
        (udp(TO_GUEST, b"x"), desc.IS_UDP),
        (ip.ip_frame(TO_GUEST, ip.ICMP, b"\0" * 16, 1), desc.IS_IP),
        (FRAME, 0),
    ],
)
def test_checksums_of_what_comes_are_looked_at(driver: Driver, frame: bytes, wanted: int) -> None:
    driver.begin(MODE | plus.CPCR_CHECKSUM)
    mask = 0x3_E000
    bad = frame[:40] + bytes([frame[40] ^ 0x10]) + frame[41:]
    worse = frame[:22] + bytes([frame[22] ^ 0x10]) + frame[23:]
    driver.arrive(frame, bad, worse)
    found = [status & mask for status, _, _ in driver.received()]
    failed = {desc.IS_TCP: desc.TCP_FAILED, desc.IS_UDP: desc.UDP_FAILED}.get(wanted, 0)
    assert found == [wanted, wanted | failed, wanted | (desc.IP_FAILED if wanted else 0)]


def test_tags_are_taken_off_and_told(driver: Driver) -> None:
    driver.begin(MODE | plus.CPCR_VLAN)
    tagged = FRAME[:12] + b"\x81\x00\x12\x34" + FRAME[12:]
    driver.arrive(tagged, FRAME)
    assert [(tag, data) for _, tag, data in driver.received()] == [(desc.HAS_TAG | 0x3412, FRAME), (0, FRAME)]


def test_tallies_are_dumped_where_they_are_wanted(driver: Driver) -> None:
    driver.send(FRAME)
    driver.arrive(FRAME, FRAME, b"\xff" * 6 + FRAME[6:])
    driver.write(plus.DTCCR + 4, 0)
    driver.write(plus.DTCCR, TALLIES | plus.DTCCR_DUMP)
    assert driver.read(plus.DTCCR) & plus.DTCCR_DUMP
    driver.wait(100_000)
    assert not driver.read(plus.DTCCR) & plus.DTCCR_DUMP
    tallies = struct.unpack("<QQQIHHIIQQIHH", driver.memory.read(TALLIES, 64))
    assert (tallies[0], tallies[1], tallies[8], tallies[9]) == (1, 3, 2, 1)


def test_loopback_gives_back_what_is_sent(driver: Driver) -> None:
    driver.write(reg.TCR, reg.TCR_LOOPBACK)
    driver.send(FRAME)
    assert driver.sent == []
    assert [data for _, _, data in driver.received()] == [FRAME]


def test_without_the_mode_it_is_an_rtl8139c() -> None:
    driver = Driver()
    driver.begin(mode=0)
    driver.write(reg.RBSTART, BUFFERS)
    driver.arrive(FRAME)
    assert driver.memory.read(BUFFERS + 4, len(FRAME)) == FRAME
    driver.memory.write(DATA, FRAME)
    driver.write(reg.TSAD[0], DATA)
    driver.write(reg.TSD[0], len(FRAME))
    driver.wait(1_000_000)
    assert driver.sent == [FRAME]


def test_rings_are_shown(driver: Driver) -> None:
    driver.arrive(FRAME)
    rows = dict(driver.nic.describe(driver.now))
    assert rows["C+CR"] == f"{MODE:04x} TxEnb RxEnb"
    assert rows["receive descriptors"] == f"at {RECEIVE:x}, next 1"
    assert rows["receive descriptor 1, given"] == f"2048 bytes, OWN at {BUFFERS + 0x2000:x}"
    assert rows["transmit descriptors"] == f"at {TRANSMIT:x}, next 0"


def anything(seed: int, steps: int) -> int:
    """Registers, descriptors and frames at random: all ends, and what it holds can be saved and goes on as it did."""
    chance, driver = random.Random(seed), Driver()
    driver.begin()
    known = [reg.CR, reg.RCR, reg.TCR, plus.CPCR, plus.DTCCR, plus.RDSAR, plus.TNPDS, plus.THPDS, reg.IMR, reg.ISR]
    for _ in range(steps):
        match chance.randrange(7):
            case 0:
                driver.write(chance.randrange(0x100), chance.getrandbits(32), chance.choice((1, 2, 4)))
            case 1:
                values = (0, 0xC, MODE, 0x6B, TRANSMIT, RECEIVE, HIGH, chance.getrandbits(32))
                driver.write(chance.choice(known), chance.choice(values))
            case 2:
                driver.read(chance.randrange(0x100), chance.choice((1, 2, 4)))
            case 3:
                size = chance.choice((14, 60, 1514, 9000))
                to = chance.choice((MAC, b"\xff" * 6, chance.randbytes(6)))
                frame = chance.choice((to + chance.randbytes(size), tcp(TO_GUEST, bytes(size)), udp(TO_GUEST, b"x")))
                driver.cable.take(FrameInput("net0-cable", frame), driver.now)
            case 4:
                driver.wait(chance.choice((1, 10_000, 1_000_000)))
            case 5:
                driver.write(plus.TPPOLL, chance.getrandbits(8), 1)
            case 6:
                _scribble(driver, chance)
        assert all(len(frame) <= LONGEST + desc.SIZE for frame in driver.sent)
        driver.sent.clear()
    state = driver.nic.save()
    driver.nic.restore(state)
    assert driver.nic.save() == state
    rows = driver.nic.describe(driver.now)
    assert len(dict(rows)) == len(rows) < 80
    return steps


def _scribble(driver: Driver, chance: random.Random) -> None:
    """Into a ring, mostly what could be a descriptor."""
    ring, number = chance.choice((RECEIVE, TRANSMIT, HIGH)), chance.randrange(RING)
    if chance.random() < 0.1:
        driver.memory.write(ring + 16 * number, chance.randbytes(16))
        return
    size = chance.choice((0, 1, 60, 200, 1514, 0x1FFF, 0xFFFF))
    flags = chance.choice((0, desc.FIRST, desc.LAST, desc.FIRST | desc.LAST, desc.LARGE_SEND | desc.FIRST | desc.LAST))
    if chance.random() < 0.5:
        driver.memory.write(DATA, tcp(OUT, bytes(chance.randrange(5000)), tag=chance.choice((b"", b"\x81\0\0\1"))))
    driver.put(
        ring,
        number,
        flags | chance.getrandbits(11) << 16 | size,
        chance.getrandbits(18),
        chance.choice((DATA, 1 << 40)),
    )


@pytest.mark.parametrize("seed", range(8))
def test_hostile_drivers(seed: int) -> None:
    assert anything(seed, 400) == 400
