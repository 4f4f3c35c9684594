"""Instructions at the edge of what Unicorn does, as the SDM has them."""

from __future__ import annotations

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Delivery, Halted, LimitReached, Stepped, VoidFetch
from vmdbg.engine.unicorn.bare import ALIAS, CODE, DATA, GDT, HANDLERS, IDT, PAGE_TABLE, STACK, WINDOW, BareCpu
from vmdbg.units import PAGE_SIZE, Tick

TAIL = "\nhlt"
SYSTEM_FAR = f"lgdt [rel table]\nmov rdi, {GDT}\nmov dword [rdi + 24], 1 << 15\nmov byte [rdi + 23], 0\nmov eax, 0x10\n"
"""A 16-byte descriptor at selector 10h whose base is not canonical."""
TABLE = f"table: dw 0x1f\ndq {GDT}"


def run(source: str, **registers: int) -> BareCpu:
    """A CPU that has run the source to its HLT or to a handler's."""
    cpu = BareCpu()
    cpu.engine.write_registers(registers)
    assert cpu.run(assemble(source, origin=CODE)) == Halted()
    return cpu


def fault(source: str, **registers: int) -> Delivery:
    """The one exception that the source raises."""
    (delivery,) = run(source, **registers).engine.deliveries()
    return delivery


@pytest.mark.parametrize(
    ("source", "vector", "error_code"),
    [
        ("db 0x0f, 0x38, 0xf0, 0xc1", 6, 0),  # MOVBE of a register
        ("db 0x66, 0x0f, 0x38, 0xf1, 0xc1", 6, 0),
        ("mov eax, 3\nmov ss, eax", 13, 0),  # a null selector's RPL must be CPL
        ("push 1\npop rax\nmov ss, eax", 13, 0),
        ("mov dword [rsp - 4], 2\nlss eax, [rsp - 8]", 13, 0),
        ("mov rax, cr0\nand eax, 0x7fffffff\nmov cr0, rax", 13, 0),  # 64-bit mode needs paging
        ("mov eax, 0xa0010033\nmov cr0, rax", 13, 0),  # NW without CD
        ("mov rax, 0x180010033\nmov cr0, rax", 13, 0),
        ("mov eax, 0x1620\nmov cr4, rax", 13, 0),  # LA57
        ("mov eax, 0x2620\nmov cr4, rax", 13, 0),  # VMXE
        ("mov eax, 0x600\nmov cr4, rax", 13, 0),  # PAE cannot go in long mode
        ("mov rax, 1 << 41\nmov cr3, rax", 13, 0),
        ("mov eax, 16\nmov cr8, rax", 13, 0),
        ("mov ecx, 0xc0000080\nmov eax, 0x1d01\nxor edx, edx\nwrmsr", 13, 0),  # SVME
        ("mov ecx, 0xc0000080\nmov eax, 0x0c01\nxor edx, edx\nwrmsr", 13, 0),  # LME while paging
        ("mov ecx, 0xc0000100\nxor eax, eax\nmov edx, 0x800000\nwrmsr", 13, 0),  # not canonical
        ("mov ecx, 0xc0010117\nxor eax, eax\nxor edx, edx\nwrmsr", 13, 0),  # VM_HSAVE_PA, without SVM
        ("mov ecx, 0x1b\nmov eax, 0xfee00901\nxor edx, edx\nwrmsr", 13, 0),  # APIC_BASE's reserved bits
        ("mov ecx, 0x1b\nmov eax, 0xfee00b00\nxor edx, edx\nwrmsr", 13, 0),
        ("mov ecx, 0x17a\nrdmsr", 13, 0),  # machine checks, which the default model has not
        ("mov ecx, 0x400\nrdmsr", 13, 0),
        ("lgdt [rel table]\ntable: dw 0x17\ndq 1 << 47", 13, 0),
        ("lidt [rel table]\ntable: dw 0xfff\ndq 1 << 63", 13, 0),
        (f"{SYSTEM_FAR}mov byte [rdi + 21], 0x89\nltr ax\nhlt\n{TABLE}", 13, 0x10),
        (f"{SYSTEM_FAR}mov byte [rdi + 21], 0x82\nlldt ax\nhlt\n{TABLE}", 13, 0x10),
        ("ltr [rel zero]\nzero: dq 0", 13, 0),
        ("mov rax, 1 << 47\nmov rax, [rax]", 13, 0),
        ("movaps xmm0, [rel here + 1]\nalign 16\nhere:", 13, 0),
        ("movdqa [rsp - 24], xmm0", 13, 0),
        ("pshufb xmm0, [rsp - 24]", 13, 0),
        ("rdpmc", 13, 0),  # no counter has any number
        ("vmrun", 6, 0),
        ("vmcall", 6, 0),
        ("monitor", 6, 0),
        ("xsave [rsp - 1024]", 6, 0),
        ("vaddps ymm0, ymm0, ymm0", 6, 0),
        ("db 0x0f, 0xff, 0xc0", 6, 0),
        ("lock add eax, eax", 6, 0),
        ("lock cmp [rsp - 8], eax", 6, 0),
        ("lock mov [rsp - 8], eax", 6, 0),
        ("db 0xf0, 0x0f, 0xa3, 0xe3", 6, 0),  # LOCK BT, at which Unicorn ends the process
        ("db 0xf0, 0x0f, 0xa3, 0x44, 0x24, 0xf8", 6, 0),
        ("db 0xf0, 0x0f, 0xbb, 0xca", 6, 0),
        ("db 0xf0, 0x48, 0x0f, 0xba, 0xe0, 3", 6, 0),
        ("db 0xf0, 0x0f, 0xc7, 0xc8", 6, 0),
        ("andn eax, ebx, ecx", 6, 0),  # BMI1, BMI2
        ("bzhi eax, ebx, ecx", 6, 0),
        ("db 0x06", 6, 0),
        ("mov eax, [fs:rax]\ndb 0xd6", 6, 0),
        ("sysexit", 13, 0),
        ("sysenter", 13, 0),
    ],
)  # fmt: skip
def test_faults(source: str, vector: int, error_code: int) -> None:
    cpu = BareCpu()
    cpu.run(assemble(source, origin=CODE))
    (delivery,) = cpu.engine.deliveries()
    assert (delivery.vector, delivery.error_code) == (vector, error_code)
    assert delivery.handler == HANDLERS + vector


