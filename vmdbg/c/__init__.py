"""C's types and objects in a guest's memory, whoever knows of them: a kernel's BTF or a file's DWARF."""
