/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

void vga_init(void);
void vga_put(char c);
