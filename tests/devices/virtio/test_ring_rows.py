"""What `devices` shows of a virtqueue: what waits, what is worked at and what is done, whatever memory holds."""

from __future__ import annotations

import random
import re

import pytest

from devices.virtio.net import RECEIVE, TRANSMIT
from devices.virtio.ring_rows import MOST_CHAINS, MOST_SEGMENTS, ring_rows
from devices.virtio.virtqueue import QueueState
from tests.devices.network.wiring import frame
from tests.devices.virtio.driver import MEMORY, Ram
from tests.devices.virtio.test_block import DATA, READ, STATUS, begun, submit
from tests.devices.virtio.test_block import HEADER as REQUEST
from tests.devices.virtio.test_net import HEADER, Station


def rows(station: Station) -> dict[str, str]:
    found = station.driver.device.describe(station.driver.now)
    assert len(dict(found)) == len(found)
    return dict(found)


def test_buffers_that_wait_and_those_that_are_filled() -> None:
    station = Station()
    for _ in range(12):
        station.offer(1526)
    station.come(frame(1), frame(2, 1514))
    seen = rows(station)
    assert seen["queue 0 available"] == "index 12, 10 waiting, interrupt at used 0"
    assert seen["queue 0 available 2"] == f"descriptor 2: write 1526 at {0x40000 + 2 * 0x800:x}"
    entries = [name for name in seen if re.fullmatch(r"queue 0 available \d+", name)]
    assert entries == [f"queue 0 available {number}" for number in range(2, 2 + MOST_CHAINS)]
    assert seen["queue 0 available, the rest"] == "2 chains"
    assert seen["queue 0 used"].startswith("index 2, notification at available")
    assert seen["queue 0 used 0"] == f"descriptor 0, {60 + HEADER} bytes written"
    assert seen["queue 0 used 1"] == f"descriptor 1, {1514 + HEADER} bytes written"


def test_a_frame_in_parts_by_an_indirect_table_and_what_flags_say() -> None:
    station = Station(event_index=False)
    station.send(frame(3), cut=HEADER, indirect=True)
    at = 0x40000
    assert rows(station)["queue 1 available 0"] == f"descriptor 0: read {HEADER} at {at:x}, read 60 at {at + HEADER:x}"
    assert rows(station)["queue 1 available"] == "index 1, 1 waiting, interrupts"
    station.run()
    queue = station.driver.queues[TRANSMIT]
    station.driver.ram.data[queue.avail] = 1
    assert rows(station)["queue 1 available"] == "index 1, 0 waiting, no interrupts"
    assert rows(station)["queue 1 used"] == "index 1, notifications"


def test_a_request_that_is_worked_at() -> None:
    driver, _ = begun()
    submit(driver, READ, 0, room=512)
    driver.queues[0].kick()
    look = driver.scheduler.pop_due(1 << 40)
    assert look is not None
    driver.device.on_event(look.name, look.due)
    seen = dict(driver.device.describe(look.due))
    assert (
        seen["queue 0 in flight"]
        == f"descriptor 0: read 16 at {REQUEST:x}, write 512 at {DATA:x}, write 1 at {STATUS:x}"
    )
    assert seen["queue 0 available"].startswith("index 1, 0 waiting")
    driver.run()
    seen = dict(driver.device.describe(driver.now))
    assert "queue 0 in flight" not in seen
    assert seen["queue 0 used 0"] == "descriptor 0, 513 bytes written"


def test_looking_changes_nothing_and_nobody_hears_of_it() -> None:
    station = Station()
    station.offer(1526)
    before, accesses = bytes(station.driver.ram.data), station.driver.ram.accesses
    state = station.driver.device.save()
    rows(station)
    assert station.driver.ram.accesses == accesses
    assert (bytes(station.driver.ram.data), station.driver.device.save()) == (before, state)


def test_indices_and_chains_that_make_no_sense_are_said() -> None:
    station = Station()
    queue, ram = station.driver.queues[RECEIVE], station.driver.ram.data
    station.offer(1526)
    ram[queue.table + 12] = 1  # to itself
    ram[queue.table + 14] = 0
    assert rows(station)["queue 0 available 0"] == f"descriptor 0: a chain of more than {queue.size} descriptors"
    ram[queue.avail + 4] = 200
    assert rows(station)["queue 0 available 0"] == f"descriptor 200: descriptor 200 of a table of {queue.size}"
    ram[queue.avail + 3] = 0x80
    assert rows(station)["queue 0 available"].startswith(f"index 32769: 32769 chains in a ring of {queue.size}")
    ram[queue.used + 2] = 7
    assert rows(station)["queue 0 used"].startswith("index 7 where the device has written 0")


@pytest.mark.parametrize("seed", range(40))
def test_any_rings_anywhere_give_few_rows_for_few_looks(seed: int) -> None:
    chance, ram, looks = random.Random(seed), Ram(), 0
    small = bytes(chance.choice((0, 1, 3, 5)) for _ in range(64)) * (MEMORY // 64)
    ram.data[:] = chance.randbytes(MEMORY) if seed % 2 else small

    class Counted(Ram):
        def look(self, address: int, size: int) -> bytes:
            nonlocal looks
            looks += 1
            return super().look(address, size)

    def where() -> int:
        return chance.choice((chance.randrange(MEMORY), 0, MEMORY - 1, chance.getrandbits(64)))

    size = chance.choice((1, 2, 64, 1024))
    state = QueueState(size, enabled=True, descriptors=where(), driver=where(), device=where())
    state.taken, state.returned = chance.getrandbits(16), chance.choice((0, 3, 0xFFFF))
    state.busy = chance.randrange(-1, 1 << 16)
    found = ring_rows("queue 0", state, Counted(ram.data), event_index=bool(seed & 4))
    assert len(dict(found)) == len(found) <= 2 * MOST_CHAINS + 4
    assert all(len(words) < 60 * (MOST_SEGMENTS + 2) for _, words in found)
    assert looks < (MOST_CHAINS + 1) * (size + 1) + 40
