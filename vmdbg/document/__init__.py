"""What a command answers, before a front end renders it: plain text, tables, JSON."""
