from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, UnixPath, listen_address, tcp_address
from vmdbg.host.nets import parse_net
from vmdbg.host.serial_lines import FilePath, NoSerial, Pty, Stdio, debug_console_choice, serial_choice
from vmdbg.host.shares import parse_share
from vmdbg.host.values import memory_size, number, searched_text, start_date, tick, typed_text
from vmdbg.timeline.marks import parse_mark


@pytest.mark.parametrize(
    ("text", "size"),
    [("256M", 256 << 20), ("1G", 1 << 30), ("65536k", 64 << 20), ("64MiB", 64 << 20), ("2GB", 2 << 30)],
)
def test_memory_sizes(text: str, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize("text", ["256", "", "M", "1.5G", "-1M", "256T"])
def test_a_size_without_unit_is_refused_with_a_proposal(text: str) -> None:
    with pytest.raises(UserError, match=r"as \d+M"):
        memory_size(text)


@pytest.mark.parametrize(("text", "value"), [("10", 10), ("0x10", 16), ("1_000", 1000), ("0b11", 3)])
def test_numbers(text: str, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), ("0x10", 16), ("1_000", 1000), ("4.5G", 4_500_000_000), ("20m", 20_000_000)]
)
def test_ticks(text: str, value: int) -> None:
    assert tick(text) == value


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "4.5s"])
def test_no_ticks(text: str) -> None:
    with pytest.raises(UserError, match=r"no tick: .* as 4.5G"):
        tick(text)


@pytest.mark.parametrize("text", ["", "ten", "-1", "0xg"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(UserError):
        number(text)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        (r"ls\n", b"ls\n"),
        (r"\r\t\e\b\0\\", b"\r\t\x1b\b\0\\"),
        (r"\x41\xff", b"A\xff"),
        ("gr\u00fc\u00df", "gr\u00fc\u00df".encode()),
        (r"\\n", b"\\n"),
    ],
)
def test_escapes(text: str, typed: bytes) -> None:
    assert typed_text(text) == typed


@pytest.mark.parametrize("text", [r"\q", "\\", r"\x4", r"\xzz"])
def test_unknown_escapes_are_named(text: str) -> None:
    with pytest.raises(UserError, match="unknown escape"):
        typed_text(text)


@given(st.binary())
def test_every_byte_can_be_typed_as_an_escape(data: bytes) -> None:
    assert typed_text("".join(f"\\x{byte:02x}" for byte in data)) == data


def test_nothing_cannot_be_waited_for() -> None:
    with pytest.raises(UserError, match="needs a text"):
        searched_text("")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:30:00", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
        ("2026-01-31T12:30:00+02:00", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_dates_are_utc_unless_they_say_otherwise(text: str, date: datetime) -> None:
    assert start_date(text) == date.timestamp()


@pytest.mark.parametrize("text", ["yesterday", "1969-12-31", "2100-01-01", "2026-13-01", "0001-01-01T00:00+14:00", ""])
def test_dates_that_no_rtc_shows(text: str) -> None:
    with pytest.raises(UserError):
        start_date(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1234", TcpAddress("127.0.0.1", 1234)),
        (":1234", TcpAddress("127.0.0.1", 1234)),
        ("0.0.0.0:1", TcpAddress("0.0.0.0", 1)),
        ("[::1]:1234", TcpAddress("::1", 1234)),
        ("unix:/tmp/s", UnixPath("/tmp/s")),
    ],
)
def test_listen_addresses(text: str, address: TcpAddress | UnixPath) -> None:
    assert listen_address(text) == address
    assert listen_address(str(address)) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:70000", "::1:5", "unix:", "host:-1"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(UserError):
        listen_address(text)


def test_serial_choices() -> None:
    assert serial_choice("stdio") == Stdio()
    assert serial_choice("none") == NoSerial()
    assert serial_choice("pty") == Pty()
    assert serial_choice("file:a:b") == FilePath("a:b")
    assert serial_choice("unix:/s") == UnixPath("/s")
    assert serial_choice("tcp:localhost:99") == tcp_address("localhost:99")


@pytest.mark.parametrize("text", ["", "file:", "stdio:", "serial", "tcp:", "unix:"])
def test_no_serial_choices(text: str) -> None:
    with pytest.raises(UserError):
        serial_choice(text)


def test_a_debug_console_only_speaks() -> None:
    assert debug_console_choice("file:x") == FilePath("x")
    with pytest.raises(UserError, match="debug-console"):
        debug_console_choice("pty")


BEFORE = ("", "0x", "1.", "1+", "1:", "exception:", "exception:3#", "hit:1#", "hit:", "x,size=", "socket:listen:", "-")


@pytest.mark.parametrize("parse", [memory_size, number, tick, tcp_address, parse_mark, parse_share, parse_net])
def test_a_number_of_thousands_of_digits_is_refused_as_others_are(parse: Callable[[str], object]) -> None:
    for before in BEFORE:
        for after in ("", "M", "k", "%", "s"):
            with suppress(UserError):
                assert len(repr(parse(f"{before}{'9' * 5000}{after}"))) < 20_000
