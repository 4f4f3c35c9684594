/* Signals while guest code runs on the process's first thread.
 *
 * Python's handlers run between two of its instructions, so not for as long as native code runs; and then they may run,
 * and raise, in the midst of a device that the guest has accessed. So what Python installed is called by us: not while
 * guest code runs, which ends after its next block instead, but right after it. What is ignored or ends the process does
 * so at once, and a second signal of a kind is not held back: a device may wait for it.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm.h"

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};
enum { COUNT = sizeof numbers / sizeof *numbers };

static struct sigaction installed[COUNT];   /* by Python */
static Vm *running;                         /* on the first thread */
static uint32_t pending;                    /* a bit for each of `numbers` */

static void pass_on(int index, siginfo_t *info, void *context)
{
    const struct sigaction *to = &installed[index];

    if (to->sa_flags & SA_SIGINFO)
        to->sa_sigaction(numbers[index], info, context);
    else
        to->sa_handler(numbers[index]);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    Vm *vm = __atomic_load_n(&running, __ATOMIC_SEQ_CST);
    int saved = errno, index = 0;

    while (numbers[index] != number)
        index++;
    if (!vm || __atomic_fetch_or(&pending, 1u << index, __ATOMIC_SEQ_CST) >> index & 1)
        pass_on(index, info, context);
    if (vm)
        vm_interrupt(vm);
    errno = saved;
}

static bool on_first_thread(void)
{
    static __thread int known;              /* 1: it is, 2: another */

    if (!known)
        known = syscall(SYS_gettid) == getpid() ? 1 : 2;
    return known == 1;
}

/* What Python has installed since the last time is from now on called by us. */
void vm_take_signals(void)
{
    for (int i = 0; i < COUNT && on_first_thread(); i++) {
        struct sigaction now;
        if (sigaction(numbers[i], NULL, &now) || now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN ||
            (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal))
            continue;
        installed[i] = now;
        now.sa_flags |= SA_SIGINFO;
        now.sa_sigaction = on_signal;
        sigaction(numbers[i], &now, NULL);
    }
}

/* Guest code begins to run. Returns what signals_end() is to be given. */
Vm *signals_begin(Vm *vm)
{
    Vm *outer = running;

    if (on_first_thread())
        __atomic_store_n(&running, vm, __ATOMIC_SEQ_CST);
    return outer;
}

/* It has ended: Python hears of what came meanwhile, unless other guest code goes on. */
void signals_end(Vm *outer)
{
    if (!on_first_thread())
        return;
    __atomic_store_n(&running, outer, __ATOMIC_SEQ_CST);
    if (outer || !__atomic_load_n(&pending, __ATOMIC_SEQ_CST))
        return;
    uint32_t came = __atomic_exchange_n(&pending, 0, __ATOMIC_SEQ_CST);
    for (int i = 0; i < COUNT; i++)
        if (came >> i & 1)
            pass_on(i, NULL, NULL);
}
