"""vmdbg: a deterministic, timeless virtual machine monitor made for debugging."""

__version__ = "0.1.0"
