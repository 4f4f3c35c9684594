"""A stopped sample kernel, shared with the tests of commands."""

from tests.vmdbg.conftest import real_mode, session, shared

__all__ = ["real_mode", "session", "shared"]
