"""Why an exception struck, in words: the selector, the gate, the bit or the address that was wrong.

The CPU tells little: a #GP of error code 0 has some sixty causes. What is said here follows from the instruction that
struck, the registers and the tables, looked at while the guest stands where the exception was delivered, or where it
died of it. Sources: SDM 3A 6.15 (exceptions), 5 (protection), SDM 2 (what each instruction raises).
"""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.memory import GuestPhysicalMemory, linear_memory, paging_of
from vmdbg.engine.exits import Delivery, DeliveryKind
from vmdbg.machine.machine import Machine
from vmdbg.units import Linear
from vmdbg.x86.descriptor_tables import DescriptorTables, Table, read_table
from vmdbg.x86.descriptors import Gate, Segment, Selector, UnusedDescriptor, decode_gate
from vmdbg.x86.exceptions import DOUBLE_FAULT, PAGE_FAULT, vector_name
from vmdbg.x86.fields import changed_words
from vmdbg.x86.instruction import MAX_LENGTH, Instruction, Kind, OperandAccess
from vmdbg.x86.interrupt_tables import read_idt
from vmdbg.x86.mode import Width
from vmdbg.x86.msr import BY_INDEX as MSRS
from vmdbg.x86.page_access import Access, check_access
from vmdbg.x86.page_walk import walk
from vmdbg.x86.paging import is_canonical
from vmdbg.x86.registers import SUB_REGISTERS, decode
from vmdbg.x86.taken import effective_address

_INVALID_TSS, _NOT_PRESENT, _STACK, _PROTECTION = 10, 11, 12, 13
_IDT = 1 << 1
_LOCAL = 1 << 2
_PRESENT = 1 << 0
_WRITE, _FETCH = 1 << 1, 1 << 4
_LINEAR_BITS = 48
_ALIGNMENT = 16

_TABLES = ("lgdt", "lidt", "lldt", "ltr")
_CACHES = ("invlpg", "invpcid", "invd", "wbinvd")
_MSRS = ("rdmsr", "wrmsr", "swapgs", "rdpmc")
_PRIVILEGED = frozenset((*_TABLES, *_CACHES, *_MSRS, "hlt", "lmsw", "clts", "sysret", "sysretq", "sysexit"))
_BY_IO_PRIVILEGE = frozenset(("in", "out", "insb", "insw", "insd", "outsb", "outsw", "outsd", "cli", "sti"))
_UNALIGNED = ("movu", "movdqu", "lddqu", "pcmpestr", "pcmpistr")
"""Beginnings of SSE mnemonics whose 16-byte operands, if they have any, may lie anywhere."""


def fault_reason(machine: Machine, delivery: Delivery) -> str:
    """What was wrong; "" where it is not known. Of a guest that stands where this was delivered, or died of it."""
    if delivery.kind is not DeliveryKind.EXCEPTION:
        return ""
    return _Fault(machine, delivery).reason()


def delivery_failure(machine: Machine, delivery: Delivery) -> str:
    """Why the CPU could not enter the handler of an exception whose delivery faulted; "" where it could."""
    if delivery.handler:
        return ""
    fault = _Fault(machine, delivery)
    return fault.gate(delivery.vector, software=False) or fault.no_stack(delivery.vector)


