/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The parts of the demonstration. */
void guestbook_run(void);
void bank_run(void);
void mail_run(void);
#ifdef SMP
void ledger_run(void);
#endif

/* All of them, and a line that sums up. */
void demo_run(void);
