"""Flags that instructions leave undefined, by each instruction's description in SDM volume 2."""

from __future__ import annotations

CF, PF, AF, ZF, SF, OF = 1, 4, 0x10, 0x40, 0x80, 0x800
RF = 0x10000

FLAGS: dict[str, int] = {
    **dict.fromkeys(("and", "or", "xor", "test"), AF),
    **dict.fromkeys(("mul", "imul"), PF | AF | ZF | SF),
    **dict.fromkeys(("div", "idiv"), CF | PF | AF | ZF | SF | OF),
    **dict.fromkeys(("bsf", "bsr"), CF | PF | AF | SF | OF),
    **dict.fromkeys(("bt", "bts", "btr", "btc"), PF | AF | SF | OF),
    **dict.fromkeys(("shl", "sal", "shr", "sar"), AF | OF | CF),
    **dict.fromkeys(("rol", "ror", "rcl", "rcr"), OF),
    **dict.fromkeys(("andn", "blsi", "blsr", "blsmsk", "bzhi"), PF | AF),
    **dict.fromkeys(("lzcnt", "tzcnt"), PF | AF | SF | OF),
    "bextr": PF | AF | SF,
    **dict.fromkeys(("aaa", "aas"), OF | SF | ZF | PF),
    **dict.fromkeys(("aad", "aam"), OF | AF | CF),
    **dict.fromkeys(("daa", "das"), OF),
    **dict.fromkeys(("shld", "shrd"), AF | OF | CF),
}
"""Shifts and rotates leave OF undefined unless they go by one bit, CF where they go by more than the operand has."""
