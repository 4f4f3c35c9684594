"""One user's session on a debugger: what a typed line means, and what commands share."""
