"""The engine on Unicorn, with its native part in vmdbg.engine.native."""

from vmdbg.engine.unicorn.engine import UnicornEngine

__all__ = ["UnicornEngine"]
