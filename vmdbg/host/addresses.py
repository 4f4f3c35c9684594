"""Where a front end or a serial line listens: `[HOST:]PORT` or the path of a Unix socket."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.errors import UserError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can come."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


LONGEST_PORT = 20
"""Digits, leading zeros among them."""


@dataclass(frozen=True, slots=True)
class UnixPath:
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def tcp_address(text: str) -> TcpAddress:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; the loopback if there is no host. Port 0 takes a free one."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise UserError(f"{text!r} is no address: write an IPv6 address in brackets, as [::1]:1234")
    if not port.isdecimal() or len(port) > LONGEST_PORT or int(port) > 0xFFFF:
        raise UserError(f"{text!r} is no address: give [HOST:]PORT, with a port from 0 to 65535")
    return TcpAddress(host or LOOPBACK, int(port))


def listen_address(text: str) -> TcpAddress | UnixPath:
    """`[HOST:]PORT` or `unix:PATH`."""
    return unix_path(text) if text.startswith("unix:") else tcp_address(text.removeprefix("tcp:"))


def unix_path(text: str) -> UnixPath:
    path = text.removeprefix("unix:")
    if not path:
        raise UserError("unix: needs the path of a socket, as unix:/tmp/vmdbg.sock")
    return UnixPath(path)
