"""The board's own ports and chips: system control, APM, ACPI power management, DMA pages, the test exit."""
