/* Vectors at ring 3: glibc's string functions, a product of matrices, and two processes that keep their registers. */
#include <immintrin.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIDE = 64, ROUNDS = 2000, TEXT = 5000 };

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    for (const unsigned char *at = data; size--; at++)
        h = (h ^ *at) * 1099511628211ull;
    return h;
}

static uint64_t strings(void)
{
    static char text[TEXT + 64], other[TEXT + 64];
    uint64_t h = 14695981039346656037ull;

    for (int offset = 0; offset < 40; offset++)
        for (int length = 0; length < 300; length += 7) {
            memset(text, 'a' + offset % 26, sizeof text);
            text[offset + length] = 0;
            memcpy(other + offset / 2, text + offset, length + 1);
            size_t values[] = {strlen(text + offset), strcmp(text + offset, other + offset / 2) == 0,
                               (size_t)(strchr(text + offset, 'z') != NULL), (size_t)((char *)memchr(text, 0, TEXT) - text),
                               memcmp(text, other, length) < 0, strnlen(text + offset, 90),
                               (size_t)(strrchr(text + offset, 'a' + offset % 26) - text)};
            memmove(text + 3, text, TEXT);
            h = hash(h, values, sizeof values);
            h = hash(h, text, 400);
        }
    return h;
}

static float a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

__attribute__((target("avx2,fma"))) static void multiply_avx2(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j += 8) {
            __m256 sum = _mm256_setzero_ps();
            for (int k = 0; k < SIDE; k++)
                sum = _mm256_fmadd_ps(_mm256_set1_ps(a[i][k]), _mm256_loadu_ps(&b[k][j]), sum);
            _mm256_storeu_ps(&c[i][j], sum);
        }
}

static void multiply_sse(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j += 4) {
            __m128 sum = _mm_setzero_ps();
            for (int k = 0; k < SIDE; k++)
                sum = _mm_add_ps(sum, _mm_mul_ps(_mm_set1_ps(a[i][k]), _mm_loadu_ps(&b[k][j])));
            _mm_storeu_ps(&c[i][j], sum);
        }
}

static void fill(void)
{
    for (int i = 0; i < SIDE * SIDE; i++) {
        (&a[0][0])[i] = (i * 7919 % 1000) / 37.0f;
        (&b[0][0])[i] = (i * 104729 % 1000) / 41.0f - 9;
    }
}

static volatile sig_atomic_t signals;

__attribute__((target("avx2"))) static void on_signal(int number)
{
    (void)number;
    signals++;
    __asm__ volatile("vpcmpeqd %%ymm5, %%ymm5, %%ymm5; vzeroall" ::: "memory");
}

/* Whether YMM3 and YMM14 keep their values while others run. */
__attribute__((target("avx2"))) static int keeps(uint64_t seed)
{
    uint64_t in[8], out[8];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 8; i++)
            in[i] = (seed + round) * (2 * i + 1);
        long result = 62;                   /* kill, with or without a signal; then sched_yield */
        __asm__ volatile("vmovdqu (%1), %%ymm3; vmovdqu 32(%1), %%ymm14; syscall; mov $24, %%eax; syscall;"
                         "vmovdqu %%ymm3, (%2); vmovdqu %%ymm14, 32(%2)"
                         : "+a"(result) : "r"(in), "r"(out), "D"(getpid()), "S"(round % 50 ? 0 : SIGUSR1)
                         : "rcx", "r11", "memory", "xmm3", "xmm14");
        if (memcmp(in, out, sizeof in))
            return 0;
    }
    return signals == ROUNDS / 50;
}

int main(void)
{
    int status = 0, well = 1;

    signal(SIGUSR1, on_signal);
    printf("strings %016llx\n", (unsigned long long)strings());
    fill();
    multiply_avx2();
    printf("fma %016llx\n", (unsigned long long)hash(1, c, sizeof c));
    multiply_sse();
    printf("sse %016llx\n", (unsigned long long)hash(1, c, sizeof c));
    for (int child = 0; child < 3; child++)
        if (!fork())
            _exit(keeps(0x9e3779b97f4a7c15ull * (child + 1)) ? 0 : 1);
    while (wait(&status) > 0)
        well &= WIFEXITED(status) && !WEXITSTATUS(status);
    puts(well ? "kept" : "LOST");
    return 0;
}
