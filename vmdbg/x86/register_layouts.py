"""The bit fields of registers (SDM 1 sections 3.4.3, 8.1 and 10.2.3; SDM 3A sections 2.5, 3.4.5 and 17.2)."""

from __future__ import annotations

from vmdbg.x86.fields import BitField

RFLAGS = (
    BitField("CF", 0, meaning="carry"),
    BitField("1", 1, meaning="always one"),
    BitField("PF", 2, meaning="parity"),
    BitField("AF", 4, meaning="auxiliary carry"),
    BitField("ZF", 6, meaning="zero"),
    BitField("SF", 7, meaning="sign"),
    BitField("TF", 8, meaning="single-step trap"),
    BitField("IF", 9, meaning="interrupts enabled"),
    BitField("DF", 10, meaning="string instructions count down"),
    BitField("OF", 11, meaning="overflow"),
    BitField("IOPL", 12, 2, "I/O privilege level"),
    BitField("NT", 14, meaning="nested task"),
    BitField("RF", 16, meaning="resume: no instruction breakpoint now"),
    BitField("VM", 17, meaning="virtual-8086 mode"),
    BitField("AC", 18, meaning="alignment check, or SMAP lifted"),
    BitField("VIF", 19, meaning="virtual interrupt flag"),
    BitField("VIP", 20, meaning="virtual interrupt pending"),
    BitField("ID", 21, meaning="can be toggled: there is CPUID"),
)
CR0 = (
    BitField("PE", 0, meaning="protected mode"),
    BitField("MP", 1, meaning="WAIT obeys TS"),
    BitField("EM", 2, meaning="no x87: emulate"),
    BitField("TS", 3, meaning="task switched: x87 and SSE raise #NM"),
    BitField("ET", 4, meaning="387 present"),
    BitField("NE", 5, meaning="x87 errors raise #MF"),
    BitField("WP", 16, meaning="supervisor obeys read-only pages"),
    BitField("AM", 18, meaning="AC checks alignment"),
    BitField("NW", 29, meaning="not write-through"),
    BitField("CD", 30, meaning="caches disabled"),
    BitField("PG", 31, meaning="paging"),
)
CR3 = (
    BitField("PWT", 3, meaning="write-through for the top table"),
    BitField("PCD", 4, meaning="no caching of the top table"),
    BitField("BASE", 12, 40, "page number of the top table"),
)
CR4 = (
    BitField("VME", 0, meaning="virtual-8086 extensions"),
    BitField("PVI", 1, meaning="protected-mode virtual interrupts"),
    BitField("TSD", 2, meaning="RDTSC only in ring 0"),
    BitField("DE", 3, meaning="debugging extensions: I/O breakpoints"),
    BitField("PSE", 4, meaning="4 MiB pages"),
    BitField("PAE", 5, meaning="8-byte page-table entries"),
    BitField("MCE", 6, meaning="machine checks"),
    BitField("PGE", 7, meaning="global pages"),
    BitField("PCE", 8, meaning="RDPMC in any ring"),
    BitField("OSFXSR", 9, meaning="FXSAVE and SSE in use"),
    BitField("OSXMMEXCPT", 10, meaning="SSE errors raise #XM"),
    BitField("UMIP", 11, meaning="SGDT and the like only in ring 0"),
    BitField("LA57", 12, meaning="5-level paging"),
    BitField("VMXE", 13, meaning="VMX"),
    BitField("SMXE", 14, meaning="SMX"),
    BitField("FSGSBASE", 16, meaning="RDFSBASE and the like in any ring"),
    BitField("PCIDE", 17, meaning="process-context identifiers"),
    BitField("OSXSAVE", 18, meaning="XSAVE in use"),
    BitField("SMEP", 20, meaning="supervisor does not fetch user pages"),
    BitField("SMAP", 21, meaning="supervisor does not touch user pages"),
    BitField("PKE", 22, meaning="protection keys for user pages"),
    BitField("CET", 23, meaning="control-flow enforcement"),
    BitField("PKS", 24, meaning="protection keys for supervisor pages"),
)
PKRU = tuple(
    BitField(f"{bit}{key}", 2 * key + at, meaning=f"{denied} to user pages of protection key {key}")
    for key in range(16)
    for at, (bit, denied) in enumerate((("AD", "no access"), ("WD", "no writes")))
)
CR8 = (BitField("TPR", 0, 4, "interrupts of this class and lower are held"),)
DR6 = (
    *(BitField(f"B{n}", n, meaning=f"the condition of DR{n} was met") for n in range(4)),
    BitField("1", 4, 7, "always ones"),
    BitField("BLD", 11, meaning="no bus lock"),
    BitField("BD", 13, meaning="a debug register was accessed with GD set"),
    BitField("BS", 14, meaning="single step"),
    BitField("BT", 15, meaning="task switch"),
    BitField("RTM", 16, meaning="outside a transaction"),
    BitField("11", 17, 15, "always ones"),
)
_BREAK_ON = {0: "execute", 1: "write", 2: "I/O", 3: "read/write"}
_LENGTHS = {0: "1 byte", 1: "2 bytes", 2: "8 bytes", 3: "4 bytes"}


