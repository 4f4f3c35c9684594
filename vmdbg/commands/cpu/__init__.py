"""Commands on the CPU and its tables."""
