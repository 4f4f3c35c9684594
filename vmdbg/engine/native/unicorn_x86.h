/* The parts of Unicorn 2.1.4's x86 CPU that vmdbg reads, writes and replaces.
 *
 * Unicorn exports none of this: the layouts are those of its pinned version on LP64 hosts, held by the assertions
 * below and checked against the running library by vm_calibrate(). Functions of Unicorn named in WRAPPED (build.py)
 * are replaced at link time: __wrap_NAME is ours, __real_NAME theirs.
 */
#ifndef VMDBG_UNICORN_X86_H
#define VMDBG_UNICORN_X86_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unicorn/unicorn.h>


enum { R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI };
enum { R_ES, R_CS, R_SS, R_DS, R_FS, R_GS };

typedef struct {
    uint64_t mantissa;
    uint16_t exponent;
    uint8_t pad[6];
} Float80;

typedef struct {
    int8_t detect_tininess, rounding_mode;
    uint8_t exception_flags;
    int8_t x87_precision;
    uint8_t flush_to_zero, flush_inputs_to_zero, default_nan, snan_bit;
} FloatStatus;

typedef struct Env {
    uint64_t regs[16];
    uint64_t eip, eflags;
    uint64_t cc_dst, cc_src, cc_src2;
    uint32_t cc_op;
    int32_t df;
    uint32_t hflags, hflags2;
    Segment segs[6], ldt, tr, gdt, idt;
    uint64_t cr[9];
    int32_t a20_mask;
    uint8_t pad_mpx[592 - 500];
    uint64_t efer;
    uint32_t start_init_save, fpstt;
    uint16_t fpus, fpuc;
    uint8_t fptags[8];
    uint8_t pad_fp[4];
    Float80 fpregs[8];
    uint16_t fpop, fpcs, fpds;
    uint64_t fpip, fpdp;
    union {                                 /* of the softfloat library: x87, a register, 3DNow!, SSE */
        uint8_t float_status[816 - 776];
        struct { uint8_t pad_float_status[808 - 776]; FloatStatus sse_status; };
    };
    uint32_t mxcsr;
    uint64_t xmm_regs[32][8];
    uint8_t pad_vector[4800 - 2872];
    uint32_t sysenter_cs;
    uint64_t sysenter_esp, sysenter_eip, star, vm_hsave, lstar, cstar, fmask, kernelgsbase;
    uint64_t tsc, tsc_adjust, tsc_deadline, tsc_aux, xcr0, mcg_status, misc_enable;
    uint8_t pad_perf[5280 - 4928];
    uint64_t pat;
    uint8_t pad_smm[5304 - 5288];
    uint32_t pkru;
    uint8_t pad_kvm[5384 - 5308];
    int32_t error_code, exception_is_int;
    uint64_t exception_next_eip;
    uint64_t dr[8];
    void *breakpoints[4];                   /* CPUBreakpoint or CPUWatchpoint of DR0 to DR3 */
    int32_t old_exception;
    uint8_t pad_svm[5632 - 5500];
    uint64_t features[34];
    uint8_t pad_cpuid[6320 - 5904];
    uint64_t mtrr_fixed[11], mtrr_deftype, mtrr_var[16];
} Env;

#define AT(member, offset) _Static_assert(offsetof(Env, member) == offset, #member)
AT(eip, 128); AT(cc_op, 168); AT(segs, 184); AT(idt, 400); AT(cr, 424); AT(efer, 592); AT(fpregs, 624);
AT(fpip, 760); AT(sse_status, 808); AT(mxcsr, 816); AT(xmm_regs, 824); AT(sysenter_esp, 4808); AT(kernelgsbase, 4864); AT(tsc_aux, 4896);
AT(xcr0, 4904); AT(misc_enable, 4920); AT(pat, 5280); AT(pkru, 5304); AT(error_code, 5384); AT(dr, 5400);
AT(old_exception, 5496); AT(features, 5632); AT(mtrr_fixed, 6320); AT(mtrr_var, 6416);
#undef AT

