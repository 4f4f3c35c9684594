"""Recordings and snapshots: one self-contained file that any machine can replay. See docs/recording.md."""
