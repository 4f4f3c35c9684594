"""The 8042 and the keyboard behind it."""
