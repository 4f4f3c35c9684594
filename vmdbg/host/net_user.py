"""`--net user`: the guest's connections are connections of this process, by libslirp."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.host import whole_segments
from vmdbg.host.acknowledgements import without_idle
from vmdbg.host.net_backend import Receive
from vmdbg.host.poller import READ, WRITE, Poller
from vmdbg.host.slirp_library import POLL_ERR, POLL_HUP, POLL_IN, POLL_OUT, POLL_PRI, load

_FORWARD = re.compile(r"(tcp|udp):([^:]*):(\d{1,5})-([^:]*):(\d{1,5})")
LOOPBACK = "127.0.0.1"
MTU = 1500
_TIMERS = 16


@dataclass(frozen=True, slots=True)
class Forward:
    """Who comes to that port of the host gets to the guest's. A host's port 0 is any that is free."""

    is_udp: bool
    host: str
    host_port: int
    guest: str
    guest_port: int


def parse_forward(text: str) -> Forward:
    """`tcp:[HOST]:PORT-[GUEST]:PORT`; the host's address is the loopback unless another is named. Raises UserError."""
    found = _FORWARD.fullmatch(text)
    if found is None or max(int(found[3]), int(found[5])) > 0xFFFF or not int(found[5]):
        raise UserError(
            f"--net user hostfwd is as tcp::2222-:22 or udp:127.0.0.1:5353-:53, not {printable(text[:60])!r}"
        )
    for address in (found[2], found[4]):
        if address and not _is_address(address):
            raise UserError(f"--net user hostfwd: {printable(address[:40])!r} is no IPv4 address")
    return Forward(found[1] == "udp", found[2] or LOOPBACK, int(found[3]), found[4], int(found[5]))


def _is_address(text: str) -> bool:
    try:
        return len(socket.inet_aton(text)) == 4 and text.count(".") == 3
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class UserNet:
    """`network` as devices.network.quiet.options.Quiet has it. `restricted`: only forwarded ports lead anywhere."""

    network: str
    forwards: tuple[Forward, ...] = ()
    restricted: bool = False
    whole_segments: bool = False
    """The guest's network device takes TCP's segments uncut, and sends such."""


