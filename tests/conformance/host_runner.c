/* Runs the cases of a batch on this machine's CPU: `host_runner HARNESS_FILE`, then a batch on standard input and the
 * states after it on standard output, as often as there is one. See batch.py. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

enum { XSTATE_AT = 512, AVX_STATE = 4, YMM_AT = 576 }; /* of XSAVE's area */
static void (*entry)(void);
static uint64_t advance;

static void *map(uint64_t address, size_t size)
{
    void *at = mmap((void *)address, size, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != (void *)address) {
        perror("host_runner: mmap");
        exit(2);
    }
    return at;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *user = context;
    greg_t *registers = user->uc_mcontext.gregs;
    uint8_t *out = *(uint8_t **)(*(uint8_t **)CONTROL + 16);
    (void)number, (void)info;
    for (int i = 0; i < 16; i++)
        memcpy(out + 8 * i, &registers[order[i]], 8);
    memcpy(out + RFLAGS_AT, &registers[REG_EFL], 8);
    memcpy(out + VECTOR_AT, &registers[REG_TRAPNO], 8);
    memcpy(out + ERROR_AT, &registers[REG_ERR], 8);
    memcpy(out + CR2_AT, &registers[REG_CR2], 8);
    memcpy(out + RIP_AT, &registers[REG_RIP], 8);
    memcpy(out + FX_AT, user->uc_mcontext.fpregs, 512);
    memcpy(out + DATA_AT, (void *)ACROSS, ACROSS_SIZE);
    memcpy(out + DATA_AT + ACROSS_SIZE, (void *)AT_END, AT_END_SIZE);
    const uint8_t *extended = (const uint8_t *)user->uc_mcontext.fpregs;
    if (extended[XSTATE_AT] & AVX_STATE)
        memcpy(out + HIGH_AT, extended + YMM_AT, 256);
    registers[REG_RIP] = (greg_t)advance;
    registers[REG_EFL] = 0x202;
    registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~0xffff) | CODE_64;
}

/* 32-bit code reaches its batch, and is not to change it. */
static void allow(int protection)
{
    if (BATCH >> 32 == 0)
        mprotect((void *)BATCH, BATCH_SIZE, protection);
}

static void read_all(void *to, size_t size)
{
    for (char *at = to; size;) {
        ssize_t got = read(0, at, size);
        if (got <= 0)
            exit(got ? 2 : 0);
        at += got;
        size -= (size_t)got;
    }
}

static void write_all(const void *from, size_t size)
{
    for (const char *at = from; size;) {
        ssize_t put = write(1, at, size);
        if (put <= 0)
            exit(2);
        at += put;
        size -= (size_t)put;
    }
}

static void catch_signals(void)
{
    static char stack[1 << 16];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaltstack(&alternate, NULL);
    for (int *number = (int[]){SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS, 0}; *number; number++)
        sigaction(*number, &action, NULL);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!file || !fread(map(HARNESS, HARNESS_SIZE), 1, HARNESS_SIZE, file))
        return 2;
    entry = *(void (**)(void))HARNESS;
    advance = ((uint64_t *)HARNESS)[1];
    map(CONTROL, CONTROL_SIZE);
    map(ACROSS & -4096ul, 8192);
    map(AT_END & -4096ul, 4096);
    map(BATCH, BATCH_SIZE);
    map(RESULTS, RESULTS_SIZE);
    catch_signals();
    for (;;) {
        uint64_t sizes[4]; /* of the batch, of the results, where cases begin and end */
        read_all(sizes, sizeof sizes);
        read_all((void *)BATCH, sizes[0]);
        memset((void *)RESULTS, 0, sizes[1]);
        ((uint64_t *)CONTROL)[0] = sizes[2];
        ((uint64_t *)CONTROL)[1] = sizes[3];
        allow(PROT_READ | PROT_EXEC);
        entry();
        allow(PROT_READ | PROT_WRITE);
        write_all((void *)RESULTS, sizes[1]);
    }
}
