"""Files of a guest's memory and registers at one instant, for debuggers that look at the dead: gdb, crash, drgn..."""
