"""What expressions can call, in words: `help print` shows it, and the guide has the same list."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "u8(address) to u64(address)": "an unsigned integer in memory",
    "i8(address) to i64(address)": "a signed one; s8() to s64() are the same",
    "string(address, most=4096)": "the text there, up to its zero byte",
    "symbol(name)": "the address of a symbol whose name is no word, as symbol('foo.part.0')",
    "register(name)": "a register by a name in quotes",
    "linear(segment, offset)": "the linear address of a segment and an offset",
    "translate(address)": "the physical address of a linear one",
    "int(value), hex(value)": "a typed value as a plain number; a number as text",
    "abs, min, max, sum, len, any, all, range": "as in Python",
}
"""Always there."""

TYPED_WORDS: dict[str, str] = {
    "cast(type, value)": "what C writes (type)value",
    "object(type, address or symbol)": "the object of a type there",
    "pointer(type, address)": "a pointer to one",
    "deref(pointer), address_of(object)": "what C writes *pointer and &object",
    "sizeof(type or object), offsetof(type, member)": "bytes",
    "container_of(pointer, type, member)": "the object whose member it points to",
    "entries(head, type, member)": "the objects of a list_head",
    "hash_entries(head, type, member)": "of an hlist_head",
    "tree_entries(root, type, member)": "of an rb_root, in order",
    "xarray(array), maple(tree)": "index and entry of each that is there",
    "variable(name)": "a variable of the kernel, with its type",
    "per_cpu(name, cpu), lx_per_cpu": "that of a CPU; none named: of the one that is looked at",
    "task(pid), current(cpu), threads()": "task_structs; `task` alone is the current one",
}
"""Where an operating system, or debug information, tells of types; casts to C's integer types everywhere."""

METHODS = (
    "In Python (`python`, scripts), a typed value has string_(), bytes_(), pointer_(), dereference_(), cast_(type), "
    "member_(path), has_(path), enumerator_(), address_ and type_ too; in an expression only members, [index], * and &."
)
