/* What is put into translations: breakpoints, and instructions that Unicorn gets wrong. */
#include <string.h>

#include "vex.h"

static __thread const TranslatorOps *original_ops;

static void translate_as(Disas *db, Cpu *cpu, uint64_t at, const uint8_t *bytes, uint64_t size)
{
    Vm *vm = vm_current;

    vm->instead_at = at;
    vm->instead = bytes;
    vm->instead_size = size;
    original_ops->translate_insn(db, cpu);
    vm->instead_size = 0;
}

/* #UD. As long as what was read of the instruction that it stands for, so that a change of that is noticed, and nothing that
 * is not its own is fetched. */
static void refuse(Disas *db, Cpu *cpu, const Instruction *instruction)
{
    static const uint8_t lock_ud2[] = {0xf0, 0x0f, 0x0b};
    uint8_t code[LONGEST_INSTRUCTION];
    unsigned size = instruction->size, kept = size < sizeof lock_ud2 ? 2 : sizeof lock_ud2;

    memset(code, 0x2e, sizeof code);
    size = size < kept ? kept : size;
    memcpy(code + size - kept, lock_ud2 + sizeof lock_ud2 - kept, kept);
    translate_as(db, cpu, instruction->linear, code, size);
}

/* A NOP of the instruction's length, and a call of what does it. */
static void translate_called(Disas *db, Cpu *cpu, const VexDecoded *decoded, void (*call)(void *, const VexDecoded *))
{
    uint8_t nop[15];

    memset(nop, 0x2e, sizeof nop);
    nop[decoded->size - 1] = 0x90;
    translate_as(db, cpu, db->pc_next, nop, decoded->size);
    call(UC_TCG_CTX(vm_current->uc), decoded);
}

/* Whether something is called for the instruction, and how. */
static enum VexKind decode_called(Instruction *i, VexDecoded *decoded, void (**call)(void *, const VexDecoded *))
{
    enum VexKind kind = vex_decode(i->env, i->linear, i->linear + i->opcode_at, decoded);

    *call = vex_translated;
    if (kind == NOT_VEX) {
        kind = x87_decode(i, decoded);
        *call = x87_translated;
    }
    if (kind == NOT_VEX) {
        kind = called_decode(i, decoded);
        *call = called_translated;
    }
    return kind;
}

/* Unicorn's BT leaves AF and OF as they are or not, by what it knows of the flags from earlier in the block; SETcc, RCL
 * and RCR lose them if their access faults. After CMC twice it knows that they are in cc_src, whole. Restoring the
 * state at a fault must know of that: insn_start. */
static void forget_flags(Disas *db, Cpu *cpu)
{
    static const uint8_t cmc[] = {0xf5};
    uint64_t pc = db->pc_next;

    for (int i = 0; i < 2; i++) {
        translate_as(db, cpu, pc, cmc, sizeof cmc);
        db->pc_next = pc;
        db->is_jmp = DISAS_NEXT;
    }
    db->num_insns++;
    original_ops->insn_start(db, cpu);
}

/* LOOPE and LOOPNE, when CX becomes 0, and the guest's breakpoints at ports forget what the block has computed of the
 * flags. BT and the like need a place for insn_start. */
static bool must_begin_block(const Disas *db, unsigned traits)
{
    bool port_breakpoint = traits & ACCESSES_PORT && db->tb->flags & HF_IOBPT;
    bool full = traits & READS_FLAGS && db->num_insns == db->max_insns;

    return db->num_insns > 1 && (traits & LOOPS_BY_ZF || port_breakpoint || full);
}

/* What follows is translated for what it has masked. */
static bool loads_mxcsr(Instruction *i, enum VexKind kind)
{
    uint8_t opcode = instruction_byte(i, 0);
    bool vex = kind == VEX_CALLED && (opcode == 0xc5 || opcode == 0xc4) && instruction_byte(i, opcode == 0xc5 ? 2 : 3) == 0xae;

    return vex || (opcode == 0x0f && instruction_byte(i, 1) == 0xae && instruction_byte(i, 2) < 0xc0);
}

/* Ends blocks before a page boundary unless their first instruction crosses it, and after an instruction with RF set:
 * else what the guest sees of a fetch fault or of RF would depend on where blocks begin. And before the translator has
 * no temporaries left: x87 instructions, AAM and INTO never give theirs back, and Unicorn writes beyond the last. */
