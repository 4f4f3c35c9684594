from hypothesis import given
from hypothesis import strategies as st

from vmdbg.machine.cpu_lines import LATENCY
from vmdbg.machine.text_watch import TextWatch
from vmdbg.units import Tick


class Stops:
    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def stop_by(self, tick: Tick) -> None:
        self.ticks.append(tick)

    def lift_stop(self, tick: Tick) -> None:
        self.ticks.remove(tick)


def test_stops_once_a_latency_after_the_last_byte_of_the_text() -> None:
    stops = Stops()
    watch = TextWatch(stops, b"login:", {0: b""})
    for tick, byte in enumerate(b"debian login: login:"):
        watch.on_output(0, bytes((byte,)), tick)
    assert watch.found_at == 12
    assert stops.ticks == [12 + LATENCY]
    assert not watch.reached(Tick(11 + LATENCY))
    assert watch.reached(Tick(12 + LATENCY))
    watch.lift()
    assert stops.ticks == []


outputs = st.lists(st.tuples(st.integers(-1, 2), st.text("ab", min_size=1, max_size=4)), max_size=20)


@given(text=st.text("ab", min_size=1, max_size=4), before=st.text("ab", max_size=6), output=outputs)
def test_finds_what_one_port_wrote_however_it_is_cut(text: str, before: str, output: list[tuple[int, str]]) -> None:
    """A text that was there before is not waited for; one that began before is."""
    written = {0: before, -1: ""}
    begun = {
        port: said[len(said) - len(text) + 1 :] if len(text) <= len(said) else said for port, said in written.items()
    }
    watch, found = TextWatch(Stops(), text.encode(), {port: said.encode() for port, said in written.items()}), None
    for tick, (port, data) in enumerate(output):
        watch.on_output(port, data.encode(), tick)
        if port in begun:
            begun[port] += data
            if found is None and text in begun[port]:
                found = tick
    assert watch.found_at == found
