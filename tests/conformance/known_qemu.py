"""Where QEMU 7.2's user mode does otherwise than the engine, and what says that the engine is right."""

from __future__ import annotations

from tests.conformance.compare import PAGE_FAULT, Difference
from tests.conformance.known import LONGEST_OPERAND, Case, Known, explain, flips
from tests.conformance.known_qemu_vectors import VECTORS
from tests.conformance.known_qemu_x87 import SUMMARY_AND_BUSY, X87
from tests.conformance.layout import CR2_AT, ERROR_AT, State
from tests.conformance.prefixes import CS, has_rex_w, is_mmx, prefixes

TOP, PENDING, WRITE, GENERAL_PROTECTION, MATH_FAULT = 0x3800, 0x3F, 2, 13, 16
CANONICAL_END, INVALID_OPCODE, CF = 1 << 47, 6, 1


def _mantissas(state: State) -> list[int]:
    """Of the x87's registers by number: they are MMX's."""
    top = state.fsw >> 11 & 7
    at = (32 + 16 * (number - top & 7) for number in range(8))
    return [int.from_bytes(state.fx[one : one + 8], "little") for one in at]


def _is_state_alone(case: Case, difference: Difference) -> bool:
    """Of MMX: its registers are alike."""
    if not difference.name.startswith(("fsw", "ftw", "st")):
        return False
    if difference.name == "fsw" and not flips(difference, TOP | SUMMARY_AND_BUSY):
        return False
    return _mantissas(case.expected) == _mantissas(case.found)


def _converts_memory(case: Case) -> bool:
    return case.name in ("cvtpi2ps", "cvtpi2pd") and "[" in case.instruction.operands


def _is_read_first(case: Case, difference: Difference) -> bool:
    writes = case.found.word(ERROR_AT) & WRITE != 0
    return difference.name == "error code" and writes and flips(difference, WRITE)


def _has_rex_before_prefix(case: Case) -> bool:
    return any(byte & 0xF0 == 0x40 for byte in prefixes(case.instruction.code)[:-1])


def _meets_no_page(case: Case) -> bool:
    return case.found.vector in (12, 13) and case.expected.vector == PAGE_FAULT


def _ends_canonically(case: Case, difference: Difference) -> bool:
    return difference.name == "cr2" and -case.found.word(CR2_AT) % CANONICAL_END <= LONGEST_OPERAND


def _stores_through_cs(case: Case) -> bool:
    return case.found.vector == GENERAL_PROTECTION and CS in prefixes(case.instruction.code)


def _has_summary_loaded(case: Case, difference: Difference) -> bool:
    pending = case.before.fsw & ~case.before.fcw & PENDING
    return difference.name == "fsw" and pending != 0 and flips(difference, SUMMARY_AND_BUSY)


GENERAL = (
    Known(
        "MMX leaves exponents, tags and top of the x87 (SDM 3A 12.2)",
        lambda c, d: is_mmx(c.instruction) and _is_state_alone(c, d),
    ),
    Known(
        "CVTPI2PS and CVTPI2PD of memory are MMX (SDM 2A CVTPI2PD; of CVTPI2PS processors differ)",
        lambda c, d: _converts_memory(c) and _is_state_alone(c, d),
    ),
    Known("no #MF (SDM 3A 6.15)", lambda c, d: c.found.vector == MATH_FAULT),
    Known("FXRSTOR leaves ES and B as they are loaded (SDM 1 8.1.3.3)", _has_summary_loaded),
    Known("what is read and written faults as a read (SDM 3A 4.7)", _is_read_first),
    Known("REX counts before another prefix (SDM 2A 2.2.1)", lambda c, d: _has_rex_before_prefix(c)),
    Known("addresses that are not canonical are not present (SDM 1 3.3.7.1)", lambda c, d: _meets_no_page(c)),
    Known("CR2 of an operand across the end of the canonical addresses", _ends_canonically),
    Known("code segments may be written (SDM 3A 3.4.5.1)", lambda c, d: _stores_through_cs(c)),
    Known(
        "ENTER does not look at the page of its last RSP (SDM 2A ENTER)",
        lambda c, d: c.name == "enter" and c.found.vector is not None,
    ),
    Known(
        "CLFLUSH does not look at its page (SDM 2A CLFLUSH)",
        lambda c, d: c.name == "clflush" and c.expected.vector is None,
    ),
    Known(
        "SYSEXIT and SYSRET are #UD in ring 3 (SDM 2B SYSEXIT)",
        lambda c, d: c.name.startswith(("sysexit", "sysret")) and c.expected.vector == INVALID_OPCODE,
    ),
    Known(
        "REX.W does not count for the lengths of PCMPESTR (SDM 2B PCMPESTRI)",
        lambda c, d: "pcmpestr" in c.name and has_rex_w(c.instruction.code),
    ),
    Known(
        "66 and F2 before 0F AE do not count (SDM 2D table A-6)",
        lambda c, d: b"\x0f\xae" in c.instruction.code and c.found.vector == INVALID_OPCODE,
    ),
    Known(
        "-cpu max has 3DNow!, which no model has",
        lambda c, d: b"\x0f\x0f" in c.instruction.code and c.found.vector == INVALID_OPCODE,
    ),
    Known(
        "ARPL stores though it changes nothing (SDM 2A ARPL)",
        lambda c, d: c.name == "arpl" and c.expected.vector == PAGE_FAULT and c.found.vector is None,
    ),
    Known("BSWAP of 16 bits is undefined (SDM 2A BSWAP)", lambda c, d: c.name == "bswap"),
    Known(
        "F6 /1 and F7 /1 are no TEST (AMD APM 3 table A-6)", lambda c, d: c.name == "test" and c.expected.vector == 6
    ),
    Known(
        "ADCX and ADOX of 32 bits leave a result in RFLAGS (SDM 2A ADCX)",
        lambda c, d: c.name in ("adcx", "adox") and d.name == "rflags",
    ),
    Known(
        "BLSI's CF is BLSR's: set where the source is 0 (SDM 2A BLSI)",
        lambda c, d: c.name == "blsi" and d.name == "rflags" and flips(d, CF),
    ),
    Known(
        "66 before REX.W makes MOVBE and CRC32 ones of 16 bits (SDM 2A 2.2.1.2)",
        lambda c, d: c.name in ("movbe", "crc32") and has_rex_w(c.instruction.code),
    ),
)
KNOWN_OF_QEMU = GENERAL + X87 + VECTORS


def explain_qemu(case: Case, difference: Difference) -> str | None:
    """The reason, or None for a difference that should not be."""
    own = next((known.reason for known in KNOWN_OF_QEMU if known.applies(case, difference)), None)
    return own or explain(case, difference)
