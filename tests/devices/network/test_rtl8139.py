"""An RTL8139C as a driver has it: EEPROM, descriptors, the ring of bytes, filters, timer, link."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise

import pytest

from devices.network.inputs import FrameInput
from devices.network.net import NicModel
from devices.network.rtl8139 import registers as reg
from devices.network.summary import in_words
from tests.devices.network.nic_bench import MAC, NicBench

RING, DATA = 0x10000, 0x80000
FRAME = MAC + bytes(range(6)) + b"\x08\x06" + bytes(range(100))
ACCEPT = reg.RCR_OWN | reg.RCR_BROADCAST


class Driver(NicBench):
    """Reads the ring as drivers do: `at` is where the next frame is."""

    def __init__(self) -> None:
        super().__init__(NicModel.RTL8139)
        self.at = 0

    def read(self, offset: int, size: int = 4) -> int:
        return int(self.nic.read(offset, size, self.now))

    def write(self, offset: int, value: int, size: int = 4) -> None:
        self.nic.write(offset, size, value & (1 << 8 * size) - 1, self.now)

    def begin(self, control: int = ACCEPT) -> None:
        self.write(reg.CR, reg.CR_RESET, 1)
        assert not self.read(reg.CR, 1) & reg.CR_RESET
        self.write(reg.RBSTART, RING)
        self.write(reg.CR, reg.CR_RECEIVE | reg.CR_TRANSMIT, 1)
        self.write(reg.RCR, control)
        self.write(reg.IMR, 0xE07F, 2)
        self.at = 0

    @property
    def size(self) -> int:
        return 8192 << (self.read(reg.RCR) >> 11 & 3)

    def received(self) -> list[tuple[int, bytes]]:
        """Status and data of each frame; the sequences are good."""
        found, wraps = [], not self.read(reg.RCR) & reg.RCR_WRAP
        while not self.read(reg.CR, 1) & reg.CR_EMPTY:
            header = self.memory.read(RING + self.at, 4)
            status, length = int.from_bytes(header[:2], "little"), int.from_bytes(header[2:], "little")
            data = self._bytes(self.at + 4, length, wraps=wraps)
            assert zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:]
            found.append((status, data[:-4]))
            self.at = (self.at + 4 + length + 3 & ~3) % self.size
            self.write(reg.CAPR, self.at - 16 & 0xFFFF, 2)
        return found

    def _bytes(self, start: int, size: int, *, wraps: bool) -> bytes:
        if not wraps:
            return self.memory.read(RING + start, size)
        return bytes(self.memory.data[RING + (start + at) % self.size] for at in range(size))

    def send(self, frame: bytes, number: int) -> None:
        self.memory.write(DATA + 0x800 * number, frame)
        self.write(reg.TSAD[number], DATA + 0x800 * number)
        self.write(reg.TSD[number], len(frame))

    def eeprom_word(self, address: int) -> int:
        enabled = reg.EEM_PROGRAM | reg.EE_SELECT
        self.write(reg.CR9346, reg.EEM_PROGRAM, 1)
        for bit in f"{0b110 << 6 | address:09b}":
            level = enabled | (reg.EE_IN if bit == "1" else 0)
            self.write(reg.CR9346, level, 1)
            self.write(reg.CR9346, level | reg.EE_CLOCK, 1)
        word = 0
        for _ in range(16):
            self.write(reg.CR9346, enabled, 1)
            self.write(reg.CR9346, enabled | reg.EE_CLOCK, 1)
            word = word << 1 | self.read(reg.CR9346, 1) & reg.EE_OUT
        self.write(reg.CR9346, 0, 1)
        return word


@pytest.fixture
def driver() -> Driver:
    made = Driver()
    made.begin()
    return made


def test_eeprom_and_address(driver: Driver) -> None:
    assert driver.eeprom_word(0) == 0x8129
    assert b"".join(driver.eeprom_word(at).to_bytes(2, "little") for at in (7, 8, 9)) == MAC
    assert driver.read(0).to_bytes(4, "little") + driver.read(4, 2).to_bytes(2, "little") == MAC
    assert driver.read(reg.TCR) & 0x7CC0_0000 == 0x7400_0000


def test_frames_are_sent_in_the_order_of_the_descriptors(driver: Driver) -> None:
    frames = [FRAME + bytes([number]) for number in range(6)]
    for number, frame in enumerate(frames[:4]):
        driver.send(frame, number)
    assert driver.sent == []
    driver.wait(1_000_000)
    assert driver.sent == frames[:4]
    assert driver.read(reg.TSD[0]) & 0xFFFF == reg.TSD_OWN | reg.TSD_OK | len(frames[0])
    assert driver.read(reg.TSAD_SUMMARY, 2) == 0xF00F
    assert driver.interrupt
    assert driver.read(reg.ISR, 2) == reg.TOK
    driver.write(reg.ISR, reg.TOK, 2)
    assert not driver.interrupt
    driver.send(frames[5], 1)
    driver.wait(1_000_000)
    assert len(driver.sent) == 4
    driver.send(frames[4], 0)
    driver.wait(1_000_000)
    assert driver.sent == frames


def test_a_byte_takes_its_time_at_a_hundred_megabits(driver: Driver) -> None:
    driver.send(FRAME.ljust(1500, b"x"), 0)
    driver.wait(100_000)
    assert driver.sent == []
    driver.wait(50_000)
    assert len(driver.sent) == 1


@pytest.mark.parametrize("wrap", [0, reg.RCR_WRAP])
@pytest.mark.parametrize("length", [0, 1, 3])
def test_frames_go_round_the_ring(driver: Driver, wrap: int, length: int) -> None:
    driver.write(reg.RCR, ACCEPT | wrap | length << 11)
    chance, frames = random.Random(length), []
    for _ in range(60):
        frames.append(MAC + chance.randbytes(chance.randrange(60, 1500)))
        driver.arrive(frames[-1], wait=200_000)
        assert [data for _, data in driver.received()] == frames[-1:]
        assert driver.read(reg.CBR, 2) == driver.at
    assert driver.read(reg.ISR, 2) == reg.ROK


def test_what_does_not_fit_is_missed(driver: Driver) -> None:
    driver.arrive(*[FRAME.ljust(1514, b"x")] * 8)
    assert driver.read(reg.ISR, 2) == reg.ROK | reg.RXOVW
    assert len(driver.received()) == 5
    assert driver.read(reg.MPC) == 3
    driver.write(reg.MPC, 1)
    assert driver.read(reg.MPC) == 0
    driver.arrive(FRAME)
    assert driver.received() == [(reg.RECEIVED_OK | reg.IS_OWN, FRAME)]


@pytest.mark.parametrize(
    ("to", "control", "status"),
    [
        (MAC, reg.RCR_OWN, reg.IS_OWN),
        (MAC, 0, None),
        (bytes(6), reg.RCR_OWN, None),
        (bytes(6), reg.RCR_ALL, 0),
        (b"\xff" * 6, reg.RCR_BROADCAST, reg.IS_BROADCAST),
        (b"\xff" * 6, reg.RCR_OWN, None),
        (bytes.fromhex("01005e000001"), reg.RCR_MULTICAST, None),
        (bytes.fromhex("01005e000001"), reg.RCR_ALL, reg.IS_MULTICAST),
    ],
)
def test_filters_by_address(driver: Driver, to: bytes, control: int, status: int | None) -> None:
    driver.write(reg.RCR, control)
    driver.arrive(to + FRAME[6:])
    assert [found for found, _ in driver.received()] == ([] if status is None else [status | reg.RECEIVED_OK])


def ethernet_crc(data: bytes) -> int:
    """As Linux' ether_crc() has it, bit by bit."""
    crc = 0xFFFF_FFFF
    for byte in data:
        for bit in range(8):
            carry = (crc >> 31) ^ (byte >> bit & 1)
            crc = (crc << 1 & 0xFFFF_FFFF) ^ (0x04C1_1DB7 if carry else 0)
    return crc


