"""--gdb and what goes with it, for `run` and `replay` alike."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from vmdbg.gdb.architecture import CHOICES, DEFAULT_VIEW, ClientView, choose
from vmdbg.gdb.leaving import Leaving
from vmdbg.host.addresses import TcpAddress, UnixPath, listen_address
from vmdbg.repl.files import state_directory

NO_FILES = "none"


@dataclass(frozen=True, slots=True)
class GdbService:
    """Where gdb is served, how it is shown the CPU, and the directory of the files that it has written, if any."""

    address: TcpAddress | UnixPath
    view: ClientView = DEFAULT_VIEW
    files: Path | None = None
    leaving: Leaving = Leaving.END


def add_gdb_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--gdb",
        action="append",
        type=listen_address,
        metavar="[HOST:]PORT",
        help="serve gdb there, or at unix:PATH; may be repeated, for one client each",
    )
    group.add_argument(
        "--gdb-arch",
        choices=CHOICES,
        default="auto",
        help="the registers that gdb is shown: auto is x86-64, which has those of every mode, "
        "but i386 for a kernel that is a 32-bit ELF file until it goes to long mode",
    )
    group.add_argument(
        "--gdb-pc",
        choices=("linear", "offset"),
        default="linear",
        help="what gdb takes for $pc outside 64-bit mode: where the code lies, or (e)ip alone",
    )
    group.add_argument(
        "--gdb-leave",
        choices=[leaving.value for leaving in Leaving],
        default=Leaving.END.value,
        help="where a client that detaches in the past leaves the guest: it runs on from its end, or stays there",
    )
    group.add_argument(
        "--gdb-files",
        metavar="DIR",
        help="where `monitor save`, `snapshot` and `symbols` write; `none` for nowhere, "
        "which is so where other hosts can attach ($XDG_STATE_HOME/vmdbg/gdb)",
    )


def gdb_services(options: argparse.Namespace) -> list[GdbService]:
    """What the options ask for, one for each address."""
    view = choose(options.gdb_arch, linear_pc=options.gdb_pc == "linear")
    leaving = Leaving(options.gdb_leave)
    return [GdbService(address, view, gdb_folder(options.gdb_files, address), leaving) for address in options.gdb or ()]


def gdb_folder(wanted: str | None, address: TcpAddress | UnixPath) -> Path | None:
    """Where files are written for clients that come there, if anywhere."""
    if wanted is not None:
        return Path(wanted).expanduser().absolute() if wanted != NO_FILES else None
    if isinstance(address, TcpAddress) and not address.is_loopback:
        return None
    return state_directory() / "gdb"