static void translate_insn(Disas *db, Cpu *cpu)
{
    Vm *vm = vm_current;
    bool single = (db->tb->cflags & CF_COUNT_MASK) == 1;

    if (!single && breakpoint_is_checked_at(vm, db->pc_next)) {
        const CpuBreakpoint breakpoint = {.pc = db->pc_next, .flags = BP_GDB};
        original_ops->breakpoint_check(db, cpu, &breakpoint);
        return;
    }
    Instruction instruction;
    instruction_fetch(&instruction, vm->cpu->env, db->pc_next);
    unsigned traits = instruction_traits(&instruction);
    VexDecoded called;
    void (*call)(void *, const VexDecoded *);
    enum VexKind kind = decode_called(&instruction, &called, &call);
    if (kind == VEX_CALLED && called.sets_flags)
        traits |= READS_FLAGS;
    vm->align_next = traits & DEMANDS_ALIGNMENT;
    vm->probe_next = traits & STORES_FROM_PORT;
    if (traits & STORES_MXCSR)
        sse_status_translate_stmxcsr(UC_TCG_CTX(vm->uc), vm->cpu->env);
    if (must_begin_block(db, traits)) {
        db->is_jmp = DISAS_TOO_MANY;
        return;
    }
    clock_translates_insn(UC_TCG_CTX(vm->uc), db->pc_next);
    if (kind != VEX_REFUSED && !instruction.refused)
        prelude_translate(UC_TCG_CTX(vm->uc), &instruction);
    uintptr_t accumulator = cmpxchg_translate_before(UC_TCG_CTX(vm->uc), &instruction);
    bool limited = db->tb->flags & HF_LIMITS || (db->tb->flags & HF_ANY_LIMIT && instruction.by_fs_gs) || limits_concern_code(&instruction);
    if (db->tb->flags & HF_LIMITS && db->pc_next == db->pc_first)
        limits_translate_block(UC_TCG_CTX(vm->uc), db->tb);
    if (traits & ACCESSES_PORT)
        clock_translates_port(UC_TCG_CTX(vm->uc), db->pc_next);
    if (traits & READS_FLAGS)
        forget_flags(db, cpu);
    bool corrected = instruction_corrected(&instruction);
    bool refused = traits & LOCKS_IN_VAIN || kind == VEX_REFUSED || instruction.refused || feature_is_lacking(&instruction);
    if (limited && !refused)
        limits_translate(UC_TCG_CTX(vm->uc), &instruction);
    vm->operand_left = instruction_operand_size(&instruction);
    vm->pair_next = traits & LOADS_PAIR ? PAIR_FIRST : 0;
    if (refused)
        refuse(db, cpu, &instruction);
    else if (kind == VEX_CALLED)
        translate_called(db, cpu, &called, call);
    else if (corrected)
        translate_as(db, cpu, instruction.linear, instruction.code, instruction.size);
    else
        original_ops->translate_insn(db, cpu);
    unsigned effect = db->is_jmp == DISAS_NEXT ? mmx_effect(&instruction) : 0;
    if (effect)
        mmx_translated(UC_TCG_CTX(vm->uc), effect);
    if (db->is_jmp == DISAS_NEXT)
        cmpxchg_translate_after(UC_TCG_CTX(vm->uc), accumulator);
    if (db->is_jmp == DISAS_NEXT)
        prelude_translate_after(UC_TCG_CTX(vm->uc), &instruction);
    vm->align_next = vm->probe_next = vm->operand_left = vm->pair_next = 0;
    if (db->is_jmp == DISAS_NEXT && TCG_TEMPS_IN_USE(UC_TCG_CTX(vm->uc)) > TCG_TEMPS - TCG_TEMPS_SPARE)
        db->is_jmp = DISAS_TOO_MANY;
    if (db->is_jmp == DISAS_NEXT && ((db->pc_next & 0xfff) > 4096 - 15 || (db->pc_next ^ db->pc_first) & ~0xfffull ||
                                     db->tb->flags & HF_RF || traits & ACCESSES_PORT || limits_end_block(&instruction) ||
                                     loads_mxcsr(&instruction, kind)))
        db->is_jmp = DISAS_TOO_MANY;
}

/* None of the guest's where debug exceptions are held back: breakpoints.c has found that out. */
static bool breakpoint_check(Disas *db, Cpu *cpu, const CpuBreakpoint *breakpoint)
{
    bool passes = (db->tb->flags & (HF_PASSES_BREAKPOINTS | HF_INHIBIT_IRQ)) == (HF_PASSES_BREAKPOINTS | HF_INHIBIT_IRQ);

    return !(breakpoint->flags & BP_CPU && passes && db->pc_next == db->pc_first) &&
           original_ops->breakpoint_check(db, cpu, breakpoint);
}

static __thread const Block *last, *translating;

/* The block that this thread translated last. */
const Block *translation_last(void)
{
    return last;
}

void __real_tcg_gen_exit_tb_x86_64(TcgContext *tcg, const Block *block, unsigned index);
void tcg_gen_lookup_and_goto_ptr_x86_64(TcgContext *tcg);

/* A block ends, and not in a jump that can be chained: at its longest, at the end of its page, after an instruction that
 * changes what code is translated for, or IF. Unicorn goes back to its loop. What is due by then is looked at as the next
 * block begins. */
void __wrap_tcg_gen_exit_tb_x86_64(TcgContext *tcg, const Block *block, unsigned index)
{
    bool goes_on = vm_current && !block && !index && translating && (translating->cflags & CF_COUNT_MASK) != 1;

    if (goes_on)
        tcg_gen_lookup_and_goto_ptr_x86_64(tcg);
    else
        __real_tcg_gen_exit_tb_x86_64(tcg, block, index);
}

void __real_translator_loop_x86_64(const TranslatorOps *, Disas *, Cpu *, Block *, int);

void __wrap_translator_loop_x86_64(const TranslatorOps *ops, Disas *db, Cpu *cpu, Block *tb, int max_insns)
{
    TranslatorOps ours = *ops;

    original_ops = ops;
    ours.translate_insn = translate_insn;
    ours.breakpoint_check = breakpoint_check;
    clock_translates(tb);
    translating = tb;
    __real_translator_loop_x86_64(vm_current ? &ours : ops, db, cpu, tb, max_insns);
    translating = NULL;
    clock_translated(tb);
    last = tb;
}
