"""A stock Linux kernel on x86-64: symbols, types, stacks and tables found in its own memory."""