@pytest.mark.parametrize("text", ["01005e000001", "333300000001", "3333ff123456", "01005e7fabcd"])
def test_the_multicast_filter_goes_by_the_check_sequence(driver: Driver, text: str) -> None:
    driver.write(reg.RCR, reg.RCR_MULTICAST)
    to = bytes.fromhex(text)
    number = ethernet_crc(to) >> 26
    driver.write(reg.MAR.start + 4 * (number >> 5), 1 << (number & 31))
    driver.arrive(to + FRAME[6:])
    assert [status for status, _ in driver.received()] == [reg.RECEIVED_OK | reg.IS_MULTICAST]
    driver.write(reg.MAR.start + 4 * (number >> 5), 0)
    driver.arrive(to + FRAME[6:])
    assert driver.received() == []


def test_short_frames_are_padded_and_long_ones_dropped(driver: Driver) -> None:
    driver.arrive(FRAME[:20], MAC + bytes(5000))
    assert [data for _, data in driver.received()] == [FRAME[:20].ljust(60, b"\0")]


def test_the_timer_counts_at_the_clock_of_pci(driver: Driver) -> None:
    driver.write(reg.TCTR, 0)
    driver.wait(1_000_000)
    assert driver.read(reg.TCTR) == 33_000
    driver.write(reg.TIMER_INT, 66_000)
    driver.wait(999_000)
    assert not driver.interrupt
    driver.wait(2_000)
    assert driver.read(reg.ISR, 2) == reg.TIMEOUT


