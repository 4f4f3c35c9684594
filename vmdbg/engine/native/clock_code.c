/* The clock in translated code.
 *
 * Unicorn begins each block, and follows each memory access, with a call that asks whether to stop. In place of the
 * first go a few operations that count the block's bytes and compare with the horizon; that call, which only happens
 * beyond it, leads to block_begins(). The others go: what stops a run leaves it at once.
 */
#include "vm.h"

/* Of the block that this thread translates. */
static __thread uint64_t block_pc, block_at;  /* block_at: where in Vm.memory */
static __thread uint64_t marked_line;
static __thread TcgOp *block_size_constant;

static uintptr_t argument(TcgContext *tcg, uintptr_t value)
{
    return (uintptr_t)tcg + value;          /* TCGv to TCGTemp */
}

static TcgOp *emit(TcgContext *tcg, int opcode, uintptr_t a, uintptr_t b, uintptr_t c)
{
    TcgOp *op = tcg_emit_op_x86_64(tcg, opcode);

    op->args[0] = a;
    op->args[1] = b;
    op->args[2] = c;
    return op;
}

static uintptr_t constant(TcgContext *tcg, uint64_t value)
{
    return argument(tcg, tcg_const_i64_x86_64(tcg, value));
}

/* For a call in translated code. */
void *tcg_constant_argument(TcgContext *tcg, uint64_t value)
{
    return (void *)constant(tcg, value);
}

uintptr_t tcg_temporary(TcgContext *tcg)
{
    return (uintptr_t)tcg_temp_new_internal_x86_64(tcg, TCG_TYPE_I64, false) - (uintptr_t)tcg;
}

/* One that outlives labels. */
uintptr_t tcg_local(TcgContext *tcg)
{
    return (uintptr_t)tcg_temp_new_internal_x86_64(tcg, TCG_TYPE_I64, true) - (uintptr_t)tcg;
}

static void add(TcgContext *tcg, uintptr_t to, uintptr_t from, uint64_t value)
{
    emit(tcg, OP_ADD_I64, argument(tcg, to), argument(tcg, from), constant(tcg, value));
}

/* A temporary that has the sum; all are named as in Unicorn's functions. */
uintptr_t tcg_sum(TcgContext *tcg, uintptr_t value, uint64_t constant)
{
    uintptr_t to = tcg_temporary(tcg);

    add(tcg, to, value, constant);
    return to;
}

void tcg_copy(TcgContext *tcg, uintptr_t to, uintptr_t from)
{
    add(tcg, to, from, 0);
}

uintptr_t tcg_sum_of(TcgContext *tcg, uintptr_t a, uintptr_t b)
{
    uintptr_t to = tcg_temporary(tcg);

    emit(tcg, OP_ADD_I64, argument(tcg, to), argument(tcg, a), argument(tcg, b));
    return to;
}

/* What translated code has of the guest's general registers; the same in every engine. */
static uintptr_t registers[16], cpu_register;

void *__wrap_tcg_global_mem_new_internal_x86_64(TcgContext *tcg, int type, uintptr_t base, intptr_t offset, const char *name)
{
    void *made = __real_tcg_global_mem_new_internal_x86_64(tcg, type, base, offset, name);
    uintptr_t number = (offset - offsetof(Env, regs)) / sizeof(uint64_t);

    cpu_register = base;
    if (number < sizeof registers / sizeof *registers)
        registers[number] = (uintptr_t)made - (uintptr_t)tcg;
    return made;
}

uintptr_t tcg_register(unsigned number)
{
    return registers[number];
}

/* What is translated up to tcg_skip_to_here() is done only where the value's low 16 or 32 bits are `limit` or more. */
TcgLabel *tcg_skip_if_low_bits_below(TcgContext *tcg, uintptr_t value, bool of_32, uint32_t limit)
{
    TcgLabel *label = gen_new_label_x86_64(tcg);
    uintptr_t low = tcg_temporary(tcg);

    (of_32 ? tcg_gen_ext32u_i64_x86_64 : tcg_gen_ext16u_i64_x86_64)(tcg, low, value);
    tcg_gen_brcond_i64_x86_64(tcg, TCG_COND_LTU, low, tcg_const_i64_x86_64(tcg, limit), label);
    return label;
}

void tcg_skip_to_here(TcgContext *tcg, TcgLabel *label)
{
    label->present = 1;
    emit(tcg, OP_SET_LABEL, (uintptr_t)label, 0, 0);
}

