"""What hands used to gdb, WinDbg, Bochs and pwndbg type: their spelling of what we have, and what to use instead."""

from __future__ import annotations

import re
from collections.abc import Callable

_COUNT = r"(?:\s+[Ll]\s?(?P<count>0x[0-9a-fA-F]+|\d+))?"
_DISPLAYS = {"dw": (64, "h"), "dd": (32, "w"), "dq": (16, "g"), "dp": (16, "a")}
_INFO = {
    "r": "registers", "b": "breakpoints", "s": "stack", "f": "frame", "w": "watchpoints", "d": "display",
}  # fmt: skip
_EDITS = {"ew": 2, "ed": 4, "eq": 8}


def _display(match: re.Match[str]) -> str:
    number, size = _DISPLAYS[match["name"]]
    letters = "a" if size == "a" else f"x{size}"
    return f"x/{int(match['count'] or str(number), 0)}{letters} {match['where']}"


def _edit(match: re.Match[str]) -> str:
    return f"edit {match['where']} {match['values']} --size {_EDITS[match['name']]}"


def _disassemble(match: re.Match[str]) -> str:
    plain = our_spelling(f"disassemble {match['rest']}".strip())
    return f"{plain} --bytes" if set("rb") & set(match["letters"]) else plain


_REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"i(?P<rest>\s.*)?", lambda m: f"info{m['rest'] or ''}"),
        (r"(?:mon|monitor)\s+(?P<rest>.+)", r"\g<rest>"),
        (r"!tt\s+(?P<share>[\d.]+)", r"goto \g<share>%"),
        (r"!process\b.*", "ps"),
        (r"!thread\b.*", "current"),
        (r"!(?P<rest>[A-Za-z].*)", r"\g<rest>"),
        (r"\.(?P<rest>[A-Za-z]\w*(?:\s.*)?)", r"\g<rest>"),
        (r"\?\?\s*(?P<rest>\S.*)", r"print \g<rest>"),
        (r"(?P<name>dw|dd|dq|dp)\s+(?P<where>\S.*?)" + _COUNT, _display),
        (r"da\s+(?P<where>\S.*)", r"x/s \g<where>"),
        (r"(?P<name>ew|ed|eq)\s+(?P<where>\S+)\s+(?P<values>\S.*)", _edit),
        (r"(?P<name>u|uf|db|dqs|dps)\s+(?P<where>\S.*?)\s+[Ll]\s?(?P<count>0x[0-9a-fA-F]+|\d+)",
         r"\g<name> \g<where> \g<count>"),
        (r"r\s+(?P<name>[$@]?\w+)\s*=(?P<value>[^=].*)", r"set \g<name> = \g<value>"),
        (r"wrmsr\s+(?P<name>[^\s=]+)\s+(?P<value>[^\s=].*)", r"set msr[\g<name>] = \g<value>"),
        (r"(?P<name>bc|bd|be)\s+\*", r"\g<name> all"),
        (r"(?:u|disas|disass|disassemble)\s*/(?P<letters>[rsmb]+)\s*(?P<rest>.*)", _disassemble),
        (r"(?:disas|disass|disassemble)\s+(?P<start>[^,]+?)\s*,\s*\+\s*(?P<size>[^,]+)",
         r"disassemble (\g<start>) --end (\g<start>)+(\g<size>)"),
        (r"(?:disas|disass|disassemble)\s+(?P<start>[^,]+?)\s*,\s*(?P<end>[^,]+)",
         r"disassemble (\g<start>) --end (\g<end>)"),
        (r"dprintf\s+(?P<place>[^,\s]+)\s*,\s*(?P<template>\"[^\"%]*\")", r"logpoint \g<place> \g<template>"),
        (r"(?:r|a)?watch\s+r\s+(?P<where>.+)", r"rwatch \g<where>"),
        (r"watch\s+w\s+(?P<where>.+)", r"watch \g<where>"),
        (r"pb\s+(?P<where>.+)", r"break --physical \g<where>"),
        (r"pbreak\s+(?P<where>.+)", r"break --physical \g<where>"),
        (r"print-stack(?:\s+(?P<count>\d+))?", lambda m: f"telescope --count {m['count'] or 16}"),
        (r"(?:gcore|generate-core-file|dump-guest-memory)(?:\s+-[pzls]+)*\s+(?P<file>\S+)", r"dump core \g<file>"),
        (r"dump binary memory\s+(?P<rest>\S.*)", r"dump memory \g<rest>"),
        (r"memsave\s+(?P<start>\S+)\s+(?P<size>\S+)\s+(?P<file>\S+)", r"dump memory \g<file> \g<start> +\g<size>"),
        (r"pmemsave\s+(?P<start>\S+)\s+(?P<size>\S+)\s+(?P<file>\S+)",
         r"dump memory --physical \g<file> \g<start> +\g<size>"),
        (r"modebp", "catch mode"),
        (r"creg", "registers control"),
        (r"sreg", "registers segment"),
        (r"dreg", "registers debug"),
        (r"fpu|mmx|info float", "registers x87"),
        (r"sse|info vector", "registers sse"),
        (r"info (?:eflags|rflags)", "flags rflags"),
        (r"info registers (?:all|float)", "registers all"),
        (r"info checkpoints", "bookmark"),
        (r"info line", "symbol rip"),
        (r"info (?P<short>[rbsfwd])(?P<rest>\s.*)?", lambda m: f"info {_INFO[m['short']]}{m['rest'] or ''}"),
        (r"info mtree", "devices"),
        (r"info proc mappings(?P<rest>\s.*)?", lambda m: f"vmas{m['rest'] or ''}"),
        (r"start|starti", "goto start"),
        (r"restart(?:\s+(?P<where>.+))?", lambda m: f"goto {m['where'] or 'start'}"),
        (r"clear", "delete linear_pc"),
    )
)  # fmt: skip
"""Whole lines. What is not translated completely is left as it was typed."""


