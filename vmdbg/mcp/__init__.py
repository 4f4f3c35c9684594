"""Tools for assistants, by the Model Context Protocol: a recording to look at."""
