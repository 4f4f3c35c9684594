"""An 82540EM as a driver has it: EEPROM, PHY, rings, filters, offloads, interrupts, counters."""

from __future__ import annotations

import random
import struct
import zlib

import pytest

from devices.network.e1000 import registers as reg
from devices.network.e1000.checksums import ones_sum
from devices.network.inputs import FrameInput
from devices.network.net import NicModel
from tests.devices.network.nic_bench import MAC, NicBench

RX_RING, TX_RING, RX_BUFFERS, TX_DATA = 0x1000, 0x2000, 0x10000, 0x80000
COUNT = 16
EOP, IFCS, IC, RS, DEXT, VLE, IDE = 1, 2, 4, 8, 0x20, 0x40, 0x80
FRAME = MAC + bytes(range(6)) + b"\x08\x06" + bytes(range(100))


class Driver(NicBench):
    def __init__(self) -> None:
        super().__init__(NicModel.E1000)

    def read(self, offset: int) -> int:
        return int(self.nic.read(offset, 4, self.now))

    def write(self, offset: int, value: int) -> None:
        self.nic.write(offset, 4, value, self.now)

    def begin(self, control: int = reg.RCTL_ENABLE | reg.RCTL_BROADCAST | reg.RCTL_STRIP_CRC) -> None:
        """Rings, both directions on."""
        self.write(reg.CTRL, reg.CTRL_SET_LINK_UP)
        for number in range(COUNT):
            self.memory.write(RX_RING + 16 * number, struct.pack("<QQ", RX_BUFFERS + 0x800 * number, 0))
        for base, at in ((reg.RDBAL, RX_RING), (reg.TDBAL, TX_RING)):
            self.write(base, at)
            self.write(base + 8, COUNT * 16)
        self.write(reg.RCTL, control)
        self.write(reg.RDT, COUNT - 1)
        self.write(reg.TCTL, reg.TCTL_ENABLE | reg.TCTL_PAD)
        self.read(reg.ICR)

    def received(self) -> list[tuple[bytes, int, int, int]]:
        """Of filled descriptors: data, status, errors, special; buffers are given again."""
        found = []
        for number in range(COUNT):
            at = RX_RING + 16 * number
            buffer, size, _, status, errors, special = struct.unpack("<QHHBBH", self.memory.read(at, 16))
            if status & 1:
                found.append((self.memory.read(buffer, size), status, errors, special))
                self.memory.write(at + 12, b"\0")
        return found

    def send(self, *descriptors: bytes) -> None:
        tail = self.read(reg.TDT)
        for descriptor in descriptors:
            self.memory.write(TX_RING + 16 * tail, descriptor)
            tail = (tail + 1) % COUNT
        self.write(reg.TDT, tail)
        self.wait(10_000_000)

    def send_legacy(self, frame: bytes, command: int = EOP | IFCS | RS, *, sum_at: int = 0, start: int = 0) -> None:
        self.memory.write(TX_DATA, frame)
        self.send(struct.pack("<QHBBBBH", TX_DATA, len(frame), sum_at, command, 0, start, 0x0123))

    def eeprom_word(self, address: int) -> int:
        """By the wires, as drivers do it."""
        select, clock, data = 2, 1, 4

        def out(bits: int, count: int) -> None:
            for number in reversed(range(count)):
                level = data if bits >> number & 1 else 0
                for edge in (0, clock, 0):
                    self.write(reg.EECD, select | level | edge)

        self.write(reg.EECD, 0)
        out(0b110, 3)
        out(address, 6)
        word = 0
        for _ in range(16):
            self.write(reg.EECD, select | clock)
            word = word << 1 | self.read(reg.EECD) >> 3 & 1
            self.write(reg.EECD, select)
        self.write(reg.EECD, 0)
        return word

    def phy(self, register: int, value: int | None = None) -> int:
        operation = 2 << 26 if value is None else 1 << 26 | value
        self.write(reg.MDIC, operation | 1 << 21 | register << 16)
        assert self.read(reg.MDIC) >> 28 & 1
        return self.read(reg.MDIC) & 0xFFFF


@pytest.fixture
def driver() -> Driver:
    made = Driver()
    made.begin()
    return made


def ipv4(payload: bytes, protocol: int, *, good: bool = True) -> bytes:
    header = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0x4000, 64, protocol, 0))
    header += bytes((10, 0, 2, 15, 10, 0, 2, 2))
    header[10:12] = (ones_sum(bytes(header)) ^ (0xFFFF if good else 0xFFF0)).to_bytes(2, "big")
    return MAC + bytes(6) + b"\x08\0" + bytes(header) + payload


