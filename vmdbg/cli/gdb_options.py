"""--gdb and how gdb is shown the CPU, for `run` and `replay` alike."""

from __future__ import annotations

import argparse

from vmdbg.cli.values import listen_address
from vmdbg.gdb.architecture import CHOICES, ClientView, choose


def add_gdb_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--gdb", type=listen_address, metavar="[HOST:]PORT", help="serve gdb there, or at unix:PATH")
    group.add_argument(
        "--gdb-arch",
        choices=CHOICES,
        default="auto",
        help="the registers that gdb is shown: auto is x86-64, which has those of every mode",
    )
    group.add_argument(
        "--gdb-pc",
        choices=("linear", "offset"),
        default="linear",
        help="what gdb takes for $pc outside 64-bit mode: where the code lies, or (e)ip alone",
    )


def client_view(options: argparse.Namespace) -> ClientView:
    """What the options ask for."""
    return choose(options.gdb_arch, linear_pc=options.gdb_pc == "linear")
