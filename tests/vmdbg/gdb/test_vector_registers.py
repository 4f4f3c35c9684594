"""YMM registers in gdb, at the prompt's commands and in history, of models that have them and of one that has not."""

from __future__ import annotations

from tests.vmdbg.debugger.programs import program, run_to
from tests.vmdbg.gdb.guests import gdb
from vmdbg.commands import catalog
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

VECTORS = """
    mov rax, cr4
    bts rax, 18
    mov cr4, rax
    xor ecx, ecx
    xor edx, edx
    mov eax, 7
    xsetbv
    vmovdqu ymm3, [numbers]
    vpaddd ymm3, ymm3, ymm3
loaded:
    vzeroall
    nop
    finish 0
    align 32
numbers: dd 1, 2, 3, 4, 5, 6, 7, 8
"""
MODEL = "x86-64-v3"
EVERYTHING = ~Effect.NONE
DOUBLED = sum(2 * n << 32 * (n - 1) for n in range(1, 9))


def test_gdb_shows_and_sets_them(gdb_client: list[str]) -> None:
    with program(VECTORS, "loaded", cpu=MODEL) as (debugger, at, _):
        output = gdb(
            gdb_client,
            debugger,
            f"break *{at['loaded']:#x}",
            "continue",
            "print $ymm3.v8_int32",
            "set $ymm3.v8_int32[7] = 99",
            "stepi",
            "print $ymm3.v8_int32",
            "reverse-stepi",
            "print $ymm3.v8_int32",
            "disconnect",
        )
        assert debugger.engine.read_register("ymm3") >> 224 == 99
    assert "{2, 4, 6, 8, 10, 12, 14, 16}" in output
    assert "{0, 0, 0, 0, 0, 0, 0, 0}" in output
    assert "{2, 4, 6, 8, 10, 12, 14, 99}" in output


def test_the_prompt_shows_prints_sets_and_records_them() -> None:
    with program(VECTORS, "loaded", cpu=MODEL) as (debugger, at, _):
        session = Session(debugger, catalog.commands(), allowed=EVERYTHING)
        run_to(debugger, at["loaded"])
        assert f"ymm3   {DOUBLED:#066x}" in session.execute("registers avx")
        assert session.execute("print $ymm3 >> 224").split()[-1].startswith("16")
        session.execute("set $ymm3 = 1 << 255")
        assert debugger.engine.read_register("ymm3") == 1 << 255
        assert debugger.engine.read_register("xmm3") == 0
        session.execute("stepi")
        assert debugger.engine.read_register("ymm3") == 0


def test_a_model_without_them_has_none() -> None:
    with program(VECTORS, "loaded") as (debugger, _, _):
        session = Session(debugger, catalog.commands(), allowed=EVERYTHING)
        assert "ymm" not in session.execute("registers all")
        assert "its model lacks them" in session.execute("registers avx")
        assert "no register" in session.execute("registers ymm3")
