"""16550A serial ports, the debug console, and what is on the other end of a line."""
