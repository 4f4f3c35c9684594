"""A stopped sample kernel, shared with the tests of commands."""

from tests.vmdbg.conftest import session, shared

__all__ = ["session", "shared"]