def test_link_changes_are_told_and_seen_once(driver: Driver) -> None:
    assert driver.read(reg.BMSR, 2) & 4
    driver.cable._set_link(False, driver.now)
    assert driver.read(reg.ISR, 2) == reg.LINK_CHANGED
    assert driver.read(reg.MSR, 1) & reg.MSR_NO_LINK
    driver.cable._set_link(True, driver.now)
    assert not driver.read(reg.BMSR, 2) & 4
    assert driver.read(reg.BMSR, 2) & 4


def test_configuration_is_written_only_where_it_is_unlocked(driver: Driver) -> None:
    before = driver.read(reg.CONFIG1, 1)
    driver.write(reg.CONFIG1, 0xFF, 1)
    assert driver.read(reg.CONFIG1, 1) == before
    driver.write(reg.CR9346, reg.EEM_CONFIGURATION, 1)
    driver.write(reg.CONFIG1, 0xF0, 1)
    assert driver.read(reg.CONFIG1, 1) == 0xFC
    assert driver.read(reg.CR9346, 1) & reg.EEM == reg.EEM_CONFIGURATION


def test_registers_are_read_and_written_in_any_size(driver: Driver) -> None:
    driver.write(reg.MAR.start + 1, 0xAB, 1)
    driver.write(reg.MAR.start + 2, 0xCDEF, 2)
    assert driver.read(reg.MAR.start) == 0xCDEFAB00
    driver.write(reg.IMR, 0x4001_0005)  # and ISR above it
    assert driver.read(reg.IMR, 2) == 5
    assert driver.read(reg.RBSTART + 1, 2) == RING >> 8 & 0xFFFF


def test_loopback_gives_back_what_is_sent(driver: Driver) -> None:
    driver.write(reg.TCR, reg.TCR_LOOPBACK)
    driver.send(FRAME, 0)
    driver.wait(1_000_000)
    assert driver.sent == []
    assert [data for _, data in driver.received()] == [FRAME]


@pytest.mark.parametrize("control", [ACCEPT, ACCEPT | reg.RCR_WRAP])
def test_frames_that_are_unread_are_shown(driver: Driver, control: int) -> None:
    driver.begin(control)
    for _ in range(130):  # to the ring's end, so that a frame is in two parts
        driver.arrive(FRAME)
        driver.received()
    began = driver.at
    driver.arrive(*[FRAME] * 10)
    rows = {name: words for name, words in driver.nic.describe(driver.now) if name.startswith("frame")}
    size = 4 + len(FRAME) + 4 + 3 & ~3
    places = [(began + number * size) % driver.size for number in range(8)]
    assert any(later < earlier for earlier, later in pairwise(places))
    arp = f"{len(FRAME) + 4} bytes, ROK PAM: {in_words(FRAME)}"
    assert "ARP" in arp
    wanted = {f"frame at {place:x}": arp for place in places}
    assert rows == {**wanted, "frames, the rest": f"{2 * size} bytes", "frames": rows["frames"]}
    driver.memory.write(RING + places[0] + 2, b"\xff\xff")
    (broken,) = (words for name, words in driver.nic.describe(driver.now) if name == f"frame at {places[0]:x}")
    assert broken.endswith("no frame of those that are unread is so")


def anything(seed: int, steps: int) -> int:
    """Registers and frames at random: all ends, and what it holds can be saved."""
    chance, driver = random.Random(seed), Driver()
    driver.begin()
    known = [reg.CR, reg.CAPR, reg.RCR, reg.TCR, reg.TIMER_INT, reg.TCTR, reg.RBSTART, reg.CR9346, *reg.TSD, *reg.TSAD]
    for _ in range(steps):
        match chance.randrange(5):
            case 0:
                driver.write(chance.randrange(0x100), chance.getrandbits(32), chance.choice((1, 2, 4)))
            case 1:
                driver.write(chance.choice(known), chance.choice((0, 0xC, 1500, chance.getrandbits(32))))
            case 2:
                driver.read(chance.randrange(0x100), chance.choice((1, 2, 4)))
            case 3:
                size = chance.choice((14, 60, 1514, 9000))
                to = chance.choice((MAC, b"\xff" * 6, chance.randbytes(6)))
                driver.cable.take(FrameInput("net0-cable", to + chance.randbytes(size)), driver.now)
            case 4:
                driver.wait(chance.choice((1, 10_000, 1_000_000)))
        driver.sent.clear()
    state = driver.nic.save()
    driver.nic.restore(state)
    assert driver.nic.save() == state
    rows = driver.nic.describe(driver.now)
    assert len(dict(rows)) == len(rows) < 60
    return steps


@pytest.mark.parametrize("seed", range(8))
def test_hostile_drivers(seed: int) -> None:
    assert anything(seed, 400) == 400
