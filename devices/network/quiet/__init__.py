"""A network inside the machine that is the same everywhere: who answers there, and what."""
