"""What can be wrong, by who must act."""

from __future__ import annotations


class FramingError(Exception):
    """The bytes are no messages of the protocol: nothing that follows can be understood."""


class BadRequestError(Exception):
    """A request lacks something, or has what cannot be: it is answered with these words."""


class TargetError(Exception):
    """The debugger cannot do what was asked: it is answered with these words."""


class NotStoppedError(TargetError):
    """The target runs: the protocol has a word of its own for that."""


class ClientGoneError(Exception):
    """The client has hung up in the midst of long work."""
