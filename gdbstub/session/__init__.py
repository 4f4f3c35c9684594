"""The session layer: requests to calls on the target's ports, and their results to replies. One module a
feature.
"""

from gdbstub.session.session import MAX_UNSENT, Session

__all__ = ["MAX_UNSENT", "Session"]
