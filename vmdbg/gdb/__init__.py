"""The adapter between the debugger and gdbstub: the machine as a target of gdb and LLDB."""
