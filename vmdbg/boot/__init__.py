"""From files to a guest ready to run: what lies where in RAM, and the CPU at its first instruction.

Everything here is a pure function of the bytes given: no clock, no randomness, no engine.
"""
