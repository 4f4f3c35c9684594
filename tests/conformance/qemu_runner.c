/* Runs the cases of a batch in QEMU's user mode, as a program of 64 or of 32 bits without a C library: the harness on
 * standard input, what is mapped on standard output, then a batch and the states after it, as often as there is one.
 * See batch.py and qemu.py. */
typedef unsigned long word;
typedef unsigned long long uint64;
typedef unsigned char byte;

#ifdef __x86_64__
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_OPEN = 2, SYS_MPROTECT = 10, SYS_SIGACTION = 13, SYS_EXIT = 231 };
enum { SYS_MMAP = 9, SYS_SIGALTSTACK = 131, GENERAL = 16, CONTEXT_AT = 40 };
enum { EIP = 16, EFLAGS = 17, ERROR = 19 }; /* of the kernel's sigcontext, in words */
static const byte order[GENERAL] = {13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7};

static word call(word number, word a, word b, word c, word d)
{
    register word fourth __asm__("r10") = d;
    register word fifth __asm__("r8") = -1ul;
    register word sixth __asm__("r9") = 0;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return number;
}
#else
enum { SYS_READ = 3, SYS_WRITE = 4, SYS_OPEN = 5, SYS_MPROTECT = 125, SYS_SIGACTION = 174, SYS_EXIT = 252 };
enum { SYS_MMAP = 90, SYS_SIGALTSTACK = 186, GENERAL = 8, CONTEXT_AT = 20 };
enum { EIP = 14, EFLAGS = 16, ERROR = 13, FP_STATE = 19 };
static const byte order[GENERAL] = {11, 10, 9, 8, 7, 6, 5, 4};

static word call(word number, word a, word b, word c, word d)
{
    __asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return number;
}
#endif

enum { READ_WRITE = 3, READ_EXECUTE = 5, ALL = 7, FIXED_PRIVATE_ANONYMOUS = 0x32 };
enum { WITH_INFO_ON_STACK_NODEFER_RESTORER = 0x4c000004, SI_CODE_AT = 8, SI_ADDRESS_AT = sizeof(word) == 8 ? 16 : 12 };
byte fx_state[512] __attribute__((aligned(16))), high_state[256];
static byte stack[1 << 16], maps[1 << 16];

/* A handler begins with the vectors as the case has left them, and with DF: QEMU does not reset them. */
void on_signal(void);
__asm__(
    "on_signal: cld\n\t"
    "fxsave fx_state\n\t"
#ifdef AVX
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n\tvextractf128 $1, %ymm\\n, high_state + 16 * \\n\n\t.endr\n\t"
#ifdef __x86_64__
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n\tvextractf128 $1, %ymm\\n, high_state + 16 * \\n\n\t.endr\n\t"
#endif
#endif
    "jmp record");

static void copy(void *to, const void *from, word size)
{
    size /= sizeof(word);
#ifdef __x86_64__
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#endif
}

/* In a program of 32 bits the x87 was reset when the frame took what FNSAVE stores: cw, sw and tw in 4 bytes each, and from
 * the 28th byte on ST0 to ST7. What of a tag FXSAVE has is whether it is not 3. */
static void take_x87(const word *registers)
{
#ifndef __x86_64__
    const byte *saved = (const byte *)registers[FP_STATE];
    unsigned tags = saved[8] | saved[9] << 8;
    fx_state[0] = saved[0], fx_state[1] = saved[1], fx_state[2] = saved[4], fx_state[3] = saved[5], fx_state[4] = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((tags >> 2 * i & 3) != 3)
            fx_state[4] |= 1 << i;
        for (unsigned at = 0; at < 10; at++)
            fx_state[32 + 16 * i + at] = saved[28 + 10 * i + at];
    }
#else
    (void)registers;
#endif
}

