"""Modules that do one wrong thing each when they are loaded, for a guest that is to be caught at it."""

from __future__ import annotations

from tests.vmdbg.os.built_module import built_module, module_bytes
from tests.vmdbg.os.kernels import Kernel

_FRAME = """
typedef unsigned long ulong;
extern void panic(const char *format, ...);
extern void __warn_printk(const char *format, ...);
extern long schedule_timeout_uninterruptible(long ticks);
extern void schedule(void);
extern void _raw_spin_lock(void *lock);
extern void _raw_spin_unlock(void *lock);
extern void *KMALLOC(ulong size, unsigned flags);
extern void kfree(const void *block);
extern char *__kfence_pool;
extern void __rcu_read_lock(void);
extern void __rcu_read_unlock(void);
extern void call_rcu(void *head, void (*later)(void *head));
extern int __cond_resched(void);
extern ulong start_poll_synchronize_rcu(void);
static int lock[16];
static __attribute__((unused)) void later(void *head) { (void)head; }
static volatile ulong wild = 0x6b6b6b6b6b6b6b6bUL;
static volatile ulong none, sum;

#define ENTRY(flags) \\
    ".pushsection __bug_table,\\"aw\\"\\n2: .long 1b - 2b\\n" FORMAT " .long 3f - " FROM "\\n" \\
    " .word 42, " #flags "\\n" \\
    ".balign 4\\n .popsection\\n .pushsection .rodata.str1.1,\\"aMS\\",@progbits,1\\n3: .asciz \\"provoked.c\\"\\n" \\
    " .popsection\\n"
#define BUG() __asm__ volatile("1: ud2\\n" ENTRY(0))
#define WARN() __asm__ volatile("1: ud2\\n" ENTRY(1))

static void busy(ulong turns)
{
    while (turns--)
        __asm__ volatile(".rept 200\\n.byte 0x66,0x66,0x66,0x66,0x66,0x66,0x2e,0x0f,0x1f,0x84,0,0,0,0,0\\n.endr");
}
static __attribute__((noinline, unused)) ulong deep(ulong n)
{
    volatile ulong room[32];
    room[n & 31] = n;
    return deep(n + 1) + room[n & 31];
}
static __attribute__((noinline)) long provoke(void)
{
    (void)busy; (void)lock; (void)wild; (void)none; (void)sum;
    ACTION
    return 0;
}
int init_module(void) { provoke(); return 0; }
void cleanup_module(void) {}
"""
ACTIONS = {
    "wild_pointer": "return *(volatile long *)wild;",
    "null_pointer": "*(volatile long *)none = 1;",
    "bug": "BUG();",
    "warning": '__warn_printk("provoked %d\\n", 7); WARN();',
    "divide": "return 7 / none;",
    "deep_stack": "return deep(0);",
    "atomic": "LOCK; schedule(); UNLOCK;",
    "hang": "schedule_timeout_uninterruptible(3000);",
    "soft_lockup": "LOCK; busy(1300000); UNLOCK;",
    "rcu_stall": "READ; START; DELAY; for (int n = 0; n < 60; n++) { busy(50000); YIELD; } UNREAD;",
    "freed": """
        for (int n = 0; n < 300000; n++) {
            volatile char *block = KMALLOC(64, 0xcc0);
            kfree((void *)block);
            if ((ulong)block - (ulong)__kfence_pool < 1 << 20)
                return block[8];
        }""",
}


def provocation(kernel: Kernel, name: str) -> bytes:
    """The `.ko` that does it."""
    version = tuple(int(part) for part in kernel.release.split("-")[0].split("+")[0].split(".")[:2])
    words = {
        "FORMAT": '" .long 3f - .\\n"' if version >= (6, 18) else '""',
        "LOCK": "_raw_spin_lock(lock)" if version >= (6, 1) else "(void)0",
        "UNLOCK": "_raw_spin_unlock(lock)" if version >= (6, 1) else "(void)0",
        "START": "start_poll_synchronize_rcu()" if version >= (6, 1) else "call_rcu(lock, later)",
        "YIELD": "__cond_resched()" if (6, 1) <= version < (7, 0) else "(void)0",
        "READ": "__rcu_read_lock()" if version >= (6, 1) else "(void)0",
        "UNREAD": "__rcu_read_unlock()" if version >= (6, 1) else "(void)0",
        "DELAY": "(void)0" if version >= (6, 1) else "schedule_timeout_uninterruptible(1)",
        "FROM": '"."' if version >= (5, 19) else '"2b"',
        "KMALLOC": "__kmalloc_noprof" if version >= (6, 10) else "__kmalloc",
        "ACTION": ACTIONS[name].replace("\n", " "),
    }
    source = "".join(f"#define {word} {value}\n" for word, value in words.items()) + _FRAME
    return module_bytes(built_module(kernel, name, source))
