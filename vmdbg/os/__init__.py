"""What the guest's operating system knows about itself, read from outside without running an instruction."""