def pseudo_sum(frame: bytes, length: int) -> int:
    """Without the complement, as a stack leaves it for an adapter to finish."""
    return ones_sum(frame[26:34], 6 + length)


def test_eeprom_holds_the_address_and_a_good_sum(driver: Driver) -> None:
    words = [driver.eeprom_word(address) for address in range(64)]
    assert b"".join(word.to_bytes(2, "little") for word in words[:3]) == MAC
    assert sum(words) & 0xFFFF == 0xBABA
    for address in (0, 2, 63):
        driver.write(reg.EERD, address << 8 | 1)
        assert driver.read(reg.EERD) == words[address] << 16 | address << 8 | 0x10


def test_phy_has_its_identity_and_a_link_whose_loss_is_seen_once(driver: Driver) -> None:
    assert (driver.phy(2), driver.phy(3)) == (0x0141, 0x0C20)
    assert driver.phy(1) & 0x24 == 0x24
    driver.cable._set_link(False, driver.now)
    driver.cable._set_link(True, driver.now)
    assert driver.phy(1) & 4 == 0
    assert driver.phy(1) & 4
    assert driver.phy(4, 0x1234) == 0x1234
    assert driver.phy(0, 0x8000) == 0x8000
    assert (driver.phy(4), driver.phy(0)) == (0x0DE1, 0x1140)
    driver.write(reg.MDIC, 2 << 26 | 3 << 21)
    assert driver.read(reg.MDIC) >> 30 & 1  # there is no PHY 3


def test_link_changes_interrupt_and_show_in_status(driver: Driver) -> None:
    driver.write(reg.IMS, reg.LSC)
    assert driver.read(reg.STATUS) & 2
    driver.cable._set_link(False, driver.now)
    assert driver.interrupt
    assert not driver.read(reg.STATUS) & 2
    assert driver.read(reg.ICR) == reg.LSC | 1 << 31
    assert not driver.interrupt


def test_frames_are_sent_padded_and_reported(driver: Driver) -> None:
    driver.write(reg.IMS, reg.TXDW)
    driver.send_legacy(FRAME[:30])
    assert driver.sent == [FRAME[:30].ljust(60, b"\0")]
    assert driver.memory.read(TX_RING + 12, 1) == b"\1"
    assert driver.interrupt
    assert driver.read(reg.TDH) == driver.read(reg.TDT) == 1


def test_a_frame_of_several_descriptors(driver: Driver) -> None:
    driver.memory.write(TX_DATA, FRAME)
    parts = [(0, 10, IFCS), (10, 50, IFCS), (60, len(FRAME) - 60, IFCS | EOP | RS)]
    driver.send(*(struct.pack("<QHBBBBH", TX_DATA + at, size, 0, command, 0, 0, 0) for at, size, command in parts))
    assert driver.sent == [FRAME]


def test_a_delayed_report_waits(driver: Driver) -> None:
    driver.write(reg.TIDV, 20_000)
    driver.write(reg.IMS, reg.TXDW)
    driver.send_legacy(FRAME, EOP | IFCS | RS | IDE)
    assert not driver.interrupt
    driver.wait(20_000 * 1024)
    assert driver.interrupt


def test_checksums_are_put_in(driver: Driver) -> None:
    segment = struct.pack(">HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x18, 100, 0, 0) + b"odd"
    frame = bytearray(ipv4(segment, 6))
    frame[24:26] = bytes(2)
    frame[50:52] = pseudo_sum(bytes(frame), len(segment)).to_bytes(2, "big")
    driver.memory.write(TX_DATA, bytes(frame))
    context = struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 50, 0, DEXT << 24, 0, 0, 0)
    data = struct.pack("<QIBBH", TX_DATA, len(frame) | 1 << 20 | (DEXT | EOP | IFCS | RS) << 24, 0, 3, 0)
    driver.send(context, data)
    (sent,) = driver.sent
    assert ones_sum(sent[14:34]) == 0xFFFF
    assert ones_sum(sent[34 : 34 + len(segment)], ones_sum(sent[26:34], 6 + len(segment))) == 0xFFFF
    driver.send_legacy(FRAME, EOP | IFCS | IC | RS, sum_at=40, start=14)
    assert ones_sum(driver.sent[-1][14:], 0) in (0xFFFF, ones_sum(FRAME[14:40] + driver.sent[-1][40:42] + FRAME[42:]))


