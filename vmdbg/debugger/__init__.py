"""The debugger core: breakpoints with conditions, ways of stepping, and stops that every front end sees.

Front ends (gdb, the prompt, scripts) share one Debugger. It runs in slices on the thread that owns the machine.
"""
