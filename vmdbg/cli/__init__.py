"""The command line: `vmdbg run` and its relatives."""
