"""What Python uses of the native part, as cffi gives it; test_native_stub.py holds it to the headers."""

from typing import Any, Final, Generic, TypeVar

from vmdbg.units import CpuId, Tick

_T = TypeVar("_T")

class Pointer:
    """Memory of the native part's or handed to it, which Python only passes on."""

class Numbers(Pointer):
    """An array of integers; of bytes it is bytes() too."""

    def __getitem__(self, index: int) -> int: ...
    def __setitem__(self, index: int, value: int) -> None: ...
    def __bytes__(self) -> bytes: ...

class Rows(Pointer):
    def __getitem__(self, index: int) -> Numbers: ...

class Items(Pointer, Generic[_T]):
    def __getitem__(self, index: int) -> _T: ...

class Segment(Pointer):
    selector: int
    base: int
    limit: int
    flags: int

class VmDelivery(Pointer):
    tick: int
    rip: int
    linear_pc: int
    rsp: int
    cr3: int
    cr2: int
    handler: int
    error_code: int
    vector: int
    kind: int
    cpl: int
    cpu: int
    width: int
    code_size: int
    code: Numbers

class VmWatchpoint(Pointer):
    address: int
    size: int
    kind: int
    id: int

class VmWatchHit(Pointer):
    linear: int
    physical: int
    pc: int
    size: int
    access: int
    id: int
    old_size: int
    old: Numbers

class VmCpuid(Pointer):
    leaf: int
    subleaf: int
    eax: int
    ebx: int
    ecx: int
    edx: int

class VmExtended(Pointer):
    ymm_high: Rows
    random: int
    mcg_cap: int
    mcg_status: int
    mc_ctl: Numbers

class VmState(Pointer):
    regs: Numbers
    rip: int
    rflags: int
    cr0: int
    cr2: int
    cr3: int
    cr4: int
    cr8: int
    efer: int
    segs: Items[Segment]
    ldt: Segment
    tr: Segment
    gdt: Segment
    idt: Segment
    dr: Numbers
    sysenter_cs: int
    sysenter_esp: int
    sysenter_eip: int
    star: int
    lstar: int
    cstar: int
    fmask: int
    kernelgsbase: int
    tsc_offset: int
    tsc_aux: int
    apic_base: int
    pat: int
    misc_enable: int
    xcr0: int
    mtrr_fixed: Numbers
    mtrr_deftype: int
    mtrr_var: Numbers
    fpip: int
    fpdp: int
    st_mantissa: Numbers
    st_exponent: Numbers
    fpuc: int
    fpus: int
    fpop: int
    fpcs: int
    fpds: int
    fpstt: int
    fptags: Numbers
    mxcsr: int
    pkru: int
    xmm: Rows
    a20_mask: int
    interrupt_shadow: int
    x87_errors_ignored: int
    nmi_blocked: int
    old_exception: int
    pending_debug: int
    float_status: Numbers
    repeating: int
    extended: VmExtended

class Deadline(Pointer):
    due: int
    order: int

class Apic(Pointer):
    timer: Deadline

class Chips(Pointer):
    out0: Deadline
    observed: int

class VmCpu(Pointer):
    index: CpuId
    intr: int
    nmi: int
    halted: int
    waits_for_sipi: int
    repeating: int
    apic: Apic

class Turn(Pointer):
    end: int
    quantum: int
    cpu: int
    over: int
    awaited: int
    taken: int
    exact: int

class VmTouched(Pointer):
    count: int
    gathering: int
    overflowed: int
    events: int
    exceptions: Numbers
    interrupts: Numbers
    ports: Numbers
    lines: Numbers

class Vm(Pointer):
    clock: Tick
    limit: int
    bound: int
    running: int
    cpu: VmCpu
    cpus: Items[VmCpu]
    cpu_count: int
    turn: Turn
    chips: Chips
    exit: int
    dirty_pages: Numbers
    dirty_count: int
    owed: Numbers
    owed_count: int
    exit_linear: int
    exit_physical: int
    exit_value: int
    exit_detail: int
    tick_deliveries: int
    deliveries: Items[VmDelivery]
    delivery_count: int
    catch_vectors: Numbers
    catch_interrupts: Numbers
    catch_mask: int
    catch_skip_tick: int
    breakpoint_suppressed: int
    watch_hit_count: int
    watch_hits: Items[VmWatchHit]
    touched: VmTouched
    fills: int
    walks: int
    flushes: int
    code_drops: int
    exceptions: int
    interrupts: int
    system_calls: int
    single_steps: int