def our_spelling(line: str) -> str:
    """The line as this prompt has it."""
    for pattern, replacement in _REWRITES:
        match = pattern.fullmatch(line)
        if match is not None:
            made = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            return made if made == line or pattern.pattern.startswith("clear") else our_spelling(made)
    return line


_VARIABLES = "`info locals` and `info args` show the variables of a frame, `print` one of them"
_NO_MACROS = "macros are not read from debug information; write what they stand for"
_STATELESS = "there is one CPU; `ps` lists the tasks of a Linux guest, `task PID` and `bt --task PID` show one"
_SCREEN = "stops show the context; `context --set SECTION ...` chooses what is in it, `tui` gives it the whole terminal"
_TIME = "everything is recorded from the start: reverse-continue, reverse-stepi and goto go back at once"
_HOST = "no program of the host is run from here; `python` can"
_HISTORY = "`last-write`, `history`, `io`, `deliveries`, `logpoint` and `vmdbg query` ask what happened"
_SETTINGS = "`theme`, `context --set` and `step-mode` are what can be chosen here"

_ASSIGNMENT = re.compile(r"[$@]?[A-Za-z_]\w*(?:\[.*\]|\(.*\))?\s*=[^=].*")

HINTS: dict[str, str] = {
    "analyze": "`context` shows the stop, `bt` the calls, `oops` what a Linux guest says of its crash",
    "crc": "`digest` is of the whole machine",
    "aslr": "`system` shows the kernel's base and slide",
    "attach": "the guest is this machine itself; gdb attaches to it with `--gdb`",
    "auto": _SETTINGS,
    "call": "calling a function would change the guest; set registers by `set`, and go on",
    "canary": "`telescope` and `search` find it on the stack",
    "cd": _HOST,
    "checksec": "`flags cr0` and `flags cr4` show what the CPU enforces",
    "define": "`alias NAME LINE`, or a function with @command in the init.py of vmdbg's configuration",
    "detach": "`quit` ends the machine; a gdb that is attached detaches by itself",
    "document": "the docstring of a function with @command is its help",
    "du": "text in UTF-16 is not decoded; `hexdump` shows it",
    "dv": _VARIABLES,
    "dx": _HISTORY,
    "elfheader": "`symbol-file` lists what is loaded",
    "gh": "`continue`; exceptions go to the guest always",
    "gn": "`continue`; exceptions go to the guest always",
    "handle": "`catch #PF` stops for an exception, `catch interrupt 0x20` for an interrupt",
    "heap": "`slab` shows the kernel's caches of a Linux guest",
    "ib": "reading a port can change the device: `devices NAME` shows its registers, `io PORT` who answers",
    "inb": "reading a port can change the device: `devices NAME` shows its registers, `io PORT` who answers",
    "inferior": "there is one machine",
    "info auxv": "`task PID` and `vmas PID` show a process of a Linux guest",
    "info frame-filter": "`bt` shows all frames",
    "info inferiors": "there is one machine",
    "info macro": _NO_MACROS,
    "info program": "`when` says where the guest stands, `context` shows it",
    "info proc": "`vmas PID`, `ps`, `task PID` and `files PID` look at processes of a Linux guest",
    "info scope": _VARIABLES,
    "info sharedlibrary": "`vmas PID` shows what is mapped, `symbol-file FILE --slide ADDRESS` loads symbols",
    "info signals": "`catch #PF` stops for an exception, `catch interrupt 0x20` for an interrupt",
    "info source": "`list` shows source, `symbol-file` what it comes from, `directory` where it is looked for",
    "info sources": "`list` shows source, `symbol-file` what it comes from, `directory` where it is looked for",
    "info target": "`devices` shows the machine, `symbol-file` the files with symbols",
    "info types": "`ptype` shows a type of a Linux guest",
    "instrument": "`logpoint` writes a line whenever the guest comes to a place",
    "jump": "`set rip = ADDRESS`, and go on",
    "kchecksec": "`flags cr0` and `flags cr4` show what the CPU enforces",
    "kill": "`quit` leaves the prompt and ends the machine; `goto start` begins again",
    "layout": _SCREEN,
    "load": "`symbol-file FILE` reads symbols; the guest's own files are given to `vmdbg run`",
    "macro": _NO_MACROS,
    "make": _HOST,
    "ob": "`python` has timeline.push() for inputs; `devices NAME` shows a device",
    "outb": "`python` has timeline.push() for inputs; `devices NAME` shows a device",
    "pa": "`until ADDRESS`",
    "pct": "`finish` runs to the return",
    "pwd": _HOST,
    "record": _TIME,
    "refresh": _SCREEN,
    "reload": "`symbol-file FILE` reads symbols again",
    "return": "`finish` runs to the return; `set` changes rip and rsp",
    "save-tracepoints": "`points --json` lists them",
    "set": _SETTINGS,
    "setpmem": "`set phys[ADDRESS, SIZE] = VALUE`",
    "shell": _HOST,
    "show": _SETTINGS,
    "signal": "`press nmi`, or `edit` what the guest looks at",
    "slist": "`bt` shows the calls",
    "sxd": "`uncatch`",
    "sxe": "`catch #PF` stops for an exception",
    "sxi": "`uncatch`",
    "ta": "`until ADDRESS`",
    "target": "the guest is this machine itself; gdb attaches to it with `--gdb`",
    "tbt": "`finish` runs to the return",
    "tc": "`stepi`, or `until ADDRESS`",
    "thread": _STATELESS,
    "trace": "`logpoint` writes a line at a place, `stepi` shows each instruction, `vmdbg query` all of a stretch",
    "trace-mem": "`watch`, and `vmdbg query` for all accesses",
    "trace-reg": "`display rax` shows it at every stop",
    "tstart": "logpoints write from when they are set; `log` shows the lines",
    "tstop": "logpoints write until they are deleted",
    "ttd": _TIME,
    "tui": _SCREEN,
    "unwatch": "`delete NUMBER`",
    "vmexitbp": "the guest is no hypervisor here: VMX is not there",
    "winheight": _SCREEN,
    "writemem": "`python` reads with debugger.linear().read(address, size) and can write files",
    "wt": "`finish` runs to the return; `vmdbg query` lists calls",
    "xinfo": "`pagewalk ADDRESS`, `maps ADDRESS` and `symbol ADDRESS`",
}


def hint(line: str) -> str:
    """What to use instead of a command that is not here; empty if nobody would know it."""
    words = line.split()
    for length in (2, 1):
        name = " ".join(words[:length]).partition("/")[0]
        if name in HINTS:
            return f"there is no {name!r} here; {HINTS[name]}"
    if _ASSIGNMENT.fullmatch(line):
        return f"`set {line}` changes a register or memory, `print {line}` keeps a value"
    return ""