def _breakpoint_enables(number: int) -> tuple[BitField, BitField]:
    return (
        BitField(f"L{number}", 2 * number, meaning=f"DR{number} enabled until a task switch"),
        BitField(f"G{number}", 2 * number + 1, meaning=f"DR{number} enabled"),
    )


def _breakpoint_condition(number: int) -> tuple[BitField, BitField]:
    low = 16 + 4 * number
    return (
        BitField(f"R/W{number}", low, 2, f"DR{number} breaks on", _BREAK_ON),
        BitField(f"LEN{number}", low + 2, 2, f"DR{number} covers", _LENGTHS),
    )


DR7 = (
    *(field for number in range(4) for field in _breakpoint_enables(number)),
    BitField("LE", 8, meaning="exact local breakpoints"),
    BitField("GE", 9, meaning="exact global breakpoints"),
    BitField("1", 10, meaning="always one"),
    BitField("RTM", 11, meaning="debugging of transactions"),
    BitField("GD", 13, meaning="access to debug registers raises #DB"),
    *(field for number in range(4) for field in _breakpoint_condition(number)),
)
_ROUNDING = {0: "nearest", 1: "down", 2: "up", 3: "to zero"}
_FLOATING_ERRORS = (
    ("I", "invalid operation"),
    ("D", "denormal operand"),
    ("Z", "division by zero"),
    ("O", "overflow"),
    ("U", "underflow"),
    ("P", "inexact result"),
)
_ERROR_FLAGS = tuple(BitField(f"{letter}E", bit, meaning=text) for bit, (letter, text) in enumerate(_FLOATING_ERRORS))


def _error_masks(low: int) -> tuple[BitField, ...]:
    return tuple(
        BitField(f"{letter}M", low + bit, meaning=f"{text} masked")
        for bit, (letter, text) in enumerate(_FLOATING_ERRORS)
    )


MXCSR = (
    *_ERROR_FLAGS,
    BitField("DAZ", 6, meaning="denormals are zeros"),
    *_error_masks(7),
    BitField("RC", 13, 2, "rounding", _ROUNDING),
    BitField("FZ", 15, meaning="flush to zero"),
)
FCTRL = (
    *_error_masks(0),
    BitField("1", 6, meaning="always one"),
    BitField("PC", 8, 2, "precision", {0: "24 bits", 2: "53 bits", 3: "64 bits"}),
    BitField("RC", 10, 2, "rounding", _ROUNDING),
    BitField("X", 12, meaning="infinity control of the 287"),
)
FSTAT = (
    *_ERROR_FLAGS,
    BitField("SF", 6, meaning="stack fault"),
    BitField("ES", 7, meaning="an unmasked error is pending"),
    BitField("C0", 8, meaning="condition code 0"),
    BitField("C1", 9, meaning="condition code 1"),
    BitField("C2", 10, meaning="condition code 2"),
    BitField("TOP", 11, 3, "top of the stack"),
    BitField("C3", 14, meaning="condition code 3"),
    BitField("B", 15, meaning="busy"),
)
SEGMENT_ATTRIBUTES = (
    BitField("BASE_23_16", 0, 8, "a piece of the base"),
    BitField("TYPE", 8, 4, "type"),
    BitField("S", 12, meaning="code or data", values={0: "system", 1: "code or data"}),
    BitField("DPL", 13, 2, "privilege level"),
    BitField("P", 15, meaning="present"),
    BitField("LIMIT_19_16", 16, 4, "a piece of the limit"),
    BitField("AVL", 20, meaning="available to software"),
    BitField("L", 21, meaning="64-bit code"),
    BitField("D/B", 22, meaning="32-bit default"),
    BitField("G", 23, meaning="limit in pages"),
    BitField("BASE_31_24", 24, 8, "a piece of the base"),
)
SELECTOR = (
    BitField("RPL", 0, 2, "requested privilege level"),
    BitField("TI", 2, meaning="table", values={0: "GDT", 1: "LDT"}),
    BitField("INDEX", 3, 13, "descriptor"),
)
