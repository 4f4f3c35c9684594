/* Whether what is pushed on delivery, and by a call gate, finds room on its stack (SDM 3A 6.12, 20.1.4; 2A, CALL), which Unicorn does
 * not look at: in real mode, and in protected mode of 16 or 32 bits as far as the stack is not flat. Without room it is #SS, of
 * the new SS's selector where the ring changes.
 */
#include <string.h>

#include "vm.h"

enum { SS = 12, MOST_16 = 0xffff, WORDS = 3, WORDS_INNER = 5, WORDS_OF_VIRTUAL_8086 = 4, WORDS_OF_CALL = 4, GATE_SIZE = 8 };
enum { GATE_PRESENT = 0x8000, GATE_KIND = 0x1600, GATE_INTERRUPT = 0x0600, GATE_386 = 0x0800, GATE_DPL = 13 };
enum { TYPE = 0x1f00, CALL_GATE_286 = 0x0400, CALL_GATE_386 = 0x0c00, CALL_GATE_COUNT = 31, TSS_386 = 0x0800 };

bool segment_has(const Segment *s, uint32_t offset, uint32_t size, bool typed)
{
    uint64_t last = (uint64_t)offset + size - 1;

    if (typed && s->flags & DESC_EXPAND_DOWN)
        return offset > s->limit && last <= (s->flags & DESC_B ? UINT32_MAX : MOST_16);
    return last <= s->limit;
}

bool segment_is_flat_stack(const Segment *s)
{
    return s->limit == UINT32_MAX && !(s->flags & DESC_EXPAND_DOWN);
}

Segment segment_of(uint32_t selector, const uint32_t words[2])
{
    uint32_t limit = (words[0] & 0xffff) | (words[1] & 0xf0000);

    return (Segment){.selector = selector, .limit = words[1] & DESC_G ? limit << 12 | 0xfff : limit, .flags = words[1] & 0xf0ff00};
}

static bool has_room(const Segment *s, uint32_t sp, unsigned words, unsigned size, bool of_32, bool typed)
{
    for (unsigned i = 1; i <= words; i++)
        if (!segment_has(s, (sp - i * size) & (of_32 ? UINT32_MAX : MOST_16), size, typed))
            return false;
    return true;
}

/* The stack of an inner ring, from the task state; false if it is none that may be used: Unicorn says so. */
static bool inner_stack(Vm *vm, uint32_t ring, Segment *s, uint32_t *sp)
{
    const Env *env = vm->cpu->env;
    bool of_386 = env->tr.flags & TSS_386;
    uint32_t at = of_386 ? 4 + 8 * ring : 2 + 4 * ring, size = of_386 ? 6 : 4, words[2], usable = DESC_P | DESC_S | DESC_RW;
    uint8_t pointer[6];
    uint16_t selector;

    *sp = 0;
    if (at + size - 1 > env->tr.limit || !vm_peek(vm, env->tr.base + at, pointer, size))
        return false;
    memcpy(sp, pointer, size - 2);
    memcpy(&selector, pointer + size - 2, sizeof selector);
    if ((selector & 3) != ring || !vm_peek_descriptor(vm, selector, words))
        return false;
    *s = segment_of(selector, words);
    return (words[1] & (usable | DESC_CODE)) == usable && (words[1] >> DESC_DPL_SHIFT & 3) == ring;
}

/* What is pushed has room, or something else is wrong; else `selector` is the stack's. */
static bool has_inner_room(Vm *vm, uint32_t ring, unsigned words, unsigned size, uint32_t *selector)
{
    Segment s;
    uint32_t sp;

    if (!inner_stack(vm, ring, &s, &sp) || segment_is_flat_stack(&s))
        return true;
    *selector = s.selector & 0xfffc;
    return has_room(&s, sp, words, size, s.flags & DESC_B, true);
}

typedef struct { unsigned size; uint32_t ring; } Way;          /* bytes of a word that is pushed, 0: something else faults, or is pushed */

