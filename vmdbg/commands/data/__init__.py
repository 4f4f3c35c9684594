"""Commands on registers and memory."""
