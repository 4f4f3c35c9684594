"""Commands about the guest's operating system, whichever it is."""
