"""A strip has what questions to the whole history find."""

from __future__ import annotations

import vmdbg
from vmdbg.document.strip_svg import svg

END = 30_000_000


def test_a_strip_counts_what_questions_find_however_many_stretches_it_has() -> None:
    with vmdbg.launch(memory="16M") as guest:
        guest.run(END)
        stood = guest.tick
        interrupts, exceptions = guest.queries.interrupts(), guest.queries.exceptions()
        for stretches in (1, 7, 300):
            strip = guest.overview(stretches)
            assert strip.stretches <= stretches
            counts = dict(strip.densities)
            assert sum(counts["interrupts"]) == len(interrupts)
            assert sum(counts["exceptions"]) + sum(counts["system calls"]) >= len(exceptions)
            for row in interrupts:
                assert counts["interrupts"][(row.position.tick - strip.start) // strip.length]
        assert "disk" not in counts
        assert [name for name, _ in strip.lanes] == ["CPU 0"]
        assert any("sample kernel" in words for _, words in strip.lines)
        assert "sample kernel" in svg(strip)
        assert guest.tick == stood, "it looked back and returned"
