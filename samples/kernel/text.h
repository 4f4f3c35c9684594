/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

size_t text_length(const char *s);
bool text_equal(const char *a, const char *b);
bool text_starts_with(const char *s, const char *prefix);
/* Copies at most size - 1 characters and always ends with NUL. */
void text_copy(char *to, const char *from, size_t size);
/* Copies up to and including the NUL. The caller knows that it fits. */
void text_copy_unchecked(char *to, const char *from);

/* The compiler may call these. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
