"""Runs in gdb: what it knows of each frame at a stop, as JSON. The oracle of test_against_gdb.py."""

import json

import gdb

MAX_ELEMENTS = 64
UNKNOWN = "<unknown>"


def plain(value, depth=0):
    """A value as numbers, lists and dictionaries; UNKNOWN for what gdb cannot tell."""
    try:
        type_ = value.type.strip_typedefs()
        code = type_.code
        if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            return [plain(value[field], depth + 1) for field in type_.fields()]
        if code == gdb.TYPE_CODE_ARRAY:
            low, high = type_.range()
            return [plain(value[n], depth + 1) for n in range(low, min(high, MAX_ELEMENTS) + 1)]
        if value.is_optimized_out:
            return UNKNOWN
        if code == gdb.TYPE_CODE_FLT:
            return repr(float(value))
        return int(value)
    except (gdb.error, gdb.MemoryError):
        return UNKNOWN


def variables(frame):
    """Name and value of each variable in scope, the innermost block first."""
    found = []
    try:
        block = frame.block()
    except RuntimeError:
        return None
    while block is not None:
        for symbol in block:
            known = symbol.is_variable or symbol.is_argument or symbol.is_constant
            if known and symbol.addr_class != gdb.SYMBOL_LOC_UNRESOLVED:
                try:
                    found.append([symbol.name, plain(symbol.value(frame))])
                except gdb.error:
                    found.append([symbol.name, UNKNOWN])
        if block.function is not None:
            break
        block = block.superblock
    return found


def frames():
    found = []
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() == gdb.TAILCALL_FRAME:
            frame = frame.older()
            continue
        line = frame.find_sal()
        symtab = line.symtab.filename if line.symtab else ""
        found.append([frame.name(), frame.pc(), symtab.rpartition("/")[2], line.line, variables(frame)])
        frame = frame.older()
    return found


class Stops(gdb.Command):
    """stops STEP...: for each number, that many instructions further, what gdb knows there."""

    def __init__(self):
        super().__init__("stops", gdb.COMMAND_USER)

    def invoke(self, argument, from_tty):
        for steps in argument.split():
            gdb.execute("stepi " + steps, to_string=True)
            print("STOP " + json.dumps(frames()))


Stops()
