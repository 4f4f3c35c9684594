/* The work of bench/work.py: `work NAME ROUNDS`. Each prints a sum, which is the same on every machine. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t random_state = 88172645463325252ull;

static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static uint64_t integer(void)
{
    uint64_t sum = 0;

    for (uint64_t i = 1; i < 1000000; i++) {
        uint64_t word = random_word();
        sum += word * i ^ (word >> (i & 31)) ^ word % (i | 1);
    }
    return sum;
}

/* A sort and a small interpreter: branches that are hard to foresee, calls, indirect jumps. */
static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t branchy(void)
{
    enum { COUNT = 20000 };
    static uint32_t values[COUNT];
    uint64_t sum = 0;

    for (int i = 0; i < COUNT; i++)
        values[i] = random_word();
    for (int i = 0; i < 10 * COUNT; i++)
        switch (values[i % COUNT] >> 3 & 7) {
        case 0: sum += i; break;
        case 1: sum ^= values[i % COUNT]; break;
        case 2: sum = sum << 3 | sum >> 61; break;
        case 3: sum -= 77; break;
        case 4: sum *= 5; break;
        case 5: sum = ~sum; break;
        case 6: if (sum & 1) sum >>= 1; break;
        default: sum += values[(sum + i) % COUNT];
        }
    qsort(values, COUNT, sizeof *values, by_value);
    return sum + values[COUNT / 2];
}

static uint64_t copies(void)
{
    enum { SIZE = 256 << 10 };
    static char from[SIZE + 64], to[SIZE + 64];

    for (int i = 0; i < 400; i++)
        memcpy(to + (i & 31), from + (i >> 3 & 31), SIZE);
    return (unsigned char)to[SIZE / 2];
}

static uint64_t matmul(void)
{
    typedef float Four __attribute__((vector_size(16)));
    enum { N = 96 };
    static float a[N][N];
    static Four b[N][N / 4], c[N][N / 4];

    for (int i = 0; i < N * N; i++) {
        a[i / N][i % N] = i % 13;
        ((float *)b)[i] = i % 7;
    }
    memset(c, 0, sizeof c);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N / 4; j++)
                c[i][j] += a[i][k] * b[k][j];
    return ((float *)c)[N * N / 2];
}

static uint64_t x87(void)
{
    volatile long double step = 1.0000001L;
    long double sum = 0, x = 1;

    for (int i = 1; i < 300000; i++) {
        x = x * step + 1.0L / i;
        sum += __builtin_sqrtl(x) - x / 3;
    }
    return (int64_t)sum;
}

static uint64_t syscalls(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < 100000; i++)
        sum += syscall(SYS_getppid) > 0;
    return sum;
}

static uint64_t faults(void)
{
    enum { PAGES = 4096, PAGE = 4096 };
    uint64_t sum = 0;
    char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i++)
        sum += ++memory[i * PAGE];
    munmap(memory, PAGES * PAGE);
    return sum;
}

static uint64_t forks(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < 200; i++) {
        int status, child = fork();
        if (!child)
            _exit(i & 63);
        waitpid(child, &status, 0);
        sum += WEXITSTATUS(status);
    }
    return sum;
}

static uint64_t pipes(void)
{
    int there[2], back[2];
    char byte = 0;
    uint64_t sum = 0;

    if (pipe(there) || pipe(back))
        exit(1);
    int child = fork();
    if (!child) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
            ;
        _exit(0);
    }
    for (int i = 0; i < 5000; i++) {
        byte = i;
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            exit(1);
        sum += (unsigned char)byte;
    }
    close(there[1]);
    waitpid(child, NULL, 0);
    close(there[0]), close(back[0]), close(back[1]);
    return sum;
}

int main(int argc, char **argv)
{
    static const struct { const char *name; uint64_t (*work)(void); } works[] = {
        {"integer", integer}, {"branchy", branchy}, {"memcpy", copies}, {"matmul", matmul}, {"x87", x87},
        {"syscalls", syscalls}, {"faults", faults}, {"fork", forks}, {"pipes", pipes},
    };

    for (unsigned i = 0; argc == 3 && i < sizeof works / sizeof *works; i++) {
        if (strcmp(argv[1], works[i].name))
            continue;
        uint64_t sum = 0;
        for (int round = atoi(argv[2]); round; round--)
            sum += works[i].work();
        printf("%s: %llu\n", argv[1], (unsigned long long)sum);
        return 0;
    }
    return 2;
}
