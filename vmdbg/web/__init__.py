"""A page in a browser: timeline, source, registers, console and questions, beside gdb and the prompt."""
