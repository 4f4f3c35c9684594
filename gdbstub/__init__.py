"""The GDB remote serial protocol for any target: a library on its own (see docs/rsp.md and
samples/toy_target.py).
"""
