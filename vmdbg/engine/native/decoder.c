/* Instructions taken apart: prefixes at once, the rest as it is asked for, so that no byte is read that is not its own. */
#include "vm.h"
#include "unicorn_tlb.h"

static uint8_t code_byte(Env *env, uint64_t linear)
{
    Vm *vm = vm_current;

    if (vm) {
        const TlbEntry *entry = tlb_entry(env, env_mmu_mode(env), linear);
        const uint8_t *place = (const uint8_t *)(linear + entry->addend);
        if (entry->fetch == (linear & ~0xfffull) && (uint64_t)(place - vm->memory) < vm->memory_size)
            return *place;
    }
    return __real_cpu_ldub_code_x86_64(env, linear);
}

/* What the translator reads. */
uint32_t __wrap_cpu_ldub_code_x86_64(Env *env, uint64_t linear)
{
    uint32_t byte = code_byte(env, linear);
    uint64_t at = vm_current ? linear - vm_current->instead_at : UINT64_MAX;

    return vm_current && at < vm_current->instead_size ? vm_current->instead[at] : byte;
}

static uint8_t byte_of(Instruction *i, unsigned at)
{
    while (i->size <= at && i->size < LONGEST_INSTRUCTION) {
        i->code[i->size] = i->env ? code_byte(i->env, i->linear + i->size) : 0;
        i->size++;
    }
    return at < LONGEST_INSTRUCTION ? i->code[at] : 0;
}

uint8_t instruction_byte(Instruction *i, unsigned at)
{
    return byte_of(i, i->opcode_at + at);
}

/* True if it is none. */
static bool read_prefix(Instruction *i, int at)
{
    uint8_t byte = i->code[at];

    if (i->code64 && (byte & 0xf0) == 0x40) {
        i->rex = at;
        return false;
    }
    switch (byte) {
    case 0x66: i->operand_size = at; return false;
    case 0x67: i->by_67 = true; return false;
    case 0xf0: i->locked = true; return false;
    case 0xf2: case 0xf3: i->repeat = at; return false;
    case 0x64: case 0x65: i->by_fs_gs = true; return false;
    case 0x26: case 0x2e: case 0x36: case 0x3e: return false;
    default: return true;
    }
}

static void read_prefixes(Instruction *i)
{
    unsigned at = 0;

    i->rex = i->repeat = i->operand_size = -1;
    while (at < LONGEST_INSTRUCTION && (byte_of(i, at), !read_prefix(i, at)))
        at++;
    i->opcode_at = at;
    i->rex = i->rex == (int)at - 1 ? i->rex : -1;      /* right before the opcode, or it is ignored (SDM 2A 2.2.1) */
    i->prefix = i->repeat >= 0 ? i->code[i->repeat] : i->operand_size >= 0 ? 0x66 : 0;
}

/* The instruction at `linear`, whose bytes are fetched as the CPU fetches them: that may fault. */
void instruction_fetch(Instruction *i, Env *env, uint64_t linear)
{
    *i = (Instruction){.env = env, .linear = linear, .code64 = env->hflags & HF_CS64};
    read_prefixes(i);
}

/* The same, read as a debugger reads memory; bytes that cannot be read are 0. False if that begins in the opcode. */
bool instruction_read(Instruction *i, Vm *vm, uint64_t linear)
{
    Env *env = vm->cpu->env;

    *i = (Instruction){.linear = linear, .code64 = env->hflags & HF_CS64};
    i->size = vm_read_linear(vm, linear, i->code, sizeof i->code);
    uint8_t known = i->size;
    read_prefixes(i);
    return i->opcode_at < known;
}

static bool addresses_by_16_bits(const Instruction *i)
{
    return !i->code64 && !(vm_current->cpu->env->hflags & HF_CS32) != i->by_67;
}

/* Where ModRM and the memory operand that it names end, counted from the opcode. */
unsigned instruction_behind_operand(Instruction *i, unsigned modrm_at)
{
    uint8_t modrm = instruction_byte(i, modrm_at++), mode = modrm >> 6, rm = modrm & 7;

    if (mode == 3)
        return modrm_at;
    if (addresses_by_16_bits(i))
        return modrm_at + (mode == 0 ? (rm == 6 ? 2 : 0) : mode);
    uint8_t base = rm == 4 ? instruction_byte(i, modrm_at++) & 7 : rm;
    return modrm_at + (mode == 0 ? (base == 5 ? 4 : 0) : (mode == 1 ? 1 : 4));
}
