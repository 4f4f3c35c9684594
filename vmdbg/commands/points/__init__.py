"""Commands that set breakpoints, watchpoints, catches and logpoints."""
