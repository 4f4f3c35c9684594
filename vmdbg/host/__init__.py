"""The host of a run: its loop, pacing, serial lines, terminal, signals and endings. Knows no front end."""
