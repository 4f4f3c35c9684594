"""--web, for `run` and `replay` alike."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from vmdbg.host.addresses import LOOPBACK, TcpAddress, tcp_address

PORT = 7010
"""Where nobody says another; one that is free, where it is taken."""


@dataclass(frozen=True, slots=True)
class WebService:
    """Where pages are served. `chosen`: the user said so, and no other port does."""

    address: TcpAddress
    chosen: bool


def add_web_option(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--web",
        nargs="?",
        type=_chosen,
        const=WebService(TcpAddress(LOOPBACK, PORT), chosen=False),
        metavar="[HOST:]PORT",
        help=f"serve a page for a browser there, and print its URL (port {PORT}, or one that is free)",
    )


def _chosen(text: str) -> WebService:
    return WebService(tcp_address(text), chosen=True)
