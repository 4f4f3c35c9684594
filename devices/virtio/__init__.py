"""Paravirtual devices on PCI, without the legacy interface. Source: Virtual I/O Device (VIRTIO) 1.2, OASIS."""
