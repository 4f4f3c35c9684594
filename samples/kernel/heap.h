/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

/* Memory of at most 1024 bytes, not zeroed. */
void *kmalloc(size_t size);
void kfree(void *object);
