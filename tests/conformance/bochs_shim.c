/* What bochscpu's wheel wants of a C library of 2.38 and later, for one that is older: C23's readings of numbers, which
 * take 0b for binary, too. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

unsigned long long __isoc23_strtoull(const char *text, char **end, int base);
int __isoc23_sscanf(const char *text, const char *format, ...);

unsigned long long __isoc23_strtoull(const char *text, char **end, int base)
{
    return strtoull(text, end, base);
}

int __isoc23_sscanf(const char *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int read = vsscanf(text, format, list);
    va_end(list);
    return read;
}
