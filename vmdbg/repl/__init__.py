"""The prompt: a front end of vmdbg.commands with completion, colours, a status bar and the context of every stop."""
