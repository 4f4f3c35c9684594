"""DWARF expressions as lists of operations. Source: DWARF 5, 2.5."""

from __future__ import annotations

from functools import lru_cache

from elftools.common.utils import struct_parse
from elftools.dwarf.dwarf_expr import DWARFExprOp, DWARFExprParser
from elftools.dwarf.structs import DWARFStructs

Operations = tuple[DWARFExprOp, ...]
"""pyelftools' DWARFExprOp: op_name, args, offset."""
_CONSTX, _ADDRX, _REINTERPRET = 0xA2, 0xA1, 0xA9
_NAMES = {_CONSTX: "DW_OP_constx", _ADDRX: "DW_OP_addrx", _REINTERPRET: "DW_OP_reinterpret"}


@lru_cache(maxsize=8)
def _parser(address_size: int, offset_size: int, version: int) -> DWARFExprParser:
    structs = DWARFStructs(
        little_endian=True, dwarf_format=8 * offset_size, address_size=address_size, dwarf_version=version
    )
    parser = DWARFExprParser(structs)
    for opcode in _NAMES:
        parser._dispatch_table[opcode] = lambda stream: [struct_parse(structs.the_Dwarf_uleb128, stream)]
    return parser


@lru_cache(maxsize=4096)
def operations(expression: bytes, address_size: int, offset_size: int = 4, version: int = 5) -> Operations:
    """Raises what DAMAGE lists, KeyError for an operation that is not known."""
    return tuple(_parser(address_size, offset_size, version).parse_expr(expression))


def name_of(operation: DWARFExprOp) -> str:
    """Without `DW_OP_` and `GNU_`: the GNU forms mean what the standard made of them."""
    name = str(_NAMES.get(operation.op, operation.op_name))
    return name.removeprefix("DW_OP_").removeprefix("GNU_")
