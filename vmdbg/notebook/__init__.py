"""In a notebook: `%load_ext vmdbg`, then `%vmdbg COMMAND`, and what guests give is shown as tables and pictures."""
