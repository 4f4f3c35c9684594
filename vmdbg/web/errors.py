"""What goes wrong between a page and its server."""

from __future__ import annotations

from vmdbg.errors import UserError


class BadRequestError(UserError):
    """A page sent something that is no request."""


class NoBrowserViewError(UserError):
    """What the browser view is made of is not there."""