typedef struct MemoryRegion MemoryRegion;
typedef MemoryRegion *FindRegion(uc_engine *uc, uint64_t address);
FindRegion find_memory_mapping_x86_64;
#define UC_CPU(uc)     (*(Cpu **)((char *)(uc) + 440))
#define UC_MEMORY_MAPPING(uc) (*(FindRegion **)((char *)(uc) + 288))
#define UC_TCG_CTX(uc) (*(void **)((char *)(uc) + 768))
#define CPU_FIELD(cpu, offset, type) (*(type *)((char *)(cpu) + (offset)))
/* CPUState has a sigjmp_buf, the one thing in it whose size is the host's: 200 bytes on x86-64, 312 on AArch64, by glibc.
 * What lies behind it. */
#define AFTER_JUMP(offset) ((offset) + (sizeof(sigjmp_buf) + 7) / 8 * 8 - 200)
#define CPU_ADDRESS_SPACES AFTER_JUMP(264)
#define CPU_MODEL          (CPU_ENV_OFFSET + 7528)
#define CPU_CLUSTER(cpu)           CPU_FIELD(cpu, AFTER_JUMP(33172), uint32_t)
#define CPU_CFLAGS_NEXT_TB(cpu)    CPU_FIELD(cpu, 24, uint32_t)
#define CPU_INTERRUPT_REQUEST(cpu) CPU_FIELD(cpu, 28, uint32_t)
#define CPU_MEM_IO_PC(cpu)         CPU_FIELD(cpu, AFTER_JUMP(33144), uintptr_t)
#define CPU_EXCEPTION_INDEX(cpu)   CPU_FIELD(cpu, AFTER_JUMP(33184), int32_t)
#define CPU_ENV_OFFSET             ((AFTER_JUMP(35408) + 15) / 16 * 16)
#define CPU_ENV(cpu)               ((Env *)((char *)(cpu) + CPU_ENV_OFFSET))
#define ENV_CPU(env)               ((Cpu *)((char *)(env) - CPU_ENV_OFFSET))

enum { CPU_INTERRUPT_HARD = 2, EXCP_INTERRUPT = 0x10000, CF_CLUSTER_NONE = 0 };
enum { MMU_LOAD, MMU_STORE, MMU_FETCH };
enum { MMU_KERNEL_SMAP, MMU_USER, MMU_KERNEL };
enum { PAGE_READ = 1, PAGE_WRITE = 2, PAGE_EXEC = 4 };
enum { DISAS_NEXT, DISAS_TOO_MANY, DISAS_NORETURN };

enum {                                      /* hflags: what the translator specialises code on */
    HF_CPL = 3, HF_INHIBIT_IRQ = 1 << 3, HF_CS32 = 1 << 4, HF_SS32 = 1 << 5, HF_ADDSEG = 1 << 6, HF_PE = 1 << 7,
    HF_MP_SHIFT = 9, HF_LMA = 1 << 14, HF_CS64 = 1 << 15, HF_RF = 1 << 16, HF_SVME = 1 << 20, HF_OSFXSR = 1 << 22,
    HF_SMAP = 1 << 23, HF_IOBPT = 1 << 24,
    HF_PASSES_BREAKPOINTS = 1 << 27,        /* ours, as Unicorn has none there: see breakpoints.c, limits.c */
    HF_LIMITS_TIGHT = 1 << 25,              /* with any of the next: a segment of CS, SS, DS and ES is less than real mode's */
    HF_LIMITS = 1 << 28, HF_LIMIT_FS = 1 << 29, HF_LIMIT_GS = 1 << 30, HF_ANY_LIMIT = 7 << 28 | HF_LIMITS_TIGHT,
    HF2_NMI = 1 << 2, HF2_IGNNE = 1 << 7,
};
#define HF_UNMASKED 0x80000000u              /* ours: see sse_exceptions.c */
enum {
    FLAG_CC = 0x8d5, FLAG_TF = 1 << 8, FLAG_IF = 1 << 9, FLAG_DF = 1 << 10, FLAG_IOPL = 3 << 12, FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16, FLAG_VM = 1 << 17, FLAG_AC = 1 << 18,
    CC_OP_EFLAGS = 1,
};
enum { CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_NE = 0x20, CR0_WP = 1 << 16 };
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u
enum { CR4_TSD = 1 << 2, CR4_DE = 1 << 3, CR4_PSE = 1 << 4, CR4_PAE = 1 << 5, CR4_PGE = 1 << 7, CR4_OSFXSR = 1 << 9, CR4_PCIDE = 1 << 17, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21, CR4_PKE = 1 << 22 };
enum { FEAT_1_EDX, FEAT_1_ECX, FEAT_7_EBX, FEAT_7_ECX, FEAT_EXTENDED_EDX = 6, FEAT_EXTENDED_ECX, FEAT_XSAVE = 19 };
enum { EFER_SCE = 1, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11, EFER_SVME = 1 << 12 };
enum {
    DESC_A = 1 << 8, DESC_RW = 1 << 9, DESC_CONFORMING = 1 << 10, DESC_EXPAND_DOWN = 1 << 10, DESC_CODE = 1 << 11, DESC_S = 1 << 12, DESC_DPL_SHIFT = 13, DESC_P = 1 << 15,
    DESC_L = 1 << 21, DESC_B = 1 << 22, DESC_G = 1 << 23, DESC_TSS_BUSY = 1 << 9,
};

