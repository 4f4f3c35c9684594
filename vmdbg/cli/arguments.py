"""Argument parsing whose errors are UserErrors like all others."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from vmdbg.errors import UserError

Command = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")