@pytest.mark.parametrize(
    "source",
    [
        "movups xmm0, [rsp - 23]",
        "movdqu xmm0, [rsp - 23]",
        "lddqu xmm0, [rsp - 23]",
        "movss xmm0, [rsp - 23]",
        "addsd xmm0, [rsp - 23]",
        "movq xmm0, [rsp - 23]",
        "cvtps2pd xmm0, [rsp - 23]",
        "pmovzxbw xmm0, [rsp - 23]",
        "pcmpistri xmm0, [rsp - 23], 0",
        "movlps xmm0, [rsp - 23]",
        "movaps xmm0, [rsp - 32]",
        "paddb mm0, [rsp - 23]",
        "pause",
        "xor eax, eax\nmov ss, eax",
        "movbe eax, [rsp - 23]",
        "crc32 eax, cl",
        "mov eax, 15\nmov cr8, rax",
        "prefetcht0 [0]",
        "wbinvd",
        "lock add [rsp - 8], eax",
        "lock not byte [rsp - 8]",
        "lock inc qword [rsp - 8]",
        "lock btc [rsp - 8], eax",
        "lock bts dword [rsp - 8], 5",
        "lock xadd [rsp - 8], ax",
        "lock cmpxchg8b [rsp - 8]",
        "lock xchg [rsp - 8], ebx",
    ],
)
def test_no_fault(source: str) -> None:
    cpu = run(source)
    assert cpu.engine.delivery_count == 0


