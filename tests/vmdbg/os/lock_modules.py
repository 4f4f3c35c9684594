"""Modules whose threads take locks and wait for them, each in its place when the guest has run for a while."""

from __future__ import annotations

from tests.vmdbg.os.built_module import built_module, module_bytes
from tests.vmdbg.os.kernels import Kernel

_FRAME = """
typedef unsigned long ulong;
typedef int thread(void *);
extern void *kthread_create_on_node(thread *f, void *data, int node, const char *name, ...);
extern void kthread_bind(void *task, unsigned cpu);
extern int wake_up_process(void *task);
extern long schedule_timeout_uninterruptible(long ticks);
extern void mutex_lock(void *lock);
extern void down_read(void *lock);
extern void down_write(void *lock);
extern void down(void *lock);
extern void rt_mutex_lock(void *lock);
extern void _raw_spin_lock(void *lock);
extern void _raw_spin_unlock(void *lock);
ulong first[16], second[16], register_of_names[16], seats[16], urgent[16], upper[16], lower[16];

static void start(thread *f, const char *name, int cpu)
{
    void *task = kthread_create_on_node(f, 0, -1, name);
    if (cpu >= 0)
        kthread_bind(task, cpu);
    wake_up_process(task);
}
static void later(long ticks) { schedule_timeout_uninterruptible(ticks); }
static int forever(void) { for (;;) later(1000); return 0; }
static void list_head(void *lock, int offset)
{
    ulong *head = (void *)((char *)lock + offset);
    head[0] = LISTS ? (ulong)head : 0;
    head[1] = LISTS ? (ulong)head : 0;
}
"""
SLEEPING = """
enum { FIRST = 1, SECOND = 2, IN_CIRCLE = 4, READ = 8, TO_WRITE = 16, SEATED = 32, URGENT = 64 };
static volatile int done;
static void is(int what) { __atomic_or_fetch(&done, what, __ATOMIC_SEQ_CST); }
static void after(int what) { while (!(done & what)) later(1); }
static int one(void *p) { mutex_lock(first); is(FIRST); after(SECOND); mutex_lock(second); return forever(); }
static int two(void *p)
{
    mutex_lock(second);
    is(SECOND);
    after(FIRST);
    is(IN_CIRCLE);
    mutex_lock(first);
    return forever();
}
static int third(void *p) { after(IN_CIRCLE); later(5); mutex_lock(first); return forever(); }
static int reader(void *p) { down_read(register_of_names); is(READ); return forever(); }
static int writer(void *p) { after(READ); is(TO_WRITE); down_write(register_of_names); return forever(); }
static int late(void *p) { after(TO_WRITE); later(5); down_read(register_of_names); return forever(); }
static int seated(void *p) { down(seats); is(SEATED); return forever(); }
static int standing(void *p) { after(SEATED); down(seats); return forever(); }
static int eager(void *p) { rt_mutex_lock(urgent); is(URGENT); return forever(); }
static int calm(void *p) { after(URGENT); rt_mutex_lock(urgent); return forever(); }
int init_module(void)
{
    list_head(first, 16);
    list_head(second, 16);
    list_head(register_of_names, 24);
    list_head(seats, 8);
    ((unsigned *)seats)[1] = 1;
    start(one, "abba-1", -1);
    start(two, "abba-2", -1);
    start(third, "third", -1);
    start(reader, "reader", -1);
    start(writer, "writer", -1);
    start(late, "late-reader", -1);
    start(seated, "seated", -1);
    start(standing, "standing", -1);
    start(eager, "eager", -1);
    start(calm, "calm", -1);
    return 0;
}
void cleanup_module(void) {}
"""
"""Two in a circle and a third, a reader before a writer before a reader, a full semaphore, an rt_mutex."""
SPINNING = """
static void wait_a_little(void) { for (volatile int n = 0; n < 3000000; n++) ; }
static int up(void *p) { later(20); _raw_spin_lock(lower); wait_a_little(); _raw_spin_lock(upper); return 0; }
static int down_(void *p) { later(20); _raw_spin_lock(upper); wait_a_little(); _raw_spin_lock(lower); return 0; }
static int third(void *p) { later(30); wait_a_little(); wait_a_little(); _raw_spin_lock(upper); return 0; }
int init_module(void)
{
    start(up, "spin-up", 1);
    start(down_, "spin-down", 2);
    start(third, "spin-third", 3);
    return 0;
}
void cleanup_module(void) {}
"""
"""Two in a circle that each have what the other wants, and a third; on CPUs 1 to 3 of at least four."""


def lock_module(kernel: Kernel, name: str, source: str) -> bytes:
    """The `.ko`."""
    version = tuple(int(part) for part in kernel.release.split("-")[0].split("+")[0].split(".")[:2])
    words = f"#define LISTS {int(version < (7, 1))}\n"
    return module_bytes(built_module(kernel, name, words + _FRAME + source))
