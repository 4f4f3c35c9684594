/* Functions that Unicorn's library has of glibc, in their first version, so that the native part loads with every glibc since
 * 2.17. Newer versions differ in what they do for errors (log, pow), or in the library that they are in.
 */
#include <features.h>
#include <pthread.h>
#include <signal.h>

#if defined __GLIBC__ && defined __x86_64__
#define FIRST_VERSION "GLIBC_2.2.5"
#elif defined __GLIBC__ && defined __aarch64__
#define FIRST_VERSION "GLIBC_2.17"
#endif

#ifdef FIRST_VERSION
#define FIRST(type, name, parameters) \
    type first_##name parameters; \
    __asm__(".symver first_" #name ", " #name "@" FIRST_VERSION);
#else
#define FIRST(type, name, parameters) type first_##name parameters __asm__("__real_" #name);
#endif

#define WRAP(type, name, parameters, arguments) \
    FIRST(type, name, parameters) \
    type __wrap_##name parameters; \
    type __wrap_##name parameters { return first_##name arguments; }

WRAP(double, log, (double x), (x))
WRAP(double, pow, (double x, double y), (x, y))
WRAP(int, pthread_create, (pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with), (thread, how, run, with))
WRAP(int, pthread_join, (pthread_t thread, void **result), (thread, result))
WRAP(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
