"""target.xml: the layout with the types that show a register's fields (GDB manual, Target Description Format)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from xml.sax.saxutils import quoteattr

from gdbstub.description import target_xml
from vmdbg.gdb.layout import CORE, SSE, SYSTEM, Layout, flag_types
from vmdbg.x86.fields import BitField
from vmdbg.x86.register_layouts import MXCSR, RFLAGS
from vmdbg.x86.registers import BY_NAME

_LANES = (
    ("v4f", "ieee_single", 4, "v4_float"),
    ("v2d", "ieee_double", 2, "v2_double"),
    ("v16i8", "int8", 16, "v16_int8"),
    ("v8i16", "int16", 8, "v8_int16"),
    ("v4i32", "int32", 4, "v4_int32"),
    ("v2i64", "int64", 2, "v2_int64"),
)


class Description:
    """The one annex of a layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def annex(self, name: str) -> str | None:
        return describe(self._layout) if name == "target.xml" else None


@cache
def describe(layout: Layout) -> str:
    """target.xml."""
    system = "".join(
        _flags(name, BY_NAME[source].bits // 8, BY_NAME[source].layout) for name, source in flag_types(layout).items()
    )
    types = {
        CORE: _flags("i386_eflags", 4, (field for field in RFLAGS if field.width == 1)),
        SSE: _vectors() + _flags("i386_mxcsr", 4, MXCSR),
        SYSTEM: system,
    }
    return target_xml(layout.architecture.value, layout.registers, types)


def _flags(name: str, size: int, fields: Iterable[BitField]) -> str:
    """Bits that are always one have no name and are left out."""
    shown = "".join(
        f'<field name={quoteattr(field.name)} start="{field.low}" end="{field.low + field.width - 1}"'
        f"{'' if field.width == 1 else _number(size)}/>"
        for field in fields
        if not field.name.isdigit()
    )
    return f'<flags id="{name}" size="{size}">{shown}</flags>'


def _number(size: int) -> str:
    return f' type="uint{8 * size}"'


def _vectors() -> str:
    vectors = "".join(f'<vector id="{name}" type="{type_}" count="{count}"/>' for name, type_, count, _ in _LANES)
    fields = "".join(f'<field name="{field}" type="{name}"/>' for name, _, _, field in _LANES)
    return f'{vectors}<union id="vec128">{fields}<field name="uint128" type="uint128"/></union>'
