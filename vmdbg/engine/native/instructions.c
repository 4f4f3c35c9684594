/* What an instruction demands of the translator besides Unicorn's work.
 *
 * #GP for SSE operands that are not aligned to 16 bytes (SDM 1 4.1.1.1), which Unicorn lets pass.
 * When an instruction that demands alignment is translated, its first 8-byte access is preceded by a check. The check
 * is a call, and TCG calls registered helpers only: it borrows CMPXCHG16B's locked one, which is for parallel CPUs.
 *
 * A port access ends its block, so that what it asks for (to stop, to switch off) comes right after it wherever the
 * block began.
 */
#include "vm.h"

typedef struct {
    uint8_t opcode, last;                   /* a range */
    uint8_t prefixes;                       /* those it demands alignment with */
} Row;
enum { NONE = 1, P66 = 2, PF3 = 4, PF2 = 8, PACKED = NONE | P66 };

static const Row map_0f[] = {               /* SDM 2, operands called m128 */
    {0x14, 0x15, PACKED}, {0x28, 0x29, PACKED}, {0x2b, 0x2b, PACKED}, {0x51, 0x51, PACKED}, {0x52, 0x53, NONE},
    {0x54, 0x59, PACKED}, {0x5a, 0x5a, P66}, {0x5b, 0x5b, PACKED | PF3}, {0x5c, 0x5f, PACKED}, {0x60, 0x6d, P66},
    {0x6f, 0x6f, P66}, {0x70, 0x70, P66 | PF3 | PF2}, {0x74, 0x76, P66}, {0x7c, 0x7d, P66 | PF2}, {0x7f, 0x7f, P66},
    {0xc2, 0xc2, PACKED}, {0xc6, 0xc6, PACKED}, {0xd0, 0xd0, P66 | PF2}, {0xd1, 0xd5, P66}, {0xd8, 0xe5, P66},
    {0xe6, 0xe6, P66 | PF2}, {0xe7, 0xef, P66}, {0xf1, 0xf6, P66}, {0xf8, 0xfe, P66},
};
static const Row map_0f38[] = {
    {0x00, 0x0b, P66}, {0x10, 0x17, P66}, {0x1c, 0x1e, P66}, {0x28, 0x2b, P66}, {0x37, 0x41, P66}, {0xdb, 0xdf, P66},
};
static const Row map_0f3a[] = {{0x08, 0x09, P66}, {0x0c, 0x0f, P66}, {0x40, 0x42, P66}, {0x44, 0x44, P66}, {0xdf, 0xdf, P66}};

#define LISTED(map, opcode, prefix) listed(map, sizeof map / sizeof *map, opcode, prefix)

static bool listed(const Row *rows, unsigned count, uint8_t opcode, uint8_t prefix)
{
    for (unsigned i = 0; i < count; i++)
        if (opcode >= rows[i].opcode && opcode <= rows[i].last)
            return rows[i].prefixes & prefix;
    return false;
}

static bool is_port_access(uint8_t opcode)
{
    return (opcode & 0xf4) == 0xe4 || (opcode & 0xfc) == 0x6c;
}

/* What the translator must add. Reads no byte that is not the instruction's. */
unsigned instruction_traits(Env *env, uint64_t linear, bool code64)
{
    uint8_t byte, opcode, prefix = NONE;

    for (int i = 0;; i++) {
        byte = cpu_ldub_code_x86_64(env, linear++);
        if (byte == 0x0f)
            break;
        if (byte == 0xf2 || byte == 0xf3)
            prefix = byte == 0xf2 ? PF2 : PF3;
        else if (byte == 0x66)
            prefix = prefix == NONE ? P66 : prefix;
        else if ((byte & 0xe7) != 0x26 && (byte & 0xfe) != 0x64 && byte != 0x67 && !(code64 && (byte & 0xf0) == 0x40))
            return is_port_access(byte) ? ACCESSES_PORT : 0;
        if (i == 14)
            return 0;
    }
    byte = opcode = cpu_ldub_code_x86_64(env, linear++);
    if (byte == 0x38 || byte == 0x3a)
        opcode = cpu_ldub_code_x86_64(env, linear++);
    bool found = byte == 0x38   ? LISTED(map_0f38, opcode, prefix)
                 : byte == 0x3a ? LISTED(map_0f3a, opcode, prefix)
                                : LISTED(map_0f, opcode, prefix);
    return found && cpu_ldub_code_x86_64(env, linear) < 0xc0 ? DEMANDS_ALIGNMENT : 0;
}

__attribute__((noinline)) void __wrap_helper_cmpxchg16b_x86_64(Env *env, uint64_t linear)
{
    (void)env;
    if (linear & 15)
        raise_exception_err_ra_x86_64(vm_current->env, 13, 0, (uintptr_t)__builtin_return_address(0));
}

static void check_once(void *tcg, uintptr_t address)
{
    void *temp = (char *)tcg + address, *arguments[] = {temp, temp};

    if (!vm_current || !vm_current->align_next)
        return;
    vm_current->align_next = 0;
    tcg_gen_callN_x86_64(tcg, __wrap_helper_cmpxchg16b_x86_64, NULL, 2, arguments);
}

void __real_tcg_gen_qemu_ld_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation);
void __real_tcg_gen_qemu_st_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation);

void __wrap_tcg_gen_qemu_ld_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation)
{
    check_once(tcg, address);
    __real_tcg_gen_qemu_ld_i64_x86_64(tcg, value, address, index, operation);
}

void __wrap_tcg_gen_qemu_st_i64_x86_64(void *tcg, uintptr_t value, uintptr_t address, uintptr_t index, int operation)
{
    check_once(tcg, address);
    __real_tcg_gen_qemu_st_i64_x86_64(tcg, value, address, index, operation);
}
