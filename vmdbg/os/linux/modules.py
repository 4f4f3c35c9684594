"""Loaded modules: `lsmod`, and where their code and symbols are.

struct module, include/linux/module.h: `core_layout` to 6.3, `mem[]` from 6.4 on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.c.values import Value
from vmdbg.os.linux.btf import MAX_SIZE, Btf
from vmdbg.os.linux.symbols import ModuleSymbols
from vmdbg.os.linux.walks import guarded, list_entries
from vmdbg.os.seam import DamagedError, Symbol
from vmdbg.units import Linear

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_MODULES = 4096
MAX_SYMBOLS = 1 << 18
MAX_STRINGS = 16 << 20
MAX_SECTIONS = 1024
_STATES = ("Live", "Loading", "Unloading", "Unformed")
_UNFORMED = 3


@dataclass(frozen=True, slots=True)
class Module:
    """A row of /proc/modules. `ranges` are [start, end) of all its memory, the text first."""

    name: str
    size: int
    references: int
    state: str
    base: Linear
    ranges: tuple[tuple[int, int], ...]
    address: Linear


@guarded("list of modules")
def modules(kernel: Kernel) -> tuple[Module, ...]:
    """In the order of /proc/modules: the youngest first."""
    return tuple(_module(value) for value in module_values(kernel))


def module_values(kernel: Kernel) -> Iterator[Value]:
    """Each `struct module`, those still being set up left out."""
    head = kernel.object("struct list_head", "modules")
    for value in list_entries(head, kernel.type("struct module"), "list", MAX_MODULES):
        if int(value.state) != _UNFORMED:
            yield value


def _module(value: Value) -> Module:
    assert value.address_ is not None
    layouts = [(int(base), int(size)) for base, size in _layouts(value) if int(size)]
    if not layouts:
        raise DamagedError("module without memory", value.address_)
    state = int(value.state)
    return Module(
        value.member_("name").string_(),
        sum(size for _, size in layouts),
        int(value.member_("refcnt.counter")) - 1,
        _STATES[state] if state < len(_STATES) else str(state),
        Linear(layouts[0][0]),
        tuple((base, base + size) for base, size in layouts),
        Linear(value.address_),
    )


@guarded("types of a module")
def module_btf(kernel: Kernel) -> dict[str, Btf]:
    """The split BTF of each loaded module that has one (kernel/bpf/btf.c keeps them since 5.11)."""
    if not kernel.has_symbol("btf_modules") or not kernel.types.has("struct btf_module"):
        return {}
    base, found = kernel.types.btf, {}
    head = kernel.object("struct list_head", "btf_modules")
    for entry in list_entries(head, kernel.type("struct btf_module"), "list", MAX_MODULES):
        size = int(entry.btf.data_size)
        if entry.module and 0 < size <= MAX_SIZE:
            address = int(entry.btf.data)
            name = entry.module.member_("name").string_()
            found[name] = Btf(kernel.read(address, size), base, address)
    return found


def _layouts(value: Value) -> Iterator[tuple[Value, Value]]:
    if value.has_("mem"):
        for part in value.mem:
            yield part.base, part.size
    else:
        for name in ("core_layout", "init_layout"):
            part = value.member_(name)
            yield part.base, part.size


@guarded("sections of a module")
def module_sections(kernel: Kernel, name: str) -> dict[str, Linear]:
    """Where the sections of a loaded module are, by name; empty if it is not loaded, or not that far yet.

    struct module_sect_attrs, kernel/module/sysfs.c: an array with addresses of its own, in newer kernels in `private`.
    Sections of initialisation stay listed when their memory is given back: they are left out then.
    """
    for value in module_values(kernel):
        if value.member_("name").string_() == name:
            ranges = _module(value).ranges
            found = _section_attributes(kernel, value) if value.sect_attrs else ()
            return {
                section: Linear(address)
                for section, address in found
                if any(start <= address < end for start, end in ranges)
            }
    return {}


def _section_attributes(kernel: Kernel, module: Value) -> Iterator[tuple[str, int]]:
    attributes = module.sect_attrs
    if attributes.has_("nsections"):
        type_ = kernel.type("struct module_sect_attr")
        start = int(attributes.member_("attrs").address_ or 0)
        for number in range(min(int(attributes.nsections), MAX_SECTIONS)):
            one = kernel.object("struct module_sect_attr", start + number * type_.size)
            yield _string(one.battr.attr), int(one.member_("address"))
        return
    group = attributes.grp
    pointers = int(group.member_("bin_attrs_new" if group.has_("bin_attrs_new") else "bin_attrs"))
    for number in range(MAX_SECTIONS):
        pointer = kernel.memory.u64(pointers + 8 * number)
        if not pointer:
            return
        one = kernel.object("struct bin_attribute", pointer)
        yield _string(one.attr), int(one.private)


def _string(attribute: Value) -> str:
    return attribute.member_("name").string_()


@guarded("symbols of a module")
def module_symbols(kernel: Kernel) -> tuple[ModuleSymbols, ...]:
    """The symbol tables that the kernel keeps for its own kallsyms."""
    found = []
    for value in module_values(kernel):
        module = _module(value)
        found.append(ModuleSymbols(module.name, module.ranges, _symbols(kernel, value, module)))
    return tuple(found)


def _symbols(kernel: Kernel, value: Value, module: Module) -> tuple[Symbol, ...]:
    if not kernel.type("struct module").has("kallsyms") or not value.kallsyms:
        return ()
    tables = value.kallsyms
    count = int(tables.num_symtab)
    if count > MAX_SYMBOLS:
        raise DamagedError(f"symbol table of {module.name}", module.address)
    raw = kernel.read(int(tables.symtab), 24 * count)
    kinds = kernel.read(int(tables.typetab), count)
    entries = list(struct.iter_unpack("<IBBHQQ", raw))
    strings = _strings(kernel, int(tables.strtab), max((entry[0] for entry in entries), default=0))
    found = []
    for (name, _, _, section, address, size), kind in zip(entries, kinds, strict=True):
        text = strings[name : strings.find(b"\0", name)].decode("utf-8", "replace")
        if section and text:
            found.append(Symbol(text, Linear(address), size, chr(kind), module.name))
    return tuple(sorted(found, key=lambda symbol: symbol.address))


def _strings(kernel: Kernel, address: int, last: int) -> bytes:
    """The string table up to the end of the string at offset `last`."""
    if last > MAX_STRINGS:
        raise DamagedError("string table of a module", address)
    return kernel.read(address, last) + kernel.string(address + last).encode() + b"\0" if last else b"\0"
