"""From files to a guest ready to run: what lies where in RAM, and what the CPU holds at its first instruction.

Everything here is a pure function of the bytes given: no clock, no randomness, no engine.
"""