/* An instruction begins at `pc`: translated code says in which line of the page, once for each: see touched.c. */
static void mark_line(TcgContext *tcg, Vm *vm, uint64_t pc)
{
    uint64_t line = (block_at + (pc - block_pc)) >> CODE_LINE_SHIFT;
    uint8_t *mark = &vm->touched.lines[line];
    const Env *env = vm->cpu->env;

    if (!vm->touched.marked || block_at >= vm->memory_size || line == marked_line)
        return;
    if (vm->cpu_count == 1 && is_near(env, mark))
        emit(tcg, OP_ST8_I64, constant(tcg, 1), argument(tcg, cpu_register), (intptr_t)mark - (intptr_t)env);
    else
        emit(tcg, OP_ST8_I64, constant(tcg, 1), constant(tcg, (uintptr_t)mark), 0);
    marked_line = line;
}

/* clock += size; block_start = pc; block_size = size; if (clock >= horizon) call helper_check_exit_request */
static void emit_clock(TcgContext *tcg, Vm *vm, void *helper)
{
    uintptr_t at = constant(tcg, (uintptr_t)vm);
    uintptr_t clock = (uintptr_t)tcg_temp_new_internal_x86_64(tcg, TCG_TYPE_I64, false);
    uintptr_t horizon = (uintptr_t)tcg_temp_new_internal_x86_64(tcg, TCG_TYPE_I64, false);
    uintptr_t size = (uintptr_t)tcg_temp_new_internal_x86_64(tcg, TCG_TYPE_I64, false);
    TcgLabel *counted = gen_new_label_x86_64(tcg);

    block_at = get_page_addr_code_x86_64(vm->cpu->env, block_pc);
    mark_line(tcg, vm, block_pc);
    block_size_constant = emit(tcg, OP_MOVI_I64, size, 0, 0);
    emit(tcg, OP_LD_I64, clock, at, offsetof(Vm, clock));
    emit(tcg, OP_ADD_I64, clock, clock, size);
    emit(tcg, OP_ST_I64, clock, at, offsetof(Vm, clock));
    emit(tcg, OP_ST_I64, size, at, offsetof(Vm, block_size));
    emit(tcg, OP_ST_I64, constant(tcg, block_pc), at, offsetof(Vm, block_start));
    emit(tcg, OP_LD_I64, horizon, at, offsetof(Vm, horizon));
    tcg_gen_brcond_i64_x86_64(tcg, TCG_COND_LTU, clock - (uintptr_t)tcg, horizon - (uintptr_t)tcg, counted);
    void *arguments[] = {(void *)constant(tcg, (uintptr_t)vm->uc), (void *)argument(tcg, tcg_const_i32_x86_64(tcg, 0))};
    __real_tcg_gen_callN_x86_64(tcg, helper, NULL, 2, arguments);
    tcg_skip_to_here(tcg, counted);
}

void clock_translates(const Block *tb)
{
    block_pc = tb->pc;
    block_at = marked_line = UINT64_MAX;
    block_size_constant = NULL;
}

void clock_translates_insn(TcgContext *tcg, uint64_t pc)
{
    mark_line(tcg, vm_current, pc);
}

/* The instruction at `pc` accesses a port: it says where it is, so that nobody has to search for it (clock_at_port()). */
void clock_translates_port(TcgContext *tcg, uint64_t pc)
{
    emit(tcg, OP_ST_I64, constant(tcg, pc), constant(tcg, (uintptr_t)&vm_current->port_pc), 0);
}

/* The block's size is known only now. */
void clock_translated(const Block *tb)
{
    if (block_size_constant)
        block_size_constant->args[1] = tb->size;
}

void helper_check_exit_request_x86_64(void *uc, uint32_t delay_slot);

void __wrap_tcg_gen_callN_x86_64(TcgContext *tcg, void *function, void *result, int count, void **arguments)
{
    if (vm_current && mmx_defers(function))
        return;
    if (!vm_current || function != (void *)helper_check_exit_request_x86_64)
        __real_tcg_gen_callN_x86_64(tcg, function, result, count, arguments);
    else if (!block_size_constant)
        emit_clock(tcg, vm_current, function);
}

void __wrap_helper_check_exit_request_x86_64(void *uc, uint32_t delay_slot)
{
    (void)uc;
    (void)delay_slot;
    block_begins(vm_current);
}
