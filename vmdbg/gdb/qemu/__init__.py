"""The words of QEMU's monitor that clients of its gdb stub send, answered in QEMU's form."""
