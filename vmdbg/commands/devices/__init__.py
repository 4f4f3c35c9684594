"""Commands on devices, ports, interrupt lines and the screen."""
