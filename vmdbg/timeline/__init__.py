"""A machine with its past: checkpoints, positions, and going to any instant of it in either direction."""
