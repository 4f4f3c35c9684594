// SPDX-License-Identifier: GPL-2.0-or-later
/* Multiboot 1 information (specification 0.6.96, 3.3) and PVH start info (Xen, start_info.h). */
#include "boot_info.h"

#include "layout.h"
#include "printk.h"
#include "text.h"

#define MULTIBOOT_HAS_MEMORY 0x01
#define MULTIBOOT_HAS_COMMAND_LINE 0x04
#define MULTIBOOT_HAS_MEMORY_MAP 0x40

struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr;
};

struct [[gnu::packed]] multiboot_mmap_entry {
    uint32_t size;
    uint64_t addr, len;
    uint32_t type;
};

struct pvh_start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
    uint32_t memmap_entries, reserved;
};

struct pvh_memmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved;
};

struct boot_info boot_info;

static const void *physical(uint64_t address)
{
    return address < KERNEL_WINDOW_SIZE ? (const void *)(KERNEL_BASE + address) : NULL;
}

static void add_region(uint64_t start, uint64_t size, uint32_t type)
{
    if (boot_info.region_count < sizeof boot_info.regions / sizeof *boot_info.regions && size)
        boot_info.regions[boot_info.region_count++] = (struct memory_region){start, size, type};
}

static void set_command_line(uint64_t address)
{
    const char *text = address ? physical(address) : NULL;
    if (text)
        text_copy(boot_info.command_line, text, sizeof boot_info.command_line);
}

static void read_multiboot(const struct multiboot_info *info)
{
    boot_info.loader = "Multiboot";
    if (info->flags & MULTIBOOT_HAS_COMMAND_LINE)
        set_command_line(info->cmdline);
    if (info->flags & MULTIBOOT_HAS_MEMORY_MAP) {
        for (uint32_t offset = 0; offset + sizeof(struct multiboot_mmap_entry) <= info->mmap_length;) {
            const struct multiboot_mmap_entry *entry = physical(info->mmap_addr + offset);
            add_region(entry->addr, entry->len, entry->type);
            offset += entry->size + sizeof entry->size;
        }
    } else if (info->flags & MULTIBOOT_HAS_MEMORY) {
        add_region(0, (uint64_t)info->mem_lower << 10, MEMORY_USABLE);
        add_region(0x100000, (uint64_t)info->mem_upper << 10, MEMORY_USABLE);
    }
}

static void read_pvh(const struct pvh_start_info *info)
{
    boot_info.loader = "PVH";
    set_command_line(info->cmdline_paddr);
    const struct pvh_memmap_entry *entry = info->version ? physical(info->memmap_paddr) : NULL;
    for (uint32_t i = 0; entry && i < info->memmap_entries; i++)
        add_region(entry[i].addr, entry[i].size, entry[i].type);
}

void boot_info_init(uint32_t loader, uint32_t information)
{
    if (loader == BOOT_MULTIBOOT)
        read_multiboot(physical(information));
    else
        read_pvh(physical(information));
}

void boot_info_print(void)
{
    printk("boot: %s, command line \"%s\"\n", boot_info.loader, boot_info.command_line);
    for (unsigned i = 0; i < boot_info.region_count; i++) {
        const struct memory_region *region = &boot_info.regions[i];
        printk("memory: %010lx-%010lx %s\n", region->start, region->start + region->size - 1,
               region->type == MEMORY_USABLE ? "usable" : "reserved");
    }
}

/* The character after PREFIX in a word of the command line that starts with it, or NULL. */
static const char *find_word(const char *prefix)
{
    const char *p = boot_info.command_line;
    while (*p) {
        while (*p == ' ')
            p++;
        if (text_starts_with(p, prefix))
            return p + text_length(prefix);
        while (*p && *p != ' ')
            p++;
    }
    return NULL;
}

bool command_line_has(const char *word)
{
    const char *end = find_word(word);
    return end && (*end == 0 || *end == ' ');
}

void command_line_value(const char *name, char *value, unsigned size)
{
    const char *p = find_word(name);
    unsigned i = 0;
    for (; p && i + 1 < size && p[i] && p[i] != ' '; i++)
        value[i] = p[i];
    value[i] = 0;
}