@pytest.mark.parametrize("size", [1, 1000, 2920, 5000])
def test_a_tcp_packet_is_cut_into_segments(driver: Driver, size: int) -> None:
    """What a receiver puts together from them is what was sent, and every sum is good."""
    payload = random.Random(size).randbytes(size)
    tcp = struct.pack(">HHIIBBHHH", 1, 2, 1000, 4, 0x50, 0x19, 100, 0, 0)
    frame = bytearray(ipv4(tcp + payload, 6))
    frame[16:18] = frame[24:26] = bytes(2)
    frame[50:52] = pseudo_sum(bytes(frame), 0).to_bytes(2, "big")
    driver.memory.write(TX_DATA, bytes(frame))
    tcp_ip_segment = DEXT | 1 | 2 | 4
    context = struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 50, 0, tcp_ip_segment << 24 | size, 0, 54, 1460)
    data = struct.pack("<QIBBH", TX_DATA, len(frame) | 1 << 20 | (DEXT | EOP | IFCS | RS | 4) << 24, 0, 3, 0)
    driver.send(context, data)
    assert len(driver.sent) == -(-size // 1460)
    whole, sequence = b"", 1000
    for number, sent in enumerate(driver.sent):
        total = int.from_bytes(sent[16:18], "big")
        part = sent[54 : 14 + total]
        assert ones_sum(sent[14:34]) == 0xFFFF
        assert ones_sum(sent[34 : 14 + total], ones_sum(sent[26:34], 6 + total - 20)) == 0xFFFF
        assert int.from_bytes(sent[18:20], "big") == 7 + number
        assert int.from_bytes(sent[38:42], "big") == sequence
        assert sent[47] & 9 == (9 if number == len(driver.sent) - 1 else 0)
        whole += part
        sequence += len(part)
    assert whole == payload
    assert driver.read(reg.TSCTC) == 1


def test_vlan_tags_go_in_and_come_off(driver: Driver) -> None:
    driver.write(reg.CTRL, reg.CTRL_SET_LINK_UP | reg.CTRL_VLAN_MODE)
    driver.send_legacy(FRAME, EOP | IFCS | RS | VLE)
    tagged = FRAME[:12] + b"\x81\x00\x01\x23" + FRAME[12:]
    assert driver.sent == [tagged]
    driver.arrive(tagged)
    ((data, status, _, special),) = driver.received()
    assert (data, status & 8, special) == (FRAME, 8, 0x123)
    driver.write(reg.RCTL, driver.read(reg.RCTL) | reg.RCTL_VLAN_FILTER)
    driver.arrive(tagged)
    assert driver.received() == []
    driver.write(reg.VFTA.start + 4 * (0x123 >> 5), 1 << (0x123 & 31))
    driver.arrive(tagged)
    assert len(driver.received()) == 1


def test_frames_come_with_their_check_sequence_unless_it_is_stripped(driver: Driver) -> None:
    driver.arrive(FRAME)
    ((data, status, errors, _),) = driver.received()
    assert (data, status & 3, errors) == (FRAME, 3, 0)
    driver.write(reg.RCTL, reg.RCTL_ENABLE | reg.RCTL_BROADCAST)
    driver.arrive(FRAME[:20])
    ((data, _, _, _),) = driver.received()
    padded = FRAME[:20].ljust(60, b"\0")
    assert data == padded + zlib.crc32(padded).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("to", "control", "taken"),
    [
        (MAC, 0, True),
        (bytes(6), 0, False),
        (bytes(6), reg.RCTL_UNICAST, True),
        (b"\xff" * 6, 0, False),
        (b"\xff" * 6, reg.RCTL_BROADCAST, True),
        (bytes.fromhex("01005e000001"), 0, False),
        (bytes.fromhex("01005e000001"), reg.RCTL_MULTICAST, True),
    ],
)
def test_filters_by_address(driver: Driver, to: bytes, control: int, taken: bool) -> None:
    driver.write(reg.RCTL, reg.RCTL_ENABLE | control)
    driver.arrive(to + FRAME[6:])
    assert len(driver.received()) == taken


def test_the_multicast_table_lets_its_addresses_pass(driver: Driver) -> None:
    """Bits 47 to 36 of the address, at MO 0: the lower word of the last two bytes, its upper twelve."""
    driver.write(reg.RCTL, reg.RCTL_ENABLE)
    to = bytes.fromhex("01005e7f1234")
    hashed = int.from_bytes(to[4:6], "little") >> 4
    driver.write(reg.MTA.start + 4 * (hashed >> 5), 1 << (hashed & 31))
    driver.arrive(to + FRAME[6:], bytes.fromhex("01005e7f1235") + FRAME[6:])
    assert [data[:6] for data, *_ in driver.received()] == [to]


