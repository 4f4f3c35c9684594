"""Variables for drgn that neither BTF nor the symbol table gives it: names that its helpers use, with their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmdbg.c.types import QUALIFIERS, Kind
from vmdbg.os.linux.kernel import GLOBALS, PER_CPU, Kernel
from vmdbg.os.linux.types import Type

if TYPE_CHECKING:
    import drgn

VARIABLES = (
    GLOBALS
    | PER_CPU
    | {
        "prb": "struct printk_ringbuffer *",
        "__per_cpu_offset": "unsigned long [CPUS]",
        "__cpu_online_mask": "struct cpumask",
        "__cpu_possible_mask": "struct cpumask",
        "__cpu_present_mask": "struct cpumask",
        "avenrun": "unsigned long [3]",
        "_totalram_pages": "atomic_long_t",
        "totalram_pages": "unsigned long",
        "vm_zone_stat": "atomic_long_t [NR_VM_ZONE_STAT_ITEMS]",
        "vm_node_stat": "atomic_long_t [NR_VM_NODE_STAT_ITEMS]",
        "vm_numa_event": "atomic_long_t [NR_VM_NUMA_EVENT_ITEMS]",
        "vm_committed_as": "struct percpu_counter",
        "node_data": "struct pglist_data *[NODES]",
        "node_states": "nodemask_t [NR_NODE_STATES]",
        "contig_page_data": "struct pglist_data",
        "nr_node_ids": "unsigned int",
        "nr_cpu_ids": "unsigned int",
        "nr_irqs": "unsigned int",
        "total_nr_irqs": "unsigned int",
        "irq_desc_tree": "struct xarray",
        "sparse_irqs": "struct maple_tree",
        "net_namespace_list": "struct list_head",
        "vmap_area_list": "struct list_head",
        "vmap_area_root": "struct rb_root",
        "mem_section": "struct mem_section **",
        "max_pfn": "unsigned long",
        "max_low_pfn": "unsigned long",
        "min_low_pfn": "unsigned long",
        "vmemmap_base": "unsigned long",
        "vmalloc_base": "unsigned long",
        "page_offset_base": "unsigned long",
        "timekeeper_data": "struct tk_data [TIMEKEEPERS_MAX]",
        "total_swap_pages": "long",
        "nr_swap_pages": "atomic_long_t",
        "nr_swapfiles": "unsigned int",
        "pci_root_buses": "struct list_head",
        "block_class": "struct class",
        "init_ipc_ns": "struct ipc_namespace",
        "init_user_ns": "struct user_namespace",
        "init_cgroup_ns": "struct cgroup_namespace",
        "cgrp_dfl_root": "struct cgroup_root",
        "slab_kset": "struct kset *",
        "prog_idr": "struct idr",
        "map_idr": "struct idr",
        "link_idr": "struct idr",
        "pci_bus_type": "struct bus_type",
    }
)
"""By the kernel's own declarations, 5.10 to 6.x; names in brackets are enumerators, or of SETS. One that a kernel has
not, or has with another type, is not found."""
SETS = {"NODES": "nodemask_t", "CPUS": "struct cpumask"}
"""Lengths that are the bits of a set."""

Finder = Callable[["drgn.Program", str, "drgn.FindObjectFlags", str | None], "drgn.Object | None"]


def object_finder(kernel: Kernel) -> Finder:
    """For `Program.register_object_finder`."""

    def find(
        program: drgn.Program, name: str, flags: drgn.FindObjectFlags, _filename: str | None
    ) -> drgn.Object | None:
        import drgn

        address = kernel.table.find(name)
        if address is None or not flags & drgn.FindObjectFlags.VARIABLE:
            return None
        try:
            found = _timekeeper(program) if name == "tk_core" else _type(kernel, program, name)
        except LookupError:
            return None
        return None if found is None else drgn.Object(program, found, address=address)

    return find


def _type(kernel: Kernel, program: drgn.Program, name: str) -> drgn.Type | None:
    """The variable's type as drgn's; None if it is not known."""
    listed = kernel.types.variable(name)
    if listed is not None:
        return _converted(program, listed)
    spelling = VARIABLES.get(name)
    if spelling is None:
        return None
    element, bracket, bound = spelling.partition("[")
    if bracket and not bound[:-1].isdecimal():
        return program.array_type(program.type(element.strip()), _length(program, bound[:-1]))
    return program.type(spelling)


def _length(program: drgn.Program, bound: str) -> int:
    import drgn

    if bound in SETS:
        return int(drgn.sizeof(program.type(SETS[bound]))) * 8
    return int(program.constant(bound).value_())


def _converted(program: drgn.Program, type_: Type) -> drgn.Type:
    """By name; arrays and pointers by what they are of. Raises LookupError for one without a name."""
    if type_.kind in QUALIFIERS:
        return _converted(program, type_.element)
    if type_.kind is Kind.ARRAY:
        return program.array_type(_converted(program, type_.element), type_.count)
    if type_.kind is Kind.POINTER:
        return program.pointer_type(_converted(program, type_.element))
    if not type_.name:
        raise LookupError("a type without a name")
    return program.type(str(type_))


def _timekeeper(program: drgn.Program) -> drgn.Type:
    """tk_core: a struct tk_data, before 6.13 a sequence count and then the timekeeper (kernel/time/timekeeping.c)."""
    import drgn

    try:
        return program.type("struct tk_data")
    except LookupError:
        pass
    count, keeper = program.type("seqcount_raw_spinlock_t"), program.type("struct timekeeper")
    offset = -(-drgn.sizeof(count) // 8) * 8
    members = [drgn.TypeMember(count, "seq", 0), drgn.TypeMember(keeper, "timekeeper", offset * 8)]
    return program.struct_type(None, offset + keeper.size, members)