class _Fault:
    def __init__(self, machine: Machine, delivery: Delivery) -> None:
        self._delivery = delivery
        self._read_register = machine.engine.read_register
        self._physical = GuestPhysicalMemory(machine.engine, machine)
        self._memory = linear_memory(machine.engine, self._physical, delivery.cr3)
        self._paging = paging_of(machine.engine, delivery.cr3)
        self._mode = Cpu(machine).mode

    def reason(self) -> str:
        vector, code = self._delivery.vector, self._delivery.error_code
        if vector == PAGE_FAULT:
            return self._page()
        if vector not in (_INVALID_TSS, _NOT_PRESENT, _STACK, _PROTECTION):
            return ""
        if code & _IDT:
            return self.gate(code >> 3, software=True)
        if code & ~1:
            return self._selector(Selector(code & 0xFFFC))
        return next(self._instruction_reasons(), "")

    # page faults

    def _page(self) -> str:
        code = self._delivery.error_code
        if not code & _PRESENT:
            return ""
        access = Access.FETCH if code & _FETCH else Access.WRITE if code & _WRITE else Access.READ
        found = walk(self._physical, self._paging, self._delivery.cr2)
        refused = check_access(found, self._paging, access, self._delivery.cpl)
        return refused.reason if refused is not None else ""

    # tables

    @property
    def _is_long(self) -> bool:
        return self._mode.is_long

    def _table(self, name: str, *, local: bool = False) -> Table:
        base, limit = self._read_register(f"{name}_base"), self._read_register(f"{name}_limit")
        return read_table(self._read, base, limit, long=self._is_long, is_local=local)

    def _read(self, address: int, size: int) -> bytes:
        return self._memory.read_prefix(Linear(address), size)

    def _selector(self, selector: Selector) -> str:
        name = "LDT" if selector.is_local else "GDT"
        table = self._table("ldtr", local=True) if selector.is_local else self._table("gdtr")
        where = f"selector {selector.value:#x}"
        if selector.index * 8 + 7 > table.limit:
            return f"{where} is beyond the {name}'s limit {table.limit:#x}"
        found = table.find(selector)
        match found:
            case None | UnusedDescriptor():
                return f"{where} names an entry of the {name} that is none"
            case Gate():
                return f"{where} names a {found.type.label}{'' if found.present else ', not present'}, DPL {found.dpl}"
            case Segment() if not found.present:
                return f"{where}, {found.kind}, is not present"
        return f"{where} is {found.kind}, DPL {found.dpl}, {self._wanted(found)}"

    def _wanted(self, found: Segment) -> str:
        """What the instruction wanted of a segment that is there."""
        instruction = self._instruction()
        words = instruction.mnemonic if instruction is not None else ""
        operands = instruction.operands if instruction is not None else ""
        ring = self._delivery.cpl
        if words.startswith(("ljmp", "lcall", "jmp", "call", "iret", "retf", "lret")) and not found.is_code:
            return f"and {words} needs code"
        if words in ("mov", "pop", "lss") and operands.startswith("ss"):
            return f"and SS needs writable data of DPL {ring}"
        if words == "ltr":
            return "and ltr needs an available TSS"
        if words == "lldt":
            return "and lldt needs an LDT"
        return f"and ring {ring} may not have it so"

    def gate(self, vector: int, *, software: bool) -> str:
        """What is wrong with the gate of a vector; "" if nothing is."""
        length = 16 if self._is_long else 8
        base, limit = self._read_register("idtr_base"), self._read_register("idtr_limit")
        name = f"the IDT's gate {vector_name(vector)}"
        if (vector + 1) * length - 1 > limit:
            return f"{name} is beyond the IDT's limit {limit:#x}"
        raw = self._read(base + vector * length, length)
        if len(raw) < length:
            return f"{name} at linear {base + vector * length:#x} cannot be read"
        gate = decode_gate(raw, self._is_long)
        if not isinstance(gate, Gate):
            return f"{name} is none: its type is reserved, or all of it is zero"
        if not gate.present:
            return f"{name} is not present"
        if software and gate.dpl < self._delivery.cpl:
            return f"{name} has DPL {gate.dpl}, which INT in ring {self._delivery.cpl} may not use"
        tables = DescriptorTables(self._table("gdtr"), self._table("ldtr", local=True))
        entries = read_idt(lambda _, size: raw[:size], 0, length - 1, tables, long=self._is_long)
        problems = entries[0].problems if entries else ()
        return f"{name}: {problems[0]}" if problems else ""

    def no_stack(self, vector: int) -> str:
        """Whether what an exception of this vector pushes has no place to go to."""
        if self._is_long and (number := self._interrupt_stack(vector)):
            raw = self._read(self._read_register("tr_base") + 36 + 8 * (number - 1), 8)
            return self._not_pushable(f"IST{number} of the TSS", int.from_bytes(raw, "little"), 0)
        if self._delivery.cpl and self._mode.is_protected:
            return self._no_inner_stack()
        rsp = self._delivery.rsp
        return self._not_pushable("rsp", rsp, self._read_register("ss_base") if not self._is_long else 0)

    def _interrupt_stack(self, vector: int) -> int:
        """The number of the IST pointer that the gate names, 0 for none."""
        gate = decode_gate(self._read(self._read_register("idtr_base") + 16 * vector, 16), self._is_long)
        return gate.ist if isinstance(gate, Gate) else 0

    def _no_inner_stack(self) -> str:
        """Of ring 0, which the TSS names (SDM 3A 8.2.1, 8.7)."""
        if not self._read_register("tr") & 0xFFFC:
            return "TR is null, so no TSS names a stack for ring 0"
        base, wide = self._read_register("tr_base"), self._is_long
        raw = self._read(base + 4, 8)
        if len(raw) < 8:
            return f"the TSS at linear {base:#x} cannot be read"
        if wide:
            return self._not_pushable("RSP0 of the TSS", int.from_bytes(raw, "little"), 0)
        selector = Selector(int.from_bytes(raw[4:6], "little"))
        if selector.is_null:
            return "SS0 of the TSS is null"
        return self._not_pushable("ESP0 of the TSS", int.from_bytes(raw[:4], "little"), 0)

    def _not_pushable(self, name: str, top: int, base: int) -> str:
        if self._is_long and not is_canonical(top, _LINEAR_BITS):
            return f"{name} is {top:#x}, which is not canonical"
        below = base + top - int(self._mode.width) // 8 & (1 << 64) - 1
        found = walk(self._physical, self._paging, Linear(below))
        refused = check_access(found, self._paging, Access.WRITE, 0, implicit=True)
        return f"nothing can be pushed where {name} is, {top:#x}: {refused.reason}" if refused is not None else ""

    # the instruction

    def _instruction(self) -> Instruction | None:
        from vmdbg.x86.disassembly import disassembler

        code = self._read(self._delivery.linear_pc, MAX_LENGTH)
        base = self._delivery.linear_pc - self._delivery.rip
        return disassembler(Width(self._delivery.width)).decode(code, self._delivery.rip, base) if code else None

    def _register(self, name: str) -> int:
        if name in ("rsp", "esp", "sp"):
            return self._delivery.rsp
        part = SUB_REGISTERS.get(name)
        return part.extract(self._read_register(part.parent)) if part is not None else self._read_register(name)

    def _instruction_reasons(self) -> Iterator[str]:
        """The most likely first."""
        if self._delivery.width == Width.BITS64 and not is_canonical(self._delivery.linear_pc, _LINEAR_BITS):
            yield f"rip {self._delivery.rip:#x} is not canonical"
            return
        instruction = self._instruction()
        if instruction is None:
            return
        yield from self._privilege(instruction)
        yield from self._system_registers(instruction)
        yield from self._operands(instruction)
        if instruction.mnemonic.startswith(("iret", "retf", "lret")):
            yield from self._returned_to(instruction)
        elif instruction.width is Width.BITS64 and Kind.FAR not in instruction.kind:
            yield from self._led_to(instruction)

    def _privilege(self, instruction: Instruction) -> Iterator[str]:
        ring, word = self._delivery.cpl, instruction.mnemonic
        controls = word == "mov" and any(name[:2] in ("cr", "dr") for name in instruction.operands.split(", "))
        if ring and (word in _PRIVILEGED or controls):
            yield f"{instruction} is for ring 0, and this is ring {ring}"
        allowed = self._read_register("rflags") >> 12 & 3
        if word in _BY_IO_PRIVILEGE and ring > allowed:
            map_ = "" if word in ("cli", "sti") else ", and the I/O map of the TSS does not allow the port"
            yield f"{instruction} is for rings up to IOPL {allowed}, and this is ring {ring}{map_}"

    def _system_registers(self, instruction: Instruction) -> Iterator[str]:
        word, (target, _, source) = instruction.mnemonic, instruction.operands.partition(", ")
        if word == "mov" and target[:2] == "cr":
            value = self._register(source)
            old = self._read_register(target) if target != "cr8" else 0
            changes = changed_words(decode(target, old), decode(target, value)) if target in ("cr0", "cr4") else ""
            yield f"{target} cannot become {value:#x}{f' ({changes})' if changes else ''}{self._control(target, value)}"
        if word in ("rdmsr", "wrmsr"):
            index = self._read_register("rcx") & 0xFFFFFFFF
            name = f" ({MSRS[index].name})" if index in MSRS else ", and none is known by this number"
            value = self._read_register("rdx") << 32 | self._read_register("rax") & 0xFFFFFFFF
            yield (
                f"MSR {index:#x} cannot be read{name}"
                if word == "rdmsr"
                else f"MSR {index:#x} cannot become {value & (1 << 64) - 1:#x}{name}"
            )

    def _control(self, target: str, value: int) -> str:
        """The rule that a value of CR0 breaks, where it is one of those."""
        if target != "cr0":
            return ": a bit is reserved, or the mode does not allow it"
        if value >> 31 & 1 and not value & 1:
            return ": PG without PE"
        if value >> 29 & 1 and not value >> 30 & 1:
            return ": NW without CD"
        if value >> 32:
            return ": bits above 31"
        return ": long mode needs CR4.PAE before PG" if value >> 31 & 1 else ": 64-bit code cannot turn paging off"

    def _operands(self, instruction: Instruction) -> Iterator[str]:
        for operand in instruction.memory:
            if operand.access is OperandAccess.ADDRESS:
                continue
            place = effective_address(instruction, operand, self._register)
            if instruction.width is Width.BITS64 and not is_canonical(place, _LINEAR_BITS):
                yield f"the operand of {instruction} is at {place:#x}, which is not canonical"
            aligned = operand.size == _ALIGNMENT and not instruction.mnemonic.startswith(_UNALIGNED)
            if aligned and place % _ALIGNMENT:
                yield f"the operand of {instruction} is at {place:#x}, and must be at a multiple of {_ALIGNMENT}"
            selector = self._read_register(operand.segment)
            if instruction.width is not Width.BITS64 and self._mode.is_protected and not selector & 0xFFFC:
                yield f"{instruction} goes through {operand.segment.upper()}, which is null"

    def _led_to(self, instruction: Instruction) -> Iterator[str]:
        """Where a near jump, call or return of 64-bit code would go on."""
        if Kind.RETURN in instruction.kind:
            place: int | None = self._delivery.rsp
        elif instruction.kind & (Kind.CALL | Kind.JUMP) and Kind.INDIRECT in instruction.kind:
            operands = instruction.memory
            place = effective_address(instruction, operands[0], self._register) if operands else None
        else:
            return
        data = self._read(place, 8) if place is not None else self._register(instruction.operands).to_bytes(8, "little")
        target = int.from_bytes(data, "little")
        if len(data) == 8 and not is_canonical(target, _LINEAR_BITS):
            yield f"{instruction} would lead to {target:#x}, which is not canonical"

    def _returned_to(self, instruction: Instruction) -> Iterator[str]:
        """What IRET or a far RET finds on the stack."""
        size = {"q": 8, "d": 4}.get(instruction.mnemonic[-1], int(instruction.width) // 8)
        size = 8 if instruction.mnemonic == "iretq" else min(size, 8)
        data = self._read(self._delivery.rsp, 2 * size)
        if len(data) < 2 * size:
            return
        rip, cs = (int.from_bytes(data[start : start + size], "little") for start in (0, size))
        selector = Selector(cs & 0xFFFF)
        to = f"{instruction.mnemonic} would return to {cs & 0xFFFF:#x}:{rip:#x}"
        if selector.is_null:
            yield f"{to}, and CS may not be null"
        elif selector.rpl < self._delivery.cpl:
            yield f"{to}, and ring {self._delivery.cpl} cannot return to ring {selector.rpl}"
        elif self._is_long and not is_canonical(rip, _LINEAR_BITS):
            yield f"{to}, which is not canonical"
        else:
            yield f"{to}: {self._selector(selector)}"


def chain_words(machine: Machine, chain: tuple[Delivery, ...]) -> Iterator[tuple[Delivery, str]]:
    """Each exception of a chain that ended in a triple fault, with why it came and why its handler was not entered."""
    for delivery in chain:
        parts = [fault_reason(machine, delivery)] if delivery.vector != DOUBLE_FAULT else []
        failure = delivery_failure(machine, delivery)
        if failure:
            parts.append(f"its handler could not be entered: {failure}")
        yield delivery, "; ".join(part for part in parts if part)
