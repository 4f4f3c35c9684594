"""The prompt on the whole of a terminal: panes above the line."""