def test_sums_of_what_comes_are_checked_where_that_is_wanted(driver: Driver) -> None:
    udp = struct.pack(">HHHH", 1, 2, 8, 0)
    tcp = bytearray(struct.pack(">HHIIBBHHH", 1, 2, 3, 4, 0x50, 0x18, 100, 0, 0))
    bad = ipv4(bytes(tcp), 6)
    tcp[16:18] = (ones_sum(bytes(tcp), pseudo_sum(bad, 20)) ^ 0xFFFF).to_bytes(2, "big")
    driver.arrive(bad)
    assert driver.received()[0][1] & 4  # ignore
    driver.write(reg.RXCSUM, 0x300)
    driver.arrive(bad, ipv4(bytes(tcp), 6), ipv4(udp, 17), ipv4(bytes(tcp), 6, good=False), FRAME)
    assert [(status & 0x64, errors) for _, status, errors, _ in driver.received()] == [
        (0x60, 0x20),
        (0x60, 0),
        (0x40, 0),
        (0x60, 0x40),
        (0x04, 0),
    ]


def test_long_frames_span_buffers_and_only_where_they_are_enabled(driver: Driver) -> None:
    long = MAC + bytes(6) + bytes(random.Random(1).randbytes(5000))
    driver.arrive(long)
    assert driver.received() == []
    assert driver.read(reg.ROC) == 1
    driver.write(reg.RCTL, driver.read(reg.RCTL) | reg.RCTL_LONG)
    driver.arrive(long)
    parts = driver.received()
    assert b"".join(data for data, *_ in parts) == long
    assert [status & 3 for _, status, _, _ in parts] == [1, 1, 3]


def test_frames_wait_for_descriptors_and_then_are_lost(driver: Driver) -> None:
    driver.write(reg.IMS, reg.RXO)
    driver.arrive(*[FRAME.ljust(1514, b"x")] * 60)
    assert len(driver.received()) == COUNT - 1
    assert driver.interrupt
    missed = driver.read(reg.MPC)
    assert missed > 0
    for _ in range(4):
        driver.write(reg.RDT, (driver.read(reg.RDH) - 1) % COUNT)
        driver.wait(1_000_000)
        driver.received()
    assert driver.read(reg.GPRC) == 60 - missed
    assert driver.read(reg.GPRC) == 0
    assert driver.read(reg.TPR) == 60


def test_interrupts_are_throttled(driver: Driver) -> None:
    driver.write(reg.ITR, 1000)  # 256 us
    driver.write(reg.IMS, reg.RXT0)
    driver.arrive(FRAME, wait=20_000)
    assert driver.interrupt
    driver.read(reg.ICR)
    driver.arrive(FRAME, wait=20_000)
    assert not driver.interrupt
    driver.wait(256_000)
    assert driver.interrupt


def test_receive_interrupts_wait_for_more_up_to_a_limit(driver: Driver) -> None:
    driver.write(reg.RDTR, 100)
    driver.write(reg.RADV, 150)
    driver.write(reg.IMS, reg.RXT0)
    for _ in range(3):
        driver.arrive(FRAME, wait=50_000)
        assert not driver.interrupt
    driver.arrive(FRAME, wait=50_000)
    assert driver.interrupt


def test_ports_reach_the_registers(driver: Driver) -> None:
    io = driver.slot.windows[1].device
    io.write(0, 4, reg.STATUS, driver.now)
    assert io.read(4, 4, driver.now) == driver.read(reg.STATUS)
    io.write(0, 4, reg.VET, driver.now)
    io.write(4, 4, 0x88A8, driver.now)
    assert driver.read(reg.VET) == 0x88A8


def test_a_reset_keeps_the_address_and_the_phy(driver: Driver) -> None:
    driver.phy(4, 0x1111)
    driver.write(reg.RA.start, 0)
    driver.write(reg.CTRL, reg.CTRL_RESET)
    assert driver.read(reg.RCTL) == driver.read(reg.TDLEN) == 0
    assert driver.read(reg.RA.start).to_bytes(4, "little") == MAC[:4]
    assert driver.phy(4) == 0x1111


def test_loopback_gives_back_what_is_sent(driver: Driver) -> None:
    driver.phy(0, 0x5140)
    driver.send_legacy(FRAME)
    assert driver.sent == []
    assert [data for data, *_ in driver.received()] == [FRAME]


