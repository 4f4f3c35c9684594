/* Pages of memory that are to hold something else than they do, and are put back once they are accessed.
 *
 * The host's MMU refuses every access to them, so that none can be forgotten: whatever makes one, translated code, a walk
 * of page tables, a device, Python, waits in a signal's handler until the page holds what it should. Where accesses begin
 * it is asked for beforehand, without a signal. An access of the host's kernel, for a system call, fails instead. In a
 * copy of the process the same pages are owed.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

enum { TOGETHER = 16,                       /* neighbours that are put back with a page */
       TRIES = 3,
       MOST_STRETCHES = 1 << 13 };          /* of owed pages: a process has some 65,000 mappings, and each takes one or two */

static Vm *owing;                           /* machines that have owed something, by next_owing */
static struct sigaction others;             /* who sees to faults that are none of ours */

static uint64_t page_count(const Vm *vm)
{
    return vm->memory_size >> PAGE_SHIFT;
}

static bool protect(const Vm *vm, uint64_t first, uint64_t end, int protection)
{
    return !mprotect(vm->memory + (first << PAGE_SHIFT), (end - first) << PAGE_SHIFT, protection);
}

/* From one page up to another none that is owed can be accessed. */
static bool close_owed(const Vm *vm, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t behind = first;
        while (behind < end && vm->owed[behind])
            behind++;
        if (behind > first && !protect(vm, first, behind, PROT_NONE))
            return false;
        first = behind + 1;
    }
    return true;
}

static void open_all(const Vm *vm)
{
    if (!protect(vm, 0, page_count(vm), PROT_READ | PROT_WRITE))
        abort();                            /* one mapping is less than there were */
}

static void paid(Vm *vm, uint64_t page)
{
    vm->owed_count -= vm->owed[page];
    vm->owed[page] = 0;
}

/* Has what is owed of these pages put back. If that cannot be had they stay owed, and as they are; where guest code runs,
 * whose run ends for that, it can access them meanwhile. */
static bool put_back(Vm *vm, uint64_t first, uint64_t end)
{
    if (!protect(vm, first, end, PROT_READ | PROT_WRITE)) {
        first = 0, end = page_count(vm);
        open_all(vm);
    }
    if (bus_put_back(vm->owner, first, end - first)) {
        for (uint64_t page = first; page < end; page++)
            paid(vm, page);
        return true;
    }
    if (!vm->running && !close_owed(vm, first, end))
        abort();
    return false;
}

/* Memory is about to be accessed. Returns whether what is owed there could be had. */
bool owed_settle(Vm *vm, uint64_t at, uint64_t size)
{
    uint64_t first = at >> PAGE_SHIFT, end = (at + size - 1) / (TOGETHER << PAGE_SHIFT) * TOGETHER + TOGETHER;

    if (!vm->owed_count || !size)
        return true;
    end = end < page_count(vm) ? end : page_count(vm);
    for (uint64_t page = first; page < end && (page << PAGE_SHIFT) < at + size; page++)
        if (vm->owed[page])
            return put_back(vm, page / TOGETHER * TOGETHER, end);
    return true;
}

static void on_fault(int number, siginfo_t *info, void *context);

static bool is_ours(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_fault;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (others.sa_flags & SA_SIGINFO)
        others.sa_sigaction(number, info, context);
    else if (others.sa_handler != SIG_DFL && others.sa_handler != SIG_IGN)
        others.sa_handler(number);
    else
        signal(number, SIG_DFL);            /* and is made again */
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    static const char words[] = "vmdbg: a page of a checkpoint that is read now is damaged: replay without checkpoints\n";
    int saved = errno;

    for (Vm *vm = owing; vm; vm = vm->next_owing) {
        uint64_t at = (uintptr_t)info->si_addr - (uintptr_t)vm->memory;
        if (at >= vm->memory_size || !vm->owed[at >> PAGE_SHIFT])
            continue;
        bool settled = owed_settle(vm, at, 1) || vm->running;
        for (int again = 0; !settled && again < TRIES; again++)
            settled = owed_settle(vm, at, 1);   /* a Ctrl-C may have come */
        if (!settled) {
            (void)!write(STDERR_FILENO, words, sizeof words - 1);
            _exit(1);                       /* rather than something that is not so */
        }
        errno = saved;
        return;
    }
    pass_on(number, info, context);
}

/* From now on the handler is ours, whoever has put in another since the last time. */
static bool take_faults(void)
{
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER}, now;

    if (sigaction(SIGSEGV, NULL, &now))
        return false;
    if (is_ours(&now))
        return true;
    others = now;
    return !sigaction(SIGSEGV, &ours, NULL);
}

static void take_out(const Vm *vm)
{
    if (owing == vm)
        owing = vm->next_owing;
    for (Vm *other = owing; other; other = other->next_owing)
        if (other->next_owing == vm)
            other->next_owing = vm->next_owing;
}

/* Whoever has been where its memory is now, and was never freed, owes nothing. */
static void note_owing(Vm *vm)
{
    for (Vm *other = owing, *next; other; other = next) {
        next = other->next_owing;
        if (other->memory < vm->memory + vm->memory_size && vm->memory < other->memory + other->memory_size)
            take_out(other);
    }
    vm->next_owing = owing;
    owing = vm;
}

/* The machine is freed. */
void owed_forget(Vm *vm)
{
    take_out(vm);
    if (vm->owed)
        open_all(vm);
    free(vm->owed);
}

static bool too_many_stretches(const Vm *vm)
{
    uint64_t found = 0;

    for (uint64_t page = 1; page < page_count(vm); page++)
        found += vm->owed[page] > vm->owed[page - 1];
    return found > MOST_STRETCHES;
}

/* These pages, by rising numbers, are to hold what Python will say once they are accessed; nothing is marked dirty. Code
 * that was translated from them is dropped. False: this host cannot do that; then they are owed, can be accessed all the
 * same, and are to be put back at once. */
bool vm_owe_pages(Vm *vm, const uint32_t *pages, uint64_t count)
{
    if (!vm->owed && !(vm->owed = calloc(page_count(vm), 1)))
        abort();
    for (uint64_t i = 0; i < count; i++) {
        vm->owed_count += !vm->owed[pages[i]];
        vm->owed[pages[i]] = 1;
        if (vm->is_code[pages[i]])
            vm_code_changed(vm, (uint64_t)pages[i] << PAGE_SHIFT, 1 << PAGE_SHIFT);
    }
    vm_flush_engine_tlb(vm);
    if (sysconf(_SC_PAGESIZE) == 1 << PAGE_SHIFT && !too_many_stretches(vm) && take_faults()) {
        note_owing(vm);
        if (!count || close_owed(vm, pages[0], (uint64_t)pages[count - 1] + 1))
            return true;
    }
    open_all(vm);
    return false;
}

/* These pages, by rising numbers, can be accessed, to be put back: vm_pages_restored() says when they are. False: what is
 * owed of others could not be had, and nothing was done. */
bool vm_open_pages(Vm *vm, const uint32_t *pages, uint64_t count)
{
    for (uint64_t i = 0; i < count && vm->owed_count; i++) {
        uint64_t first = pages[i];
        while (i + 1 < count && pages[i + 1] == pages[i] + 1)
            i++;
        if (!protect(vm, first, (uint64_t)pages[i] + 1, PROT_READ | PROT_WRITE))
            return put_back(vm, 0, page_count(vm));
    }
    return true;
}

/* A page holds what it should. */
void owed_paid(Vm *vm, uint64_t page)
{
    if (vm->owed_count)
        paid(vm, page);
}
