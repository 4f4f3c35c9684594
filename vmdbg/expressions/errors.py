"""What can be wrong with an expression."""

from __future__ import annotations

from vmdbg.errors import UserError


class ExpressionError(UserError):
    """The text is no expression, or it has no value for the guest as it stands."""
