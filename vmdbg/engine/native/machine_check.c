/* Machine-check registers (SDM 3B 15.3) of models that have MCA: banks in which no error is ever found. So their status,
 * address and miscellaneous registers are zero, and writing anything else is #GP, as it is where there are errors.
 */
#include "vm.h"

enum { MCG_CAP = 0x179, MCG_STATUS, MCG_CTL, MC0_CTL = 0x400, END_OF_BANKS = 0x480, REGISTERS_OF_A_BANK = 4 };
enum { FEATURE = 14, STATUS_BITS = 7 };     /* STATUS_BITS: RIPV, EIPV, MCIP */

bool machine_check_concerns(uint32_t msr)
{
    return (msr >= MCG_CAP && msr <= MCG_CTL) || (msr >= MC0_CTL && msr < END_OF_BANKS);
}

/* Whether it is there: MCG_CTL is not, for MCG_CAP has no CTL_P. */
static bool is_there(const VmCpu *cpu, uint32_t msr)
{
    bool banked = msr >= MC0_CTL && msr < MC0_CTL + MACHINE_CHECK_BANKS * REGISTERS_OF_A_BANK;

    return cpu->env->features[FEAT_1_EDX] >> FEATURE & 1 && (banked || msr == MCG_CAP || msr == MCG_STATUS);
}

/* The control register among those of a bank. */
static bool is_control(uint32_t msr)
{
    return msr >= MC0_CTL && (msr - MC0_CTL) % REGISTERS_OF_A_BANK == 0;
}

/* False: #GP(0). */
bool machine_check_read(const VmCpu *cpu, uint32_t msr, uint64_t *value)
{
    *value = msr == MCG_CAP      ? MACHINE_CHECK_BANKS
             : msr == MCG_STATUS ? cpu->mcg_status
             : is_control(msr)   ? cpu->mc_ctl[(msr - MC0_CTL) / REGISTERS_OF_A_BANK % MACHINE_CHECK_BANKS]
                                 : 0;
    return is_there(cpu, msr);
}

/* False: #GP(0). */
bool machine_check_write(VmCpu *cpu, uint32_t msr, uint64_t value)
{
    if (!is_there(cpu, msr) || msr == MCG_CAP)
        return false;
    if (is_control(msr)) {
        cpu->mc_ctl[(msr - MC0_CTL) / REGISTERS_OF_A_BANK] = value;
        return true;
    }
    if (msr != MCG_STATUS)
        return !value;
    if (value & ~(uint64_t)STATUS_BITS)
        return false;
    cpu->mcg_status = value;
    return true;
}
