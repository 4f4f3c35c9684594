/* Linux's own use of protection keys at ring 3: pkey_mprotect, signals, system calls, processes that switch, memory that can
 * only be executed. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 300 };

static sigjmp_buf back;
static volatile int code, key;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    code = info->si_code;
    key = code == SEGV_PKUERR ? (int)info->si_pkey : -1;
    siglongjmp(back, 1);
}

/* What an access comes to. */
static const char *refused(volatile char *at, int write)
{
    static char words[40];

    if (sigsetjmp(back, 1)) {
        snprintf(words, sizeof words, "%s key %d", code == SEGV_PKUERR ? "PKUERR" : code == SEGV_ACCERR ? "ACCERR" : "other", key);
        return words;
    }
    if (write)
        *at = 'w';
    else
        (void)*at;
    return "allowed";
}

static void show(const char *what, volatile char *at)
{
    printf("%s: read %s", what, refused(at, 0));
    printf(", write %s\n", refused(at, 1));
}

/* Whether the rights stay the process's own while others run. */
static int keeps(volatile char *at, int pkey, unsigned rights)
{
    for (int round = 0; round < ROUNDS; round++) {
        pkey_set(pkey, rights);
        sched_yield();
        if (pkey_get(pkey) != (int)rights)
            return 0;
        if (!strcmp(refused(at, 1), "allowed") != !rights)
            return 0;
    }
    return 1;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    char *data = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *code_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pipes[2], status, well = 1, pkey = pkey_alloc(0, 0);

    sigaction(SIGSEGV, &action, NULL);
    printf("key %d\n", pkey);
    if (pkey < 0 || pipe(pipes) || pkey_mprotect(data, PAGE, PROT_READ | PROT_WRITE, pkey))
        return 1;
    show("open", data);
    pkey_set(pkey, PKEY_DISABLE_WRITE);
    show("no writes", data);
    pkey_set(pkey, PKEY_DISABLE_ACCESS);
    show("no access", data);
    show("the page behind", data + PAGE);
    printf("the kernel: %s\n", write(pipes[1], data, 1) < 0 && errno == EFAULT ? "EFAULT" : "wrote");
    memcpy(code_page, "\xb8\x2a\0\0\0\xc3", 6);     /* mov eax, 42; ret */
    mprotect(code_page, PAGE, PROT_EXEC);
    printf("executes %d, read %s\n", ((int (*)(void))code_page)(), strncmp(refused(code_page, 0), "PKUERR", 6) ? "allowed" : "PKUERR");
    fflush(stdout);
    for (int child = 0; child < 3; child++)
        if (!fork())
            _exit(keeps(data, pkey, child) ? 0 : 1);
    while (wait(&status) > 0)
        well &= WIFEXITED(status) && !WEXITSTATUS(status);
    puts(well ? "rights kept" : "rights LOST");
    return 0;
}
