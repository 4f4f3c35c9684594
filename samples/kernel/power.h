/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

[[gnu::noreturn]] void machine_power_off(void);
/* After a panic: stops, or with panic=exit on the command line leaves through the test-exit port. */
[[gnu::noreturn]] void machine_fail(void);
