"""Errors, by who must act on them. Every message says what, where and what to do."""


class VmdbgError(Exception):
    """Base of every error that a front end shows as one line of text."""


class UserError(VmdbgError):
    """The user asked for something that cannot be done as asked. Exit code 2."""


class GuestError(VmdbgError):
    """The guest died or did what no machine can carry on from. Exit code 1."""


class RecordingError(VmdbgError):
    """A recording or snapshot is damaged, of another version, or does not fit. Exit code 2."""


class NotKeptError(RecordingError):
    """A recording or snapshot cannot be written: the disk is full, or the device failed. Exit code 3.

    `useless`: nothing of it can be replayed.
    """

    def __init__(self, text: str, *, useless: bool = True) -> None:
        super().__init__(text)
        self.useless = useless


class EngineError(VmdbgError):
    """The engine failed or is not the one that was calibrated for. Exit code 3."""


class ReaderGoneError(BrokenPipeError):
    """Who read stdout has left, as after `| head`: the run ends, quietly. No error of a command's."""