def test_a_refused_lock_is_run_once_its_operand_is_memory() -> None:
    cpu = BareCpu()
    code = """
        lea rdi, [rel locked]
        locked: db 0xf0, 0x0f, 0xab, 0xc3       ; LOCK BTS EBX, EAX
        nop
        """
    fix = assemble("mov byte [rdi + 3], 7\niretq", origin=HANDLERS + 0x800)  # LOCK BTS [RDI], EAX
    cpu.write(HANDLERS + 0x800, fix)
    cpu.write(IDT + 16 * 6, (HANDLERS + 0x800 | 8 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.engine.write_register("rax", 8 * 4096)
    assert cpu.run(assemble(code, origin=CODE)) == Halted()
    assert cpu.engine.delivery_count == 1


@pytest.mark.parametrize("loop", ["loope", "loopne"])
def test_flags_outlive_a_loop_that_ends_because_cx_is_0(loop: str) -> None:
    cpu = run(f"mov ecx, 1\nor eax, 1\n{loop} there\nthere: setz al", rflags=0x46)
    assert (cpu["rax"] & 0xFF, cpu["rcx"]) == (0, 0)


@pytest.mark.parametrize(
    "test",
    [
        *("bt edx, 1", "bts edx, 1", "lock btr [rsp - 8], edx", "btc dword [rsp - 8], 3"),
        *("cmpxchg8b [rsp - 16]", "cmpxchg16b [rsp - 16]", "lock cmpxchg8b [rsp - 16]", "lock cmpxchg16b [rsp - 16]"),
    ],
)
@pytest.mark.parametrize("before", ["add al, 0x7f", "sub al, 1", "mov cl, 3\nshl eax, cl", "imul eax, eax, 0x10001"])
def test_flags_that_are_left_do_not_depend_on_where_a_block_begins(before: str, test: str) -> None:
    code = assemble(f"{before}\n{test}\npushfq", origin=CODE)
    pushed = []
    for steps in range(4):
        cpu = BareCpu()
        cpu.engine.write_register("rax", 0x8001)
        cpu.load(code)
        for _ in range(steps):
            cpu.engine.step()
        cpu.engine.run(Tick(100))
        pushed.append(cpu.read(STACK - 8, 8))
    assert len(set(pushed)) == 1


@pytest.mark.parametrize(
    "access",
    [
        *("bts [rbx], ecx", "setp [rbx]", "setle [rbx]", "rcl byte [rbx], 1", "rcr dword [rbx], cl"),
        *("cmpxchg8b [rbx]", "lock cmpxchg16b [rbx]", "cmpxchg16b [rsp - 8]"),
    ],
)
def test_an_access_that_faults_leaves_the_flags(access: str) -> None:
    source = assemble(f"mov rbx, 1 << 47\nmov ecx, 3\nstc\ndec eax\n{access}", origin=CODE)
    for steps in (0, 5):
        cpu = BareCpu()
        cpu.engine.write_register("rax", 1)
        cpu.load(source)
        for _ in range(steps):
            cpu.engine.step()
        cpu.engine.run(Tick(100))
        assert cpu.read(STACK - 24, 8) & 0x8D5 == 0x45  # ZF, PF, CF


@pytest.mark.parametrize("steps", range(3))
def test_a_breakpoint_at_a_port_leaves_the_flags(steps: int) -> None:
    cpu = BareCpu()
    cpu.engine.write_registers({"rax": 0x7F, "rdx": 0x80, "dr0": 0x80, "dr7": 0x20401, "cr4": 0x628})
    cpu.load(assemble("add al, 1\nout dx, al", origin=CODE))
    for _ in range(steps):
        cpu.engine.step()
    cpu.engine.run(Tick(100))
    (trap,) = cpu.engine.deliveries()
    assert (trap.vector, trap.rip) == (1, CODE + 3)
    assert cpu.read(STACK - 24, 8) & 0x8D5 == 0x890  # OF, SF, AF


@pytest.mark.parametrize(
    ("source", "resumes"),
    [
        ("ud2", True),
        ("xor ebx, ebx\ndiv ebx", True),
        ("mov rax, 1 << 47\nmov rax, [rax]", True),
        ("mov rax, [rsp + 0x100000]", True),
        ("int3", False),
        ("int 13", False),
        ("db 0xf1", False),
    ],
)
def test_the_frame_of_a_fault_has_rf(source: str, resumes: bool) -> None:
    cpu = run(source)
    assert bool(cpu.read(STACK - 24, 8) & 1 << 16) == resumes
    assert not cpu["rflags"] & 1 << 16


@pytest.mark.parametrize("vector", [3, 6, 0x20])
@pytest.mark.parametrize("steps", [0, 1])
def test_int_n_retires_its_bytes(vector: int, steps: int) -> None:
    cpu = BareCpu()
    cpu.load(assemble(f"nop\nint {vector}", origin=CODE))
    for _ in range(steps):
        cpu.engine.step()
    cpu.engine.run(Tick(100))
    (delivery,) = cpu.engine.deliveries()
    assert (delivery.rip, delivery.tick, cpu.engine.clock) == (CODE + 3, 3, 4)
    assert cpu.read(STACK - 40, 8) == CODE + 3


def test_int1_is_a_trap_through_vector_1() -> None:
    trap = fault("db 0xf1")
    assert (trap.vector, trap.rip) == (1, CODE + 1)


def test_pause_goes_on() -> None:
    cpu = run("mov eax, 1\npause\ninc eax")
    assert cpu["rax"] == 2


def test_nmi_is_blocked_until_iret() -> None:
    cpu = BareCpu()
    handler = assemble("inc dword [counter]\nnop\nnop\niretq\ncounter equ 0xa000", origin=HANDLERS + 0x800)
    cpu.write(HANDLERS + 0x800, handler)
    cpu.write(IDT + 16 * 2, (HANDLERS + 0x800 | 8 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.load(b"\x90" * 8)
    cpu.engine.cpus[0].raise_nmi()
    assert cpu.engine.step() == Stepped()
    assert cpu["rip"] == HANDLERS + 0x800
    cpu.engine.cpus[0].raise_nmi()
    for _ in range(3):
        cpu.engine.step()
        assert cpu.engine.cpus[0].nmi_pending
    cpu.engine.step()  # IRET
    assert cpu["nmi_blocked"] == 0
    cpu.engine.step()
    assert cpu["rip"] == HANDLERS + 0x800
    assert cpu.engine.run(Tick(cpu.engine.clock + 1000)) == Halted()
    assert cpu.read(DATA, 4) == 2


def test_an_interrupt_waits_for_the_shadow_of_sti_and_mov_ss() -> None:
    for source, length in (("sti\nnop\nnop", 2), ("mov ax, ss\nmov ss, ax\nnop\nnop", 6)):
        cpu = BareCpu()
        cpu.load(assemble(source, origin=CODE))
        if "ss" in source:
            cpu.engine.write_register("rflags", 0x202)
            cpu.engine.step()
        cpu.engine.cpus[0].set_interrupt(True)
        if "ss" in source:
            cpu.engine.cpus[0].set_interrupt(False)
            cpu.engine.step()
            cpu.engine.cpus[0].set_interrupt(True)
        cpu.engine.run(Tick(cpu.engine.clock + 100))
        (delivery,) = cpu.engine.deliveries()
        assert delivery.rip == CODE + length, source


def test_int_through_an_empty_gate_faults_at_the_int() -> None:
    cpu = BareCpu()
    cpu.write(IDT + 16 * 0x60, bytes(16))
    cpu.run(assemble("int 0x60", origin=CODE))
    tried, fault = cpu.engine.deliveries()
    assert (tried.vector, tried.handler) == (0x60, 0)
    assert (fault.vector, fault.error_code) == (13, 0x60 * 8 + 2)
    assert cpu.read(STACK - 40, 8) == CODE


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_memory_outside_ram_is_read_and_written_in_the_size_of_the_access(size: int, offset: int) -> None:
    register = {1: "al", 2: "ax", 4: "eax", 8: "rax"}[size]
    cpu = run(f"mov {register}, [rbx]\nmov [rbx + 16], {register}", rbx=WINDOW + offset)
    data = b"".join(a.value.to_bytes(a.size, "little") for a in cpu.bus.log if a.kind == "write")
    assert len(data) == size
    assert sum(a.size for a in cpu.bus.log if a.kind == "write") == size
    assert all(a.now == 0 for a in cpu.bus.log if a.kind == "read")
    if offset % size == 0 and size < 8:  # 8 bytes are two accesses, as on a 32-bit bus
        assert [(a.kind, a.address, a.size) for a in cpu.bus.log] == [
            ("read", WINDOW + offset, size),
            ("write", WINDOW + offset + 16, size),
        ]
        assert cpu["rax"] == 0x1122334455667788 & ((1 << 8 * size) - 1)


def test_code_outside_ram_is_not_run() -> None:
    cpu = BareCpu()
    cpu.engine.write_register("rbx", WINDOW)
    ended = cpu.run(assemble("jmp rbx", origin=CODE))
    assert ended == VoidFetch(WINDOW, WINDOW)
    assert cpu["rip"] == WINDOW


def test_rep_counts_each_iteration_as_the_instruction() -> None:
    cpu = run("mov ecx, 100\nmov edi, 0xa000\nrep stosb")
    cost = cpu.engine.clock - 10 - 1
    assert cost in (200, 202)
    assert cpu["rcx"] == 0


def test_a_limit_inside_rep_stops_between_two_iterations_and_goes_on() -> None:
    whole = run("mov ecx, 100\nmov edi, 0xa000\nrep stosb")
    cpu = BareCpu()
    cpu.load(assemble("mov ecx, 100\nmov edi, 0xa000\nrep stosb", origin=CODE))
    assert cpu.engine.run(Tick(10 + 2 * 40)) == LimitReached()
    assert (cpu["rcx"], cpu["rip"], cpu.engine.clock) == (60, CODE + 10, 90)
    assert cpu.engine.run(Tick(10_000)) == Halted()
    assert cpu.engine.clock == whole.engine.clock


def test_a20_off_wraps_at_one_mebibyte_and_on_does_not() -> None:
    cpu = BareCpu()
    cpu.write(PAGE_TABLE + 8 * 11, (0x100000 | DATA | 7).to_bytes(8, "little"))
    cpu.write(DATA, b"\x11")
    cpu.engine.set_a20(False)
    cpu.run(assemble(f"mov al, [{11 * PAGE_SIZE}]", origin=CODE))
    assert cpu["rax"] & 0xFF == 0x11
    cpu.engine.set_a20(True)
    cpu.reset()
    cpu.run(assemble(f"mov al, [{11 * PAGE_SIZE}]", origin=CODE))
    assert cpu["rax"] & 0xFF == 0x88


def test_code_that_crosses_a_page_notices_a_change_in_its_second_page() -> None:
    cpu = BareCpu()
    at = 13 * PAGE_SIZE - 2  # mov eax, imm32: its immediate lies in the next page
    cpu.write(at, assemble("mov eax, 0x11111111\nret", origin=at))
    code = f"call {at}\nmov esi, eax\nmov dword [{13 * PAGE_SIZE - 1}], 0x22222222\ncall {at}"
    cpu.run(assemble(code, origin=CODE))
    assert (cpu["rsi"], cpu["rax"]) == (0x11111111, 0x22222222)


def test_code_changed_through_another_mapping_is_noticed_in_its_second_page_too() -> None:
    cpu = BareCpu()
    at = DATA - 2
    cpu.write(at, assemble("mov eax, 0x11111111\nret", origin=at))
    code = f"sub rsp, 64\ncall {at}\nmov esi, eax\nmov byte [{ALIAS}], 0x33\ncall {at}"
    cpu.run(assemble(code, origin=CODE))
    assert (cpu["rsi"], cpu["rax"]) == (0x11111111, 0x11113311)


def test_an_instruction_that_changes_itself_runs_as_changed() -> None:
    cpu = run("mov byte [rel there + 1], 5\nthere: mov al, 1")
    assert cpu["rax"] & 0xFF == 5


def test_fxsave_and_fxrstor_keep_x87_and_sse() -> None:
    cpu = run(
        "fninit\nfldpi\nfld1\nmov eax, 77\nmovd xmm3, eax\nfxsave [0xa000]\nfninit\npxor xmm3, xmm3\nfxrstor [0xa000]"
    )
    assert (cpu["st1"], cpu["xmm3"]) == (0x4000C90FDAA22168C235, 77)
    assert cpu["fstat"] >> 11 & 7 == 6


def test_a_double_fault_then_shutdown() -> None:
    cpu = BareCpu()
    cpu.engine.write_register("idtr_limit", 0)
    ended = cpu.run(assemble("ud2", origin=CODE))
    assert type(ended).__name__ == "TripleFault"
    assert [d.vector for d in cpu.engine.deliveries()] == [6, 8] or [d.vector for d in cpu.engine.deliveries()] == [
        6,
        13,
        8,
    ]


def test_a_ring_change_with_no_tss_is_no_end_of_the_process() -> None:
    cpu = BareCpu()
    cpu.engine.write_registers({"cs": 0x1B, "cs_flags": 0xAFFB00, "ss": 0x23, "ss_flags": 0xCFF300, "tr_flags": 0})
    ended = cpu.run(assemble("ud2", origin=CODE))
    assert type(ended).__name__ == "TripleFault"
    assert 10 in {d.vector for d in cpu.engine.deliveries()}


def test_the_stack_is_where_the_frame_goes() -> None:
    cpu = run("ud2")
    assert cpu["rsp"] == STACK - 40
    assert cpu.read(STACK - 40, 8) == CODE


def test_data_breakpoint_traps_after_the_access_whoever_steps() -> None:
    source = "mov dword [0xa010], 1\nnop"
    for step in (False, True):
        cpu = BareCpu()
        cpu.engine.write_registers({"dr0": 0xA010, "dr7": 0xD0401})
        cpu.load(assemble(source, origin=CODE))
        if step:
            cpu.engine.step()
        cpu.engine.run(Tick(100))
        (trap,) = cpu.engine.deliveries()
        assert (trap.vector, trap.rip, trap.tick) == (1, CODE + 11, 11)
        assert cpu["dr6"] & 15 == 1
        assert cpu.read(0xA010, 4) == 1
