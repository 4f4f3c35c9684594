"""--web, for `run` and `replay` alike."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from vmdbg.host.addresses import LOOPBACK, TcpAddress, tcp_address

PORT = 7010
"""Where nobody says another; one that is free, where it is taken."""


@dataclass(frozen=True, slots=True)
class WebService:
    """Where pages are served. `chosen`: the user said so, and no other port does. `recording`: what notes are on."""

    address: TcpAddress
    chosen: bool
    recording: Path | None = None


def web_service(options: argparse.Namespace, recording: str | None) -> WebService | None:
    """What the options ask for; notes are kept beside the recording."""
    service: WebService | None = options.web
    if service is None or recording is None:
        return service
    return replace(service, recording=Path(recording).absolute())


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
