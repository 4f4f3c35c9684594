"""PCI: configuration by mechanism #1, and the host bridge."""
