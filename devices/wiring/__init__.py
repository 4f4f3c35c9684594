"""What joins chips: the port bus, the memory bus, interrupt lines."""