typedef struct {                            /* TranslationBlock, DisasContextBase, TranslatorOps, CPUBreakpoint */
    uint64_t pc, cs_base;
    uint32_t flags;
    uint16_t size, icount;
    uint32_t cflags;
} Block;
#define BLOCK_CODE(block)   (*(void **)((char *)(block) + 32))
#define CPU_JUMP_CACHE(cpu) ((Block **)((char *)(cpu) + AFTER_JUMP(312)))
enum { CPU_JUMPS = 1 << 12 };
typedef struct {
    Block *tb;
    uint64_t pc_first, pc_next;
    int32_t is_jmp, num_insns, max_insns;
} Disas;
typedef struct {
    uint64_t pc;
    int32_t flags;
    void *link[2];
} CpuBreakpoint;
typedef struct {
    void (*init_disas_context)(Disas *, Cpu *);
    void (*tb_start)(Disas *, Cpu *);
    void (*insn_start)(Disas *, Cpu *);
    bool (*breakpoint_check)(Disas *, Cpu *, const CpuBreakpoint *);
    void (*translate_insn)(Disas *, Cpu *);
    void (*tb_stop)(Disas *, Cpu *);
    void (*pc_sync)(Disas *, Cpu *);
} TranslatorOps;
typedef struct TcgContext TcgContext;
#ifdef __aarch64__                          /* a set of the host's registers, for TCG, in the midst of its context */
#define TCG_REGISTER_SET 8
#else
#define TCG_REGISTER_SET 4
#endif
#define TCG_EPILOGUE(tcg)     (*(void **)((char *)(tcg) + 144 + (TCG_REGISTER_SET + 4 + 7) / 8 * 8))
#define TCG_TEMPS_IN_USE(tcg) (*(int32_t *)((char *)(tcg) + 48))
enum { TCG_TEMPS = 512, TCG_TEMPS_SPARE = 128 };
typedef struct { uint8_t head[24]; uintptr_t args[10]; } TcgOp;
typedef struct { unsigned present : 1, has_value : 1, id : 14, refs : 16; } TcgLabel;
enum { OP_SET_LABEL = 1, OP_MOVI_I64 = 64, OP_LD_I64 = 73, OP_ST8_I64 = 74, OP_ST_I64 = 77, OP_ADD_I64 = 78 };
enum { TCG_TYPE_I64 = 1, TCG_COND_LTU = 4, TCG_COND_EQ = 8 };
TcgOp *tcg_emit_op_x86_64(TcgContext *tcg, int opcode);
void *tcg_temp_new_internal_x86_64(TcgContext *tcg, int type, bool local);
uintptr_t tcg_const_i64_x86_64(TcgContext *tcg, int64_t value);
uintptr_t tcg_const_i32_x86_64(TcgContext *tcg, int32_t value);
void tcg_gen_movcond_i64_x86_64(TcgContext *tcg, int condition, uintptr_t to, uintptr_t a, uintptr_t b, uintptr_t if_so, uintptr_t if_not);
TcgLabel *gen_new_label_x86_64(TcgContext *tcg);
void tcg_gen_ext16u_i64_x86_64(TcgContext *tcg, uintptr_t to, uintptr_t from);
void tcg_gen_ext32u_i64_x86_64(TcgContext *tcg, uintptr_t to, uintptr_t from);
void *__real_tcg_global_mem_new_internal_x86_64(TcgContext *tcg, int type, uintptr_t base, intptr_t offset, const char *name);
void tcg_gen_brcond_i64_x86_64(TcgContext *tcg, int condition, uintptr_t a, uintptr_t b, TcgLabel *label);
void __real_tcg_gen_callN_x86_64(TcgContext *tcg, void *function, void *result, int count, void **arguments);

