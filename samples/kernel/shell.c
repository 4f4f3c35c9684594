// SPDX-License-Identifier: GPL-2.0-or-later
#include "shell.h"

#include <stddef.h>

#include "boot_info.h"
#include "bugs.h"
#include "demo.h"
#include "pages.h"
#include "pit.h"
#include "power.h"
#include "printk.h"
#include "serial.h"
#include "task.h"
#include "text.h"
#include "thread.h"

#define LINE_SIZE 80
#define BACKSPACE '\b'
#define DELETE 0x7f

struct command {
    const char *name, *help;
    void (*run)(const char *argument);
};

static void do_bug(const char *argument)
{
    if (bug_plant(argument))
        bug_run();
    else
        bugs_print();
}

static void do_demo([[maybe_unused]] const char *argument) { demo_run(); }

static void do_memory([[maybe_unused]] const char *argument)
{
    boot_info_print();
    printk("memory: %lu pages in use\n", pages_in_use());
}

static void do_poweroff([[maybe_unused]] const char *argument)
{
    printk("bye\n");
    machine_power_off();
}

static void do_threads([[maybe_unused]] const char *argument) { threads_print(); }

static void do_ticks([[maybe_unused]] const char *argument) { printk("%lu\n", timer_ticks()); }

static void do_user([[maybe_unused]] const char *argument) { thread_join(task_create("user")); }

static void do_help(const char *argument);

static const struct command commands[] = {
    {"bug", "NAME: plant a bug and run into it", do_bug},
    {"demo", "run the demonstration again", do_demo},
    {"help", "this list", do_help},
    {"memory", "the loader's memory map and the pages in use", do_memory},
    {"poweroff", "switch the machine off", do_poweroff},
    {"threads", "who there is and what they do", do_threads},
    {"ticks", "timer interrupts since boot", do_ticks},
    {"user", "run the ring 3 task again", do_user},
};

static void do_help([[maybe_unused]] const char *argument)
{
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        printk("  %-9s %s\n", commands[i].name, commands[i].help);
}

static void read_line(char *line)
{
    unsigned length = 0;
    for (;;) {
        char c = serial_get();
        if (c == '\r' || c == '\n')
            break;
        if ((c == BACKSPACE || c == DELETE) && length > 0) {
            length--;
            printk("\b \b");
        } else if (c >= ' ' && c < DELETE && length + 1 < LINE_SIZE) {
            line[length++] = c;
            console_put(c);
        }
    }
    line[length] = 0;
    console_put('\n');
}

/* Ends the first word of LINE and returns what follows it. */
static const char *split(char *line)
{
    while (*line && *line != ' ')
        line++;
    while (*line == ' ')
        *line++ = 0;
    return line;
}

static void execute(char *line)
{
    const char *argument = split(line);
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        if (text_equal(commands[i].name, line)) {
            commands[i].run(argument);
            return;
        }
    if (*line)
        printk("%s: no such command; try help\n", line);
}

void shell_run(void)
{
    char line[LINE_SIZE];
    for (;;) {
        printk("sample> ");
        read_line(line);
        execute(line);
    }
}