/* Does not return to what was interrupted, but goes on with the next case. */
__attribute__((used, noreturn)) void record(int number, const byte *info, const byte *context)
{
    const word *registers = (const word *)(context + CONTEXT_AT);
    byte *out = (byte *)(word)*(uint64 *)((byte *)(word)*(uint64 *)CONTROL + 16);
    for (int i = 0; i < GENERAL; i++)
        ((uint64 *)out)[i] = registers[order[i]];
    *(uint64 *)(out + RFLAGS_AT) = registers[EFLAGS];
    *(uint64 *)(out + VECTOR_AT) = OF_SIGNAL | number | (uint64) * (const unsigned *)(info + SI_CODE_AT) << 32;
    *(uint64 *)(out + ERROR_AT) = registers[ERROR];
    *(uint64 *)(out + CR2_AT) = *(const word *)(info + SI_ADDRESS_AT);
    *(uint64 *)(out + RIP_AT) = registers[EIP];
    take_x87(registers);
    copy(out + FX_AT, fx_state, 512);
    copy(out + DATA_AT, (void *)ACROSS, ACROSS_SIZE);
    copy(out + DATA_AT + ACROSS_SIZE, (void *)AT_END, AT_END_SIZE);
    copy(out + HIGH_AT, high_state, 256);
    (*(void (**)(void))(HARNESS + 8))();
    __builtin_unreachable();
}

static void quit(word status)
{
    for (;;)
        call(SYS_EXIT, status, 0, 0, 0);
}

static void map(word address, word size)
{
#ifdef __x86_64__
    word got = call(SYS_MMAP, address, size, ALL, FIXED_PRIVATE_ANONYMOUS);
#else
    word arguments[6] = {address, size, ALL, FIXED_PRIVATE_ANONYMOUS, -1ul, 0};
    word got = call(SYS_MMAP, (word)arguments, 0, 0, 0);
#endif
    if (got != address)
        quit(3);
}

/* Whether all of it was there; a transfer that ends early ends the program. */
static void transfer(word number, void *buffer, word size)
{
    for (byte *at = buffer; size;) {
        word done = call(number, number == SYS_WRITE, (word)at, size, 0);
        if (!done || done > size)
            quit(done ? 2 : 0);
        at += done;
        size -= done;
    }
}

static void tell_maps(void)
{
    word file = call(SYS_OPEN, (word) "/proc/self/maps", 0, 0, 0);
    uint64 size = 0;
    for (word got; (got = call(SYS_READ, file, (word)(maps + size), sizeof maps - size, 0)) && got <= sizeof maps;)
        size += got;
    transfer(SYS_WRITE, &size, sizeof size);
    transfer(SYS_WRITE, maps, size);
}

static void catch_signals(void)
{
    static const byte numbers[] = {4, 5, 7, 8, 11}; /* ILL, TRAP, BUS, FPE, SEGV */
    word alternate[3] = {(word)stack, 0, sizeof stack};
    word action[5] = {(word)on_signal, WITH_INFO_ON_STACK_NODEFER_RESTORER, (word)on_signal, 0, 0};
    call(SYS_SIGALTSTACK, (word)alternate, 0, 0, 0);
    for (word i = 0; i < sizeof numbers; i++)
        if (call(SYS_SIGACTION, numbers[i], (word)action, 0, 8))
            quit(4);
}

__attribute__((used)) void begin(void)
{
    uint64 size, sizes[4]; /* of the batch, of the results, where cases begin and end */
    map(HARNESS, HARNESS_SIZE);
    map(CONTROL, CONTROL_SIZE);
    map(ACROSS & -4096ul, 8192);
    map(AT_END & -4096ul, 4096);
    map(BATCH, BATCH_SIZE);
    map(RESULTS, RESULTS_SIZE);
    catch_signals();
    transfer(SYS_READ, &size, sizeof size);
    transfer(SYS_READ, (void *)HARNESS, size);
    tell_maps();
    for (;;) {
        transfer(SYS_READ, sizes, sizeof sizes);
        transfer(SYS_READ, (void *)BATCH, sizes[0]);
        map(RESULTS, RESULTS_SIZE); /* zeros again */
        ((uint64 *)CONTROL)[0] = sizes[2];
        ((uint64 *)CONTROL)[1] = sizes[3];
        call(SYS_MPROTECT, BATCH, BATCH_SIZE, BATCH >> 16 >> 16 ? ALL : READ_EXECUTE, 0);
        (*(void (**)(void))HARNESS)();
        call(SYS_MPROTECT, BATCH, BATCH_SIZE, READ_WRITE, 0);
        transfer(SYS_WRITE, (void *)RESULTS, sizes[1]);
    }
}

__asm__(".globl _start\n_start:\n\t"
#ifdef __x86_64__
        "and $-16, %rsp\n\t"
#else
        "and $-16, %esp\n\t"
#endif
        "call begin");
