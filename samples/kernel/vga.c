// SPDX-License-Identifier: GPL-2.0-or-later
/* VGA text memory: 25 rows of 80 cells, each a character and its attribute. */
#include "vga.h"

#include <stdint.h>

#include "layout.h"

#define COLUMNS 80
#define ROWS 25
#define GREY_ON_BLACK 0x0700

static volatile uint16_t *const text_memory = (volatile uint16_t *)(KERNEL_BASE + 0xb8000);
/* Display memory is slow to read and slow to write: keep a copy and write only what differs. */
static uint16_t shadow[ROWS][COLUMNS];
static unsigned row, column;

static void set_cell(unsigned r, unsigned c, uint16_t cell)
{
    if (shadow[r][c] != cell)
        text_memory[r * COLUMNS + c] = shadow[r][c] = cell;
}

void vga_init(void)
{
    for (unsigned r = 0; r < ROWS; r++)
        for (unsigned c = 0; c < COLUMNS; c++)
            set_cell(r, c, GREY_ON_BLACK | ' ');
}

static void scroll(void)
{
    for (unsigned r = 0; r < ROWS; r++)
        for (unsigned c = 0; c < COLUMNS; c++)
            set_cell(r, c, r + 1 < ROWS ? shadow[r + 1][c] : GREY_ON_BLACK | ' ');
}

static void new_line(void)
{
    column = 0;
    if (row + 1 < ROWS)
        row++;
    else
        scroll();
}

void vga_put(char c)
{
    if (c == '\n') {
        new_line();
    } else if (c == '\b') {
        if (column > 0)
            column--;
    } else if (c != '\r') {
        if (column == COLUMNS)
            new_line();
        set_cell(row, column++, GREY_ON_BLACK | (uint8_t)c);
    }
}