class TouchedColumns(Pointer):
    rows: int
    steps: Numbers
    farther: Numbers
    kinds: Numbers
    lines: Numbers
    lines_count: int
    lines_room: int
    written: Numbers
    written_count: int
    written_room: int
    words: Numbers
    words_count: int
    words_room: int

class Library:
    EXIT_LIMIT: Final[int]
    EXIT_HALT: Final[int]
    EXIT_STEPPED: Final[int]
    EXIT_BREAKPOINT: Final[int]
    EXIT_WATCHPOINT: Final[int]
    EXIT_EXCEPTION: Final[int]
    EXIT_CATCH: Final[int]
    EXIT_TRIPLE_FAULT: Final[int]
    EXIT_VOID_FETCH: Final[int]
    EXIT_REQUESTED: Final[int]
    EXIT_STUCK: Final[int]
    EXIT_ENGINE_ERROR: Final[int]
    EXIT_TURN: Final[int]
    MOST_CPUS: Final[int]
    NO_CPU: Final[int]
    ANY_CPU: Final[int]
    CATCH_CR3: Final[int]
    CATCH_MODE: Final[int]
    CATCH_MSR_READ: Final[int]
    CATCH_MSR_WRITE: Final[int]
    CATCH_PORT_READ: Final[int]
    CATCH_PORT_WRITE: Final[int]
    CATCH_RING: Final[int]
    CATCH_MAGIC: Final[int]
    CATCH_LOCKED: Final[int]
    WATCH_READ: Final[int]
    WATCH_WRITE: Final[int]
    WATCH_PHYSICAL: Final[int]
    DELIVER_EXCEPTION: Final[int]
    DELIVER_SOFTWARE: Final[int]
    DELIVER_EXTERNAL: Final[int]
    DELIVER_NMI: Final[int]
    NEVER: Final[int]
    ANY_SUBLEAF: Final[int]
    ADDRESS_SPACE: Final[int]
    NOT_MEMORY: Final[int]
    NOWHERE: Final[int]
    DELIVERIES: Final[int]
    def vm_new(self, memory: object, memory_size: int, cpu_count: int, owner: object) -> Vm: ...
    def vm_free(self, vm: Vm) -> None: ...
    def vm_select(self, vm: Vm, index: int) -> None: ...
    def vm_can_run(self, vm: Vm, index: int) -> bool: ...
    def turn_begin(self, vm: Vm, cpu: int, quantum: int, exact: bool) -> None: ...
    def turn_next(self, vm: Vm) -> bool: ...
    def vm_run(self, vm: Vm, limit: int) -> int: ...
    def vm_step(self, vm: Vm) -> int: ...
    def apic_attach(self, vm: Vm, cpu: int, memory: object, size: int, page: int, latency: int) -> bool: ...
    def interrupts_schedule_timer(self, vm: Vm, cpu: int, due: int) -> None: ...
    def interrupts_schedule_out0(self, vm: Vm, due: int) -> None: ...
    def vm_share_plain(self, vm: Vm, first: int, count: int, memory: object, size: int) -> bool: ...
    def vm_share_stream(self, vm: Vm, port: int, memory: object, size: int) -> bool: ...
    def vm_share_pm_timer(self, vm: Vm, memory: object, size: int) -> bool: ...
    def vm_share_vga(self, vm: Vm, vga: object, vga_size: int, at: int, size: int) -> bool: ...
    def pic_attach(
        self, vm: Vm, pic: object, pic_size: int, pit: object, pit_size: int, ioapic: object, ioapic_size: int
    ) -> bool: ...
    def vm_request_stop(self, vm: Vm) -> None: ...
    def vm_attend_behind(self, vm: Vm) -> None: ...
    def vm_stop_behind(self, vm: Vm) -> None: ...
    def vm_interrupt(self, vm: Vm) -> None: ...
    def vm_take_signals(self) -> None: ...
    def vm_ignore_x87_errors(self, vm: Vm, cpu: int) -> None: ...
    def vm_interrupt_due(self, vm: Vm) -> int: ...
    def vm_at_breakpoint(self, vm: Vm) -> bool: ...
    def clock_lower_limit(self, vm: Vm, tick: int) -> None: ...
    def clock_attend(self, vm: Vm) -> None: ...
    def vm_set_cpuid(self, vm: Vm, rows: VmCpuid, count: int, max_basic: int, max_extended: int) -> None: ...
    def vm_set_a20(self, vm: Vm, enabled: int) -> None: ...
    def vm_set_catches(self, vm: Vm, mask: int, msrs: object, msr_count: int, ports: object) -> None: ...
    def vm_pages_restored(self, vm: Vm, pages: object, count: int) -> None: ...
    def owed_settle(self, vm: Vm, at: int, size: int) -> bool: ...
    def vm_owe_pages(self, vm: Vm, pages: object, count: int) -> bool: ...
    def vm_open_pages(self, vm: Vm, pages: object, count: int) -> bool: ...
    def vm_set_map(self, vm: Vm, ranges: object, count: int) -> None: ...
    def vm_flush_engine_tlb(self, vm: Vm) -> None: ...
    def vm_flush_caches(self, vm: Vm) -> None: ...
    def vm_dirty_reset(self, vm: Vm) -> None: ...
    def vm_write_memory(self, vm: Vm, at: int, data: object, size: int) -> None: ...
    def vm_code_changed(self, vm: Vm, at: int, size: int) -> None: ...
    def tlb_drop_all(self, cpu: VmCpu) -> None: ...
    def touched_beside(self, vm: Vm, physical: int, size: int, kinds: int) -> None: ...
    def touched_begin(self, vm: Vm, gathering: bool) -> None: ...
    def touched_export(
        self, vm: Vm, linear: object, lines: object, written: object, words: object, physical: object, kinds: object
    ) -> None: ...
    def touched_coder_new(self) -> Pointer: ...
    def touched_coder_free(self, coder: Pointer) -> None: ...
    def touched_encode(self, coder: Pointer, columns: TouchedColumns, size: object) -> Numbers: ...
    def touched_decode(self, coder: Pointer, data: object, size: int, columns: TouchedColumns) -> bool: ...
    def tlb_export(self, cpu: VmCpu, pairs: object, capacity: int) -> int: ...
    def tlb_import(self, cpu: VmCpu, pairs: object, count: int) -> None: ...
    def vm_set_breakpoints(self, vm: Vm, linear: object, count: int, physical: object, physical_count: int) -> None: ...
    def vm_set_watchpoints(self, vm: Vm, watchpoints: VmWatchpoint, count: int) -> None: ...
    def vm_get_state(self, vm: Vm, state: VmState) -> None: ...
    def vm_set_state(self, vm: Vm, state: VmState) -> None: ...
    def vm_rflags(self, vm: Vm) -> int: ...
    def vm_general(self, vm: Vm) -> Numbers: ...
    def vm_linear_pc(self, vm: Vm) -> int: ...
    def vm_translate(self, vm: Vm, linear: int) -> int: ...
    def vm_read_linear(self, vm: Vm, linear: int, data: object, size: int) -> int: ...
    def vm_read_value(self, vm: Vm, linear: int, size: int, value: object) -> bool: ...
    def pages_differences(
        self,
        pages: object,
        others: object,
        count: int,
        most: int,
        masks: object,
        words: object,
        counts: object,
        stepped: object,
    ) -> int: ...
    def page_change(self, page: object, mask: object, words: object, stepped: bool) -> None: ...
    def pieces_note(self, known: object, at: int, end: int, table: object, bits: int) -> None: ...
    def page_pieces(
        self, known: object, size: int, table: object, bits: int, page: object, pieces: object, most: int, left_out: int
    ) -> int: ...

ffi: Any  # cffi's own object, which has no types
lib: Library
