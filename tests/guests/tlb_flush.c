/* Two threads of one address space on two CPUs: one takes pages' rights away and gives them back, while the other runs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 8, FIRST = 1, COUNT = 3, ROUNDS = 20 };

static char *const area = (char *)0x10000000;
static atomic_bool runs, over;

static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void *bystander(void *unused)
{
    stay_on(1);
    while (!atomic_load(&over))
        atomic_store(&runs, 1);
    return unused;
}

int main(void)
{
    pthread_t other;

    stay_on(0);
    if (mmap(area, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != area)
        return 1;
    if (pthread_create(&other, 0, bystander, 0))
        return 2;
    while (!atomic_load(&runs))
        ;
    for (int round = 0; round < ROUNDS; round++) {
        for (int page = 0; page < PAGES; page++)
            area[page * PAGE] = round;
        mprotect(area + FIRST * PAGE, COUNT * PAGE, PROT_READ);
        mprotect(area + FIRST * PAGE, COUNT * PAGE, PROT_READ | PROT_WRITE);
    }
    atomic_store(&over, 1);
    pthread_join(other, 0);
    puts("flushed");
    return 0;
}