enum { CF_COUNT_MASK = 0x7fff, BP_GDB = 0x10 };

typedef struct { unsigned bits; } MemoryAttributes;
enum { ATTRIBUTES_UNSPECIFIED = 1 };
enum { BP_CPU = 0x20 };
enum { BP_MEM_READ = 1, BP_MEM_WRITE = 2, BP_MEM_ACCESS = 3 };
void *probe_access_x86_64(Env *env, uint64_t linear, int size, int access, int mmu_idx, uintptr_t host_pc);
bool cpu_restore_state_x86_64(Cpu *cpu, uintptr_t host_pc, bool will_exit);
_Noreturn void cpu_loop_exit_x86_64(Cpu *cpu);
_Noreturn void cpu_loop_exit_restore_x86_64(Cpu *cpu, uintptr_t host_pc);
void raise_exception_err_x86_64(Env *env, int vector, int error_code);
_Noreturn void raise_exception_err_ra_x86_64(Env *env, int vector, int error, uintptr_t host_pc);
_Noreturn void raise_exception_ra_x86_64(Env *env, int vector, uintptr_t host_pc);
void x86_cpu_do_interrupt_x86_64(Cpu *cpu);
void do_interrupt_x86_hardirq_x86_64(Env *env, int vector, int is_hw);
void tlb_set_page_x86_64(Cpu *cpu, uint64_t linear, uint64_t physical, int prot, int mmu_idx, uint64_t size);
void tb_invalidate_phys_range_x86_64(uc_engine *uc, uint64_t start, uint64_t end);
void tb_flush_x86_64(Cpu *cpu);
void tlb_flush_x86_64(Cpu *cpu);
void tlb_flush_page_x86_64(Cpu *cpu, uint64_t linear);
Cpu *cpu_x86_init_x86_64(uc_engine *uc);
uint64_t get_page_addr_code_x86_64(Env *env, uint64_t linear);
uint64_t helper_cc_compute_all_x86_64(uint64_t dst, uint64_t src1, uint64_t src2, int op);
uint32_t cpu_ldub_code_x86_64(Env *env, uint64_t linear);
uint32_t cpu_ldub_data_ra_x86_64(Env *env, uint64_t linear, uintptr_t host_pc);
uint32_t cpu_lduw_data_ra_x86_64(Env *env, uint64_t linear, uintptr_t host_pc);
void cpu_stb_data_ra_x86_64(Env *env, uint64_t linear, uint32_t value, uintptr_t host_pc);
void cpu_stw_data_ra_x86_64(Env *env, uint64_t linear, uint32_t value, uintptr_t host_pc);
void cpu_stl_data_ra_x86_64(Env *env, uint64_t linear, uint32_t value, uintptr_t host_pc);
uint32_t cpu_ldl_data_ra_x86_64(Env *env, uint64_t linear, uintptr_t host_pc);
uint64_t cpu_ldq_data_ra_x86_64(Env *env, uint64_t linear, uintptr_t host_pc);
void cpu_stq_data_ra_x86_64(Env *env, uint64_t linear, uint64_t value, uintptr_t host_pc);
void cpu_x86_update_cr0_x86_64(Env *env, uint32_t value);
void cpu_x86_update_cr3_x86_64(Env *env, uint64_t value);
void cpu_x86_update_cr4_x86_64(Env *env, uint32_t value);
void cpu_x86_update_dr7_x86_64(Env *env, uint32_t value);
uint32_t __real_cpu_ldub_code_x86_64(Env *env, uint64_t linear);
void tcg_gen_callN_x86_64(void *tcg, void *function, void *result, int count, void **arguments);
uint32_t cpu_lduw_mmuidx_ra_x86_64(Env *env, uint64_t linear, int mmu_idx, uintptr_t host_pc);
void cpu_stw_mmuidx_ra_x86_64(Env *env, uint64_t linear, uint32_t value, int mmu_idx, uintptr_t host_pc);
void cpu_stl_mmuidx_ra_x86_64(Env *env, uint64_t linear, uint32_t value, int mmu_idx, uintptr_t host_pc);
void update_fp_status_x86_64(Env *env);
void update_mxcsr_status_x86_64(Env *env);

#endif
