"""What is wrong with a line that was typed."""

from __future__ import annotations

from vmdbg.errors import UserError


class UsageError(UserError):
    """The line does not fit the command; `usage` is what would."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(f"{message}\nusage: {usage}" if usage else message)
        self.message = message
        self.usage = usage


class UnknownCommandError(UserError):
    """No command, alias or unambiguous beginning of one."""
