"""Expressions of the prompt: Python's syntax over registers, symbols and memory, without Python's powers."""
