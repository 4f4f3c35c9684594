// SPDX-License-Identifier: GPL-2.0-or-later
/* From the RSDP by RSDT or XSDT to the MADT (ACPI 6.5, 5.2.5 to 5.2.12). */
#include "acpi.h"

#include <stdbool.h>
#include <stddef.h>

#include "../pages.h"
#include "../text.h"

#define BIOS_AREA 0xe0000
#define BIOS_AREA_END 0x100000
#define EBDA_SEGMENT 0x40e
#define EBDA_SEARCHED 1024
#define RSDP_SIZE 20
#define LOCAL_APIC 0
#define ENABLED 0x01

struct [[gnu::packed]] rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
};

struct [[gnu::packed]] table {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[26];
};

struct [[gnu::packed]] madt_entry {
    uint8_t type, length, processor, apic_id;
    uint32_t flags;
};

#define MADT_HEADER (sizeof(struct table) + 8)

static bool sums_to_zero(const void *bytes, size_t size)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += ((const uint8_t *)bytes)[i];
    return sum == 0;
}

static bool begins(const char *text, const char *signature)
{
    while (*signature)
        if (*text++ != *signature++)
            return false;
    return true;
}

static const struct rsdp *search(uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at + sizeof(struct rsdp) <= end; at += 16) {
        const struct rsdp *rsdp = physical_to_linear(at);
        if (begins(rsdp->signature, "RSD PTR ") && sums_to_zero(rsdp, RSDP_SIZE))
            return rsdp;
    }
    return NULL;
}

static const struct rsdp *find_rsdp(void)
{
    uint64_t ebda = (uint64_t)*(const volatile uint16_t *)physical_to_linear(EBDA_SEGMENT) << 4;
    const struct rsdp *rsdp = ebda ? search(ebda, ebda + EBDA_SEARCHED) : NULL;
    return rsdp ? rsdp : search(BIOS_AREA, BIOS_AREA_END);
}

/* Null if it lies where the kernel does not reach. */
static const struct table *table_at(uint64_t physical)
{
    return physical && physical < KERNEL_WINDOW_SIZE ? physical_to_linear(physical) : NULL;
}

static const struct table *find_madt(void)
{
    const struct rsdp *rsdp = find_rsdp();
    if (!rsdp)
        return NULL;
    bool wide = rsdp->revision >= 2 && rsdp->xsdt;
    const struct table *root = table_at(wide ? rsdp->xsdt : rsdp->rsdt);
    const unsigned size = wide ? 8 : 4;
    for (size_t at = sizeof *root; root && at + size <= root->length; at += size) {
        uint64_t address = 0;
        memcpy(&address, (const char *)root + at, size);
        const struct table *table = table_at(address);
        if (table && begins(table->signature, "APIC"))
            return table;
    }
    return NULL;
}

unsigned acpi_processors(uint8_t *apic_ids, unsigned limit)
{
    const struct table *madt = find_madt();
    unsigned count = 0;
    for (size_t at = MADT_HEADER; madt && at + 2 <= madt->length;) {
        const struct madt_entry *entry = (const void *)((const char *)madt + at);
        if (entry->length < 2)
            break;
        if (entry->type == LOCAL_APIC && entry->flags & ENABLED && count < limit)
            apic_ids[count++] = entry->apic_id;
        at += entry->length;
    }
    return count;
}
