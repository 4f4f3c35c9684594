"""Debug information of DWARF 2 to 5: what code and data mean in source. Knows files, memory and registers alone."""
