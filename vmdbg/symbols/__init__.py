"""Names and source lines of guest code, from files on the host and from the guest's own operating system."""