def test_rings_are_shown_around_their_heads(driver: Driver) -> None:
    driver.arrive(FRAME)
    driver.write(reg.TCTL, 0)
    context = struct.pack("<BBHBBHIBBH", 14, 24, 33, 34, 50, 0, 3000 | 0x2D << 24, 0, 54, 1460)
    data = struct.pack("<QIBBH", TX_DATA, 54 | (EOP | IFCS | IC | RS | DEXT | VLE) << 24 | 1 << 20, 0, 3, 0x0123)
    legacy = struct.pack("<QHBBBBH", TX_DATA, 60, 50, EOP | IFCS | IC, 0, 34, 0)
    driver.send(context, data, legacy)
    rows = dict(driver.nic.describe(driver.now))
    assert rows["receive ring"] == f"at {RX_RING:x}, 16 descriptors, head 1, tail 15, 14 given"
    assert rows["receive descriptor 0"] == (
        f"buffer at {RX_BUFFERS:x}, {len(FRAME)} bytes, DD EOP IXSM, checksum {ones_sum(FRAME) ^ 0xFFFF:04x}"
    )
    assert rows["receive descriptor 1, given"] == f"buffer at {RX_BUFFERS + 0x800:x}"
    assert "receive descriptor 8, given" in rows
    assert "receive descriptor 9, given" not in rows
    assert rows["transmit ring"].endswith("head 0, tail 3, 3 given")
    assert rows["transmit descriptor 0, given"] == (
        "context, IPCSS 14, IPCSO 24, IPCSE 33, TUCSS 34, TUCSO 50, TUCSE 0, PAYLEN 3000, HDRLEN 54, MSS 1460,"
        " TCP TSE RS, status -"
    )
    assert rows["transmit descriptor 1, given"] == (
        f"data, 54 bytes at {TX_DATA:x}, EOP IFCS TSE RS VLE, IXSM TXSM, tag 0123, status -"
    )
    assert rows["transmit descriptor 2, given"] == (
        f"legacy, 60 bytes at {TX_DATA:x}, EOP IFCS IC, sum from 34 to 50, status -"
    )


def anything(seed: int, steps: int) -> int:
    """Registers, descriptors and frames at random: all ends, and what it holds can be saved."""
    chance, driver = random.Random(seed), Driver()
    driver.begin()
    known = [*reg.WRITABLE, reg.CTRL, reg.MDIC, reg.ICS, reg.IMS, reg.EECD, reg.ICR]
    ring = (reg.RDH, reg.RDT, reg.TDT, reg.TDH, reg.TDLEN, reg.RDLEN, reg.RCTL, reg.TCTL)
    for _ in range(steps):
        match chance.randrange(6):
            case 0:
                at = chance.choice(known if chance.random() < 0.3 else ring)
                driver.write(at, chance.choice((0, 1, 15, 0x80, chance.getrandbits(32), 0x800A)))
            case 1:
                driver.read(chance.choice((chance.randrange(0x6000), *known)))
            case 2:
                at = chance.choice((TX_RING, RX_RING)) + 16 * chance.randrange(COUNT)
                size, command = (
                    chance.choice((0, 60, 5000, 0xFFFFF)),
                    chance.choice((0, EOP | RS, chance.randrange(256))),
                )
                low = size | chance.randrange(3) << 20 | command << 24
                address = chance.choice((TX_DATA, TX_DATA, chance.getrandbits(64)))
                driver.memory.write(at, struct.pack("<QII", address, low, chance.getrandbits(32)))
            case 3:
                driver.cable.take(_frame(chance), driver.now)
            case 4:
                driver.wait(chance.choice((1, 10_000, 1_000_000)))
            case 5:
                driver.write(reg.TDT, chance.randrange(COUNT + 2))
        driver.sent.clear()
    state = driver.nic.save()
    driver.nic.restore(state)
    assert driver.nic.save() == state
    rows = driver.nic.describe(driver.now)
    assert len(dict(rows)) == len(rows) < 60
    return steps


def _frame(chance: random.Random) -> FrameInput:
    size = chance.choice((14, 60, 1514, 9000))
    return FrameInput("net0-cable", chance.choice((MAC, b"\xff" * 6, chance.randbytes(6))) + chance.randbytes(size))


@pytest.mark.parametrize("seed", range(8))
def test_hostile_drivers(seed: int) -> None:
    assert anything(seed, 400) == 400
