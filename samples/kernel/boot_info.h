/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MEMORY_USABLE 1

struct memory_region {
    uint64_t start, size;
    uint32_t type;
};

struct boot_info {
    const char *loader;
    char command_line[256];
    unsigned region_count;
    struct memory_region regions[32];
};

extern struct boot_info boot_info;

/* Copies what the loader left at the physical address before anything is allocated over it. */
void boot_info_init(uint32_t loader, uint32_t information);
void boot_info_print(void);
/* Is WORD one of the words of the command line? */
bool command_line_has(const char *word);
/* Copies the value of NAME= (with its equals sign), "" if it is not there. */
void command_line_value(const char *name, char *value, unsigned size);
