"""The kernel's types and symbols as volatility3 wants them: an "intermediate symbol file", version 6.2.0 of its schema.

What volatility3's users make with dwarf2json out of a vmlinux with debug information, made out of BTF instead.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from vmdbg.c.types import AGGREGATES, ENUMERATIONS, QUALIFIERS, Kind
from vmdbg.os.linux.kernel import GLOBALS, Kernel
from vmdbg.os.linux.types import Type
from vmdbg.os.linux.walks import guarded

Json = Mapping[str, object]

FORMAT = "6.2.0"
POINTER: Json = {"size": 8, "signed": False, "kind": "int", "endian": "little"}
VOID: Json = {"size": 0, "signed": False, "kind": "void", "endian": "little"}
VARIABLES = GLOBALS | {
    "prb": "struct printk_ringbuffer *",
    "net_namespace_list": "struct list_head",
    "idt_table": "struct gate_struct [256]",
    "iomem_resource": "struct resource",
    "mount_hashtable": "struct hlist_head *",
    "socket_file_ops": "struct file_operations",
    "inet6_socket_ops": "struct proto_ops",
    "tty_drivers": "struct list_head",
    "prog_idr": "struct idr",
    "module_kset": "struct kset *",
    "mod_tree": "struct latch_tree_root",
    "vmcoreinfo_data": "unsigned char *",
}
"""Variables whose type plugins ask for."""


@guarded("kernel symbols")
def volatility_symbols(kernel: Kernel) -> bytes:
    """The file, in JSON. Addresses are those of this boot. Raises `NoSuchSymbolError`, `DamagedError`."""
    return json.dumps(_Table(kernel).made(), separators=(",", ":")).encode()


class _Table:
    """All types by name. Those without one are called by their number."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._base: dict[str, Json] = {"pointer": POINTER, "void": VOID}
        self._user: dict[str, Json] = {}
        self._enums: dict[str, Json] = {}

    def made(self) -> Json:
        for record in self._kernel.types.btf:
            type_ = Type(self._kernel.types.btf, record.id)
            if record.kind in AGGREGATES:
                self._user.setdefault(_name(type_), self._aggregate(type_))
            elif record.kind in ENUMERATIONS:
                self._enums.setdefault(_name(type_), _enumeration(type_))
        return {
            "metadata": {"format": FORMAT, "linux": {}},
            "base_types": self._base,
            "user_types": self._user,
            "enums": self._enums,
            "symbols": self._symbols(),
        }

    def _aggregate(self, type_: Type) -> Json:
        fields = {}
        for number, member in enumerate(type_.members):
            described: dict[str, object] = dict(self._described(type_.at(member.type)))
            offset = member.bit_offset // 8
            if member.bits:
                unit = type_.at(member.type).size * 8
                offset = member.bit_offset // unit * unit // 8
                position = member.bit_offset - offset * 8
                described = {
                    "kind": "bitfield", "bit_position": position, "bit_length": member.bits, "type": described,
                }  # fmt: skip
            field: dict[str, object] = {"offset": offset, "type": described}
            if not member.name:
                field["anonymous"] = True
            fields[member.name or f"unnamed_field_{number}"] = field
        kind = "union" if type_.kind is Kind.UNION else "struct"
        return {"kind": kind, "size": type_.size, "fields": fields}

    def _described(self, type_: Type) -> Json:
        while type_.kind in QUALIFIERS or type_.kind is Kind.TYPEDEF:
            type_ = type_.element
        match type_.kind:
            case Kind.POINTER:
                return {"kind": "pointer", "subtype": self._described(type_.element)}
            case Kind.ARRAY:
                return {"kind": "array", "count": type_.count, "subtype": self._described(type_.element)}
            case Kind.STRUCT | Kind.UNION:
                return {"kind": "union" if type_.kind is Kind.UNION else "struct", "name": _name(type_)}
            case Kind.ENUM | Kind.ENUM64:
                return {"kind": "enum", "name": _name(type_)}
            case Kind.PROTOTYPE | Kind.FUNCTION:
                return {"kind": "function"}
            case Kind.INT | Kind.FLOAT:
                return self._number(type_)
        return {"kind": "base", "name": "void"}

    def _number(self, type_: Type) -> Json:
        name = type_.name
        if name not in self._base:
            is_float = type_.kind is Kind.FLOAT
            kind = "float" if is_float else "bool" if type_.is_bool else "char" if type_.is_character else "int"
            signed = is_float or type_.is_signed
            self._base[name] = {"size": type_.size, "signed": signed, "kind": kind, "endian": "little"}
        return {"kind": "base", "name": name}

    def _symbols(self) -> Json:
        kernel, table = self._kernel, self._kernel.table
        found: dict[str, dict[str, object]] = {}
        for name, address in zip(table.names, table.iter_addresses(), strict=False):
            found.setdefault(name, {"address": address})
        for name, spelling in VARIABLES.items():
            if name in found and kernel.types.has(spelling):
                found[name]["type"] = self._described(kernel.type(spelling))
        banner = kernel.string(kernel.symbol("linux_banner")).encode() + b"\0"
        found["linux_banner"]["constant_data"] = base64.b64encode(banner).decode()
        return found


def _enumeration(type_: Type) -> Json:
    constants = {one.name: one.value for one in type_.enumerators}
    return {"size": type_.size, "base": "int", "constants": constants}


def _name(type_: Type) -> str:
    return type_.name or f"unnamed_{type_.btf_id}"
