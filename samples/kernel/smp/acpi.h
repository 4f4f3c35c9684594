/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

/* The APIC IDs of the processors that can be started, as the MADT has them; at most LIMIT. 0: there is no MADT. */
unsigned acpi_processors(uint8_t *apic_ids, unsigned limit);
