/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The prompt on COM1. Ends only with the machine. */
[[gnu::noreturn]] void shell_run(void);
