"""--dap, for `run` and `replay` alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.host.addresses import TcpAddress, UnixPath, listen_address

if TYPE_CHECKING:
    from dapstub.server import Server
    from vmdbg.dap.guest import GuestDebugger


@dataclass(frozen=True, slots=True)
class DapService:
    """Where editors are served; or the client that has this process, whose server takes the guest."""

    address: TcpAddress | UnixPath | None = None
    adopt: Callable[[GuestDebugger], Server] | None = None


def add_dap_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dap",
        action="append",
        type=listen_address,
        metavar="[HOST:]PORT",
        help="serve editors there by the Debug Adapter Protocol, or at unix:PATH; may be repeated, for one client each",
    )
    group.set_defaults(dap_client=None)


def dap_services(options: argparse.Namespace) -> Sequence[DapService]:
    """What the options ask for; `dap_client` is put there by `vmdbg dap`."""
    client: DapService | None = options.dap_client
    return [*([client] if client is not None else []), *(DapService(address) for address in options.dap or ())]
