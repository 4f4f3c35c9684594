/* Whether what struck finds room on its stack for its frame (SDM 3A 6.12, 20.1.4), which Unicorn does not look at: in real mode, and
 * in protected mode where the ring stays, as far as SS is not flat. Without room the delivery is #SS.
 */
#include <string.h>

#include "vm.h"

enum { SS = 12, MOST_16 = 0xffff, WORDS = 3, GATE_SIZE = 8, DESCRIPTOR_SIZE = 8, TABLE_LOCAL = 4 };
enum { GATE_PRESENT = 0x8000, GATE_KIND = 0x1600, GATE_INTERRUPT = 0x0600, GATE_386 = 0x0800, GATE_DPL = 13 };

static bool has_word(const Segment *s, uint32_t offset, uint32_t size, bool typed)
{
    uint64_t last = (uint64_t)offset + size - 1;

    if (typed && s->flags & DESC_EXPAND_DOWN)
        return offset > s->limit && last <= (s->flags & DESC_B ? UINT32_MAX : MOST_16);
    return last <= s->limit;
}

static bool has_room(const Env *env, unsigned words, unsigned size, bool typed)
{
    uint32_t mask = typed && env->hflags & HF_SS32 ? UINT32_MAX : MOST_16;

    for (unsigned i = 1; i <= words; i++)
        if (!has_word(&env->segs[R_SS], ((uint32_t)env->regs[R_RSP] - i * size) & mask, size, typed))
            return false;
    return true;
}

static bool read_descriptor(Vm *vm, uint32_t selector, uint32_t words[2])
{
    const Segment *table = selector & TABLE_LOCAL ? &vm->cpu->env->ldt : &vm->cpu->env->gdt;
    uint32_t at = selector & ~7u;

    return selector & ~3u && at + DESCRIPTOR_SIZE - 1 <= table->limit &&
           vm_read_linear(vm, table->base + at, (uint8_t *)words, DESCRIPTOR_SIZE) == DESCRIPTOR_SIZE;
}

/* Bytes of a word that the gate pushes, if it leads to code of the present ring; else 0: something else faults, or is pushed. */
static unsigned word_of_gate(Vm *vm, uint32_t vector, bool software)
{
    const Env *env = vm->cpu->env;
    uint32_t gate[2], code[2], cpl = env->hflags & HF_CPL, at = vector * GATE_SIZE;

    if (at + GATE_SIZE - 1 > env->idt.limit || vm_read_linear(vm, env->idt.base + at, (uint8_t *)gate, sizeof gate) != sizeof gate)
        return 0;
    bool usable = gate[1] & GATE_PRESENT && (gate[1] & GATE_KIND) == GATE_INTERRUPT && !(software && (gate[1] >> GATE_DPL & 3) < cpl);
    if (!usable || !read_descriptor(vm, gate[0] >> 16, code))
        return 0;
    uint32_t dpl = code[1] >> DESC_DPL_SHIFT & 3, wanted = DESC_P | DESC_S | DESC_CODE;
    bool stays = code[1] & DESC_CONFORMING ? dpl <= cpl : dpl == cpl;
    return (code[1] & wanted) == wanted && stays ? gate[1] & GATE_386 ? 4 : 2 : 0;
}

static bool pushes_error_code(uint32_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/* Raises #SS if the frame has no room. */
void delivery_check_stack(Vm *vm, uint32_t vector, bool software, bool exception)
{
    Env *env = vm->cpu->env;
    const Segment *ss = &env->segs[R_SS];
    bool protected = env->hflags & HF_PE;

    if (env->hflags & HF_LMA || env->eflags & FLAG_VM || (ss->limit == UINT32_MAX && !(protected && ss->flags & DESC_EXPAND_DOWN)))
        return;
    unsigned size = protected ? word_of_gate(vm, vector, software) : 2;
    unsigned words = WORDS + (protected && exception && pushes_error_code(vector));
    if (size && !has_room(env, words, size, protected))
        raise_exception_err_x86_64(env, SS, 0);
}