class UserBackend:
    """vmdbg.host.net_backend.NetBackend. `clock` tells guest time, by which libslirp's connections live."""

    def __init__(self, options: UserNet, clock: Callable[[], int]) -> None:
        self._options = options
        self._clock = clock
        self._selector = Poller()
        """What libslirp waits for; the run loop waits for it as one."""
        self._ready: dict[int, int] = {}
        self._indices: list[int] = []
        self._watched: dict[int, int] = {}
        """Files, with what libslirp waits for of each."""
        self._is_waited_for = False
        """Whether the run loop waits for it."""
        self._slirp: object = None
        self._arrived: list[bytes] = []
        self._kept: list[object] = []
        """What C refers to."""

    def open(self, poller: Poller, receive: Receive) -> str | None:
        self._poller, self._receive = poller, receive
        self._ffi, self._library = load()
        self._begin()
        return self._ports()

    # libslirp

    def _begin(self) -> None:
        ffi, options = self._ffi, self._options
        config = ffi.new("SlirpConfig *")
        config.version = 1
        config.restricted = options.restricted
        config.in_enabled = True
        parts = (("vnetwork", 0), ("vhost", 2), ("vdhcp_start", 15), ("vnameserver", 3))
        for name, last in parts:
            getattr(config, name).s_addr = _word(f"{options.network}.{last}")
        config.vnetmask.s_addr = _word("255.255.255.0")
        name = ffi.new("char[]", b"guest")
        config.vhostname = name
        config.if_mtu = config.if_mru = whole_segments.MTU if options.whole_segments else MTU
        callbacks = self._callbacks()
        self._kept = [config, name, callbacks, *self._functions]
        self._slirp = self._library.slirp_new(config, callbacks, ffi.NULL)
        if self._slirp == ffi.NULL:
            raise UserError("libslirp does not start a network")
        for forward in options.forwards:
            self._forward(forward)

    def _callbacks(self) -> object:
        ffi = self._ffi
        made = ffi.new("SlirpCb *")
        timers = [ffi.new("char *") for _ in range(_TIMERS)]
        functions = {
            "send_packet": ("ssize_t(const void *, size_t, void *)", self._came),
            "guest_error": ("void(const char *, void *)", lambda message, opaque: None),
            "clock_get_ns": ("int64_t(void *)", lambda opaque: self._clock()),
            "timer_new": ("void *(void (*)(void *), void *, void *)", lambda call, data, opaque: timers[0]),
            "timer_free": ("void(void *, void *)", lambda timer, opaque: None),
            "timer_mod": ("void(void *, int64_t, void *)", lambda timer, due, opaque: None),
            "register_poll_fd": ("void(int, void *)", lambda file, opaque: None),
            "unregister_poll_fd": ("void(int, void *)", lambda file, opaque: self._forget(file)),
            "notify": ("void(void *)", lambda opaque: None),
        }
        self._functions = [ffi.callback(kind, call) for kind, call in functions.values()]
        for name, function in zip(functions, self._functions, strict=True):
            setattr(made, name, function)
        self._add = ffi.callback("int(int, int, void *)", self._add_file)
        self._get = ffi.callback("int(int, void *)", self._events_of)
        self._functions += [self._add, self._get, *timers]
        return made

    def _came(self, data: object, size: int, opaque: object) -> int:
        frame = bytes(self._ffi.buffer(data, size))
        self._arrived += whole_segments.fragments(frame) if self._options.whole_segments else (frame,)
        return size

    def _pass_on(self) -> None:
        """To the guest, what has come since the last time."""
        if self._arrived:
            frames, self._arrived = self._arrived, []
            self._receive(without_idle(frames))

    def _forward(self, one: Forward) -> None:
        host, guest = self._ffi.new("in_addr *"), self._ffi.new("in_addr *")
        host.s_addr, guest.s_addr = _word(one.host), _word(one.guest or f"{self._options.network}.15")
        kind = int(one.is_udp), host[0], one.host_port, guest[0], one.guest_port
        if self._library.slirp_add_hostfwd(self._slirp, *kind) < 0:
            reason = os.strerror(self._ffi.errno) if self._ffi.errno else "it cannot be bound"
            raise UserError(f"--net user hostfwd: port {one.host_port} of {one.host}: {reason}")

    def _ports(self) -> str | None:
        """Where the forwarded ports are, which libslirp alone knows of those that were chosen freely."""
        if not self._options.forwards:
            return None
        self._fill()
        places = [_place(file) for file in self._indices]
        return "forwarded to the guest: " + ", ".join(sorted(place for place in places if place))

    # waiting

    def _add_file(self, file: int, events: int, opaque: object) -> int:
        self._indices.append(file)
        self._watched[file] = self._watched.get(file, 0) | events
        return len(self._indices) - 1

    def _events_of(self, index: int, opaque: object) -> int:
        return self._ready.get(self._indices[index], 0)

    def _forget(self, file: int) -> None:
        """libslirp closes it: the number may be another's when it is heard of again."""
        self._watched.pop(file, None)
        self._selector.forget(file)

    def _fill(self) -> None:
        """Ask libslirp what it waits for now."""
        before, self._watched, self._indices = self._watched, {}, []
        timeout = self._ffi.new("uint32_t *", 1000)
        self._library.slirp_pollfds_fill(self._slirp, timeout, self._add, self._ffi.NULL)
        for file in before.keys() - self._watched.keys():
            self._selector.forget(file)
        for file, wanted in self._watched.items():
            if before.get(file) == wanted:
                continue
            events = (READ if wanted & (POLL_IN | POLL_PRI) else 0) | (WRITE if wanted & POLL_OUT else 0)
            if events:
                with contextlib.suppress(OSError):
                    self._selector.watch(file, events, functools.partial(self._note, file))
            else:
                self._selector.forget(file)

    def _note(self, file: int, ready: int) -> None:
        wanted = self._watched.get(file, 0)
        found = (POLL_IN if ready & READ else 0) | (POLL_OUT if ready & WRITE else 0)
        self._ready[file] = (found | (POLL_HUP if found else 0)) & (wanted | POLL_ERR)

    def send(self, frame: bytes) -> None:
        if self._options.whole_segments:
            frame = whole_segments.with_largest_segments(frame)
        self._library.slirp_input(self._slirp, self._ffi.from_buffer("uint8_t[]", frame), len(frame))

    def settle(self, *, listening: bool) -> None:
        if listening:
            self._turn()
        else:
            self._pass_on()
        if listening != self._is_waited_for:
            self._is_waited_for = listening
            if listening:
                self._poller.watch(self._selector.fileno(), READ, lambda events: self._turn())
            else:
                self._poller.forget(self._selector.fileno())

    def _turn(self) -> None:
        """What is ready is done."""
        self._fill()
        self._ready = {}
        self._selector.wait(0)
        self._library.slirp_pollfds_poll(self._slirp, 0, self._get, self._ffi.NULL)
        self._pass_on()

    def restart(self) -> str | None:
        self._end()
        self._begin()
        return "connections to the host were cut: it does not go back in time"

    def _end(self) -> None:
        if self._slirp is not None:
            for file in self._watched:
                self._selector.forget(file)
            self._watched = {}
            self._library.slirp_cleanup(self._slirp)
            self._slirp = None
        self._arrived = []

    def close(self) -> None:
        self._end()
        self._selector.close()


def _word(address: str) -> int:
    """In network order, as in_addr has it."""
    return int.from_bytes(socket.inet_aton(address), "little")


def _place(file: int) -> str:
    """Of a socket that waits for somebody to come; "" for others."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(file)) as copy:
        is_tcp = copy.type == socket.SOCK_STREAM
        if not is_tcp or copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            host, port = copy.getsockname()[:2]
            return f"{'tcp' if is_tcp else 'udp'} {host}:{port}"
    return ""