/* Where the gate leads. */
static Way way_of_gate(Vm *vm, uint32_t vector, bool software)
{
    const Env *env = vm->cpu->env;
    uint32_t gate[2], code[2], cpl = env->hflags & HF_CPL, at = vector * GATE_SIZE, wanted = DESC_P | DESC_S | DESC_CODE;

    if (at + GATE_SIZE - 1 > env->idt.limit || !vm_peek(vm, env->idt.base + at, gate, sizeof gate))
        return (Way){0};
    bool usable = gate[1] & GATE_PRESENT && (gate[1] & GATE_KIND) == GATE_INTERRUPT && !(software && (gate[1] >> GATE_DPL & 3) < cpl);
    if (!usable || !vm_peek_descriptor(vm, gate[0] >> 16, code) || (code[1] & wanted) != wanted)
        return (Way){0};
    uint32_t dpl = code[1] >> DESC_DPL_SHIFT & 3;
    return (Way){dpl > cpl ? 0 : gate[1] & GATE_386 ? 4 : 2, code[1] & DESC_CONFORMING ? cpl : dpl};
}

static bool pushes_error_code(uint32_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void check_real(Env *env)
{
    if (!has_room(&env->segs[R_SS], env->regs[R_RSP], WORDS, 2, false, false))
        raise_exception_err_x86_64(env, SS, 0);
}

/* Raises #SS if the frame has no room. */
void delivery_check_stack(Vm *vm, uint32_t vector, bool software, bool exception)
{
    Env *env = vm->cpu->env;
    uint32_t cpl = env->hflags & HF_CPL, selector = 0;
    const Segment *ss = &env->segs[R_SS];
    bool virtual_8086 = env->eflags & FLAG_VM;

    if (env->hflags & HF_LMA)
        return;
    if (!(env->hflags & HF_PE)) {
        check_real(env);
        return;
    }
    if (!cpl && segment_is_flat_stack(ss))
        return;
    Way way = way_of_gate(vm, vector, software);
    unsigned error = exception && pushes_error_code(vector);
    bool room = true;
    if (way.size && way.ring < cpl)
        room = (virtual_8086 && way.ring) ||
               has_inner_room(vm, way.ring, WORDS_INNER + error + (virtual_8086 ? WORDS_OF_VIRTUAL_8086 : 0), way.size, &selector);
    else if (way.size && !virtual_8086 && !segment_is_flat_stack(ss))
        room = has_room(ss, env->regs[R_RSP], WORDS + error, way.size, env->hflags & HF_SS32, true);
    if (!room)
        raise_exception_err_x86_64(env, SS, selector);
}

/* Raises #SS if a far call through a gate to an inner ring has no room there for its parameters and the return. */
void delivery_check_call(Vm *vm, uint32_t selector, uintptr_t host_pc)
{
    Env *env = vm->cpu->env;
    uint32_t gate[2], code[2], cpl = env->hflags & HF_CPL, stack, wanted = DESC_P | DESC_S | DESC_CODE;

    if (!cpl || env->hflags & HF_LMA || !vm_peek_descriptor(vm, selector, gate))
        return;
    uint32_t type = gate[1] & TYPE, dpl = gate[1] >> GATE_DPL & 3;
    bool usable = (type == CALL_GATE_286 || type == CALL_GATE_386) && gate[1] & GATE_PRESENT && dpl >= cpl && dpl >= (selector & 3);
    if (!usable || !vm_peek_descriptor(vm, gate[0] >> 16, code) || (code[1] & wanted) != wanted)
        return;
    uint32_t ring = code[1] >> DESC_DPL_SHIFT & 3;
    if (code[1] & DESC_CONFORMING || ring >= cpl)
        return;
    if (!has_inner_room(vm, ring, WORDS_OF_CALL + (gate[1] & CALL_GATE_COUNT), type == CALL_GATE_386 ? 4 : 2, &stack))
        raise_exception_err_ra_x86_64(env, SS, stack, host_pc);
}
