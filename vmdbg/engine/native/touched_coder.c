/* Rows of what was touched (touched.c), in few bytes: each is foretold by the rows before it, and by those of the parts before.
 * Parts of a stream are coded, and decoded, in order. What is remembered wrongly, as where two pages share a place, costs bytes
 * and nothing else. Knows no machine. Its description in
 * Python: tests/vmdbg/engine/touched_model.py.
 */
#include <string.h>

#include "bit_coder.h"
#include "vm.h"

enum { PLACES_BITS = 16, PLACES = 1 << PLACES_BITS, REGIONS = 4, LENGTHS = 1 << 7, BYTES = 1 << 8, PAST = 1 << 4, MOST_LENGTH = 64 };
#define ALL (~0ull)

typedef struct {                               /* the row that came after one */
    uint64_t step;                             /* in linear pages */
    uint32_t physical;
    bool known;
} Follower;

typedef struct {                               /* lines of a page: in the last row that told of them, and in any */
    uint64_t last, ever;
} SeenLines;

typedef struct {                               /* what is known of a physical page */
    SeenLines code, written;
    uint8_t words[CODE_LINES], kinds;          /* of each line, as it was last told; 0: it was not */
} Seen;

typedef struct {                               /* for numbers of 64 bits */
    Chance length[LENGTHS], second[LENGTHS];   /* how many bits it has, and the one after its highest */
} Number;

typedef struct {
    Chance same[2][4][2][2], bit[2][1 << 6];
} Bitmap;

struct TouchedCoder {
    Follower of_row[PLACES], of_page[PLACES];
    uint32_t physical_of[PLACES];
    Seen seen[PLACES];
    Chance row_follows[REGIONS][PAST], page_follows[REGIONS][PAST][2], steps_one[REGIONS][PAST];
    Number step[REGIONS][2][2], away[REGIONS];
    Chance as_before[REGIONS], in_step[REGIONS], beside[REGIONS];
    Chance same_kinds[REGIONS][8], kinds[REGIONS][8][8], unknown_kinds, all_written[REGIONS][4][8];
    Bitmap lines, written;
    Chance same_words[2][8], words[2][8][BYTES];
    uint32_t jumped_to;                        /* the last physical page that nothing foretold */
    uint32_t past;                             /* how the last two rows were foretold, or were not */
    BitCoder bits;
};

typedef struct {
    uint64_t linear, lines, written;
    uint32_t physical;
    uint8_t kinds, words[TOUCHED_WORDS];
} Row;

static uint32_t region(uint64_t linear)
{
    if (linear == NO_LINEAR_PAGE)
        return 0;
    return linear >> 36 == 0 ? 1 : linear >> 19 != (1ull << 33) - 1 ? 2 : 3;
}

static uint32_t place(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15ull >> (64 - PLACES_BITS);
}

static uint64_t code_number(BitCoder *bits, Number *chances, uint64_t number)
{
    uint32_t length = coder_tree(bits, chances->length, 7, number ? 64 - __builtin_clzll(number) : 0);

    if (length < 2)
        return length;
    if (length > MOST_LENGTH)
        length = MOST_LENGTH;                  /* nobody coded that */
    uint64_t found = 2 | coder_guess(bits, &chances->second[length], number >> (length - 2) & 1);
    for (uint32_t bit = length - 2; bit-- > 0;)
        found = found << 1 | coder_bit(bits, 1 << 15, number >> bit & 1);
    return found;
}

/* Whether the row is that one. */
static bool code_guess(BitCoder *bits, Chance *chance, Row *row, uint64_t linear, uint32_t physical)
{
    bool right = coder_guess(bits, chance, row->linear == linear && row->physical == physical);

    if (right) {
        row->linear = linear;
        row->physical = physical;
    }
    return right;
}

static uint32_t code_physical(TouchedCoder *coder, const Row *before, uint64_t linear, uint32_t physical)
{
    BitCoder *bits = &coder->bits;
    uint32_t kind = region(before->linear), last = coder->physical_of[place(linear)];
    uint32_t moved = before->physical + (uint32_t)(linear - before->linear), away = physical - coder->jumped_to;

    if (coder_guess(bits, &coder->as_before[kind], physical == last))
        return last;
    if (coder_guess(bits, &coder->in_step[kind], physical == moved))
        return moved;
    if (coder_guess(bits, &coder->beside[kind], physical == before->physical + 1))
        return before->physical + 1;
    away = code_number(bits, &coder->away[kind], away << 1 ^ -(away >> 31));
    return coder->jumped_to += away >> 1 ^ -(away & 1);
}

/* Its pages. */
static void code_place(TouchedCoder *coder, const Row *before, Row *row)
{
    BitCoder *bits = &coder->bits;
    uint32_t kind = region(before->linear), past = coder->past, how;
    Follower *one = &coder->of_row[place(before->linear * 0xc2b2ae3d27d4eb4full + before->physical)];
    Follower *other = &coder->of_page[before->physical % PLACES];
    bool same = one->known && one->step == other->step && one->physical == other->physical;
    bool first = one->known, second = other->known && !same;

    if (first && code_guess(bits, &coder->row_follows[kind][past], row, before->linear + one->step, one->physical))
        how = 0;
    else if (second && code_guess(bits, &coder->page_follows[kind][past][first], row, before->linear + other->step, other->physical))
        how = 1;
    else if (code_guess(bits, &coder->steps_one[kind][past], row, before->linear + 1, before->physical + 1))
        how = 2;
    else {
        how = 3;
        row->linear = before->linear + code_number(bits, &coder->step[kind][first][second], row->linear - before->linear);
        row->physical = code_physical(coder, before, row->linear, row->physical);
    }
    *one = *other = (Follower){row->linear - before->linear, row->physical, true};
    coder->physical_of[place(row->linear)] = row->physical;
    coder->past = (past << 2 | how) % PAST;
}

static uint64_t code_bitmap(BitCoder *bits, Bitmap *chances, SeenLines seen, uint64_t bitmap)
{
    uint64_t found = 0, old = seen.last;
    uint32_t others = 0;

    for (uint32_t at = 0; at < 64; at += 8) {
        uint8_t byte = old >> at, ever = seen.ever >> at, now = bitmap >> at;
        if (coder_guess(bits, &chances->same[old != 0][others][byte != 0][byte == ever], byte == now)) {
            found |= (uint64_t)byte << at;
            continue;
        }
        others += others < 3;
        for (uint32_t bit = at; bit < at + 8; bit++) {
            uint32_t near = (bit ? old >> (bit - 1) : old << 1) & 7, left = (bit < 2 ? found << (2 - bit) : found >> (bit - 2)) & 3;
            uint32_t around = (seen.ever >> bit & 1) << 5 | near << 2 | left;
            found |= (uint64_t)coder_guess(bits, &chances->bit[old != 0][around], bitmap >> bit & 1) << bit;
        }
    }
    return found;
}

/* Of each of the lowest lines that were written, which words. */
static void code_words(TouchedCoder *coder, Seen *seen, Row *row)
{
    uint8_t before = 0;
    uint64_t left = row->written;

    for (uint32_t i = 0; left && i < TOUCHED_WORDS; i++, left &= left - 1) {
        uint32_t line = __builtin_ctzll(left);
        uint32_t below = line && row->written >> (line - 1) & 1 ? 2 | before >> 7 << 2 : 0;
        uint32_t beside = below | (line < 63 && row->written >> (line + 1) & 1 ? 1 : 0);
        bool known = seen->words[line];
        uint8_t old = known ? seen->words[line] : before;
        if (coder_guess(&coder->bits, &coder->same_words[known][beside], row->words[i] == old))
            row->words[i] = old;
        else
            row->words[i] = coder_tree(&coder->bits, coder->words[known][beside], 8, row->words[i]);
        before = seen->words[line] = row->words[i];
    }
}

static void code_stores(TouchedCoder *coder, Seen *seen, uint32_t kind, Row *row)
{
    SeenLines *lines = &seen->written;
    uint32_t before = !seen->kinds ? 0 : lines->last == ALL ? 1 : lines->last ? 2 : 3;

    if (coder_guess(&coder->bits, &coder->all_written[kind][before][row->kinds & 7], row->written == ALL)) {
        row->written = lines->last = ALL;
        return;
    }
    row->written = code_bitmap(&coder->bits, &coder->written, before == 1 ? (SeenLines){0, lines->ever} : *lines, row->written);
    code_words(coder, seen, row);
    *lines = (SeenLines){row->written, lines->ever | row->written};
}

static uint8_t code_kinds(TouchedCoder *coder, uint32_t kind, uint8_t before, uint8_t kinds)
{
    BitCoder *bits = &coder->bits;

    if (coder_guess(bits, &coder->same_kinds[kind][before & 7], kinds == before))
        return before;
    uint8_t found = coder_tree(bits, coder->kinds[kind][before & 7], 3, kinds & 7);
    if (coder_guess(bits, &coder->unknown_kinds, kinds > 7))
        for (uint32_t bit = 3; bit < 8; bit++)
            found |= coder_bit(bits, 1 << 15, kinds >> bit & 1) << bit;
    return found;
}

static void code_row(TouchedCoder *coder, const Row *before, Row *row)
{
    code_place(coder, before, row);

    Seen *seen = &coder->seen[row->physical % PLACES];
    uint32_t kind = region(row->linear);
    row->kinds = code_kinds(coder, kind, seen->kinds, row->kinds);
    if (row->kinds & TOUCHED_FETCH) {
        row->lines = code_bitmap(&coder->bits, &coder->lines, seen->code, row->lines);
        seen->code = (SeenLines){row->lines, seen->code.ever | row->lines};
    }
    if (row->kinds & TOUCHED_WRITE)
        code_stores(coder, seen, kind, row);
    seen->kinds = row->kinds;
}

static uint32_t words_of(const Row *row)
{
    uint32_t lines = row->written == ALL ? 0 : __builtin_popcountll(row->written);

    return lines < TOUCHED_WORDS ? lines : TOUCHED_WORDS;
}

/* The next row of the columns. Returns whether they have all of it. */
static bool take_row(TouchedColumns *columns, uint64_t at, const Row *before, Row *row)
{
    uint32_t step = columns->steps[at];

    *row = (Row){before->linear + columns->steps[at], 0, 0, before->physical + step + columns->farther[at], columns->kinds[at], {0}};
    if (row->kinds & TOUCHED_FETCH) {
        if (columns->lines_count == columns->lines_room)
            return false;
        row->lines = columns->lines[columns->lines_count++];
    }
    if (row->kinds & TOUCHED_WRITE) {
        if (columns->written_count == columns->written_room)
            return false;
        row->written = columns->written[columns->written_count++];
        if (words_of(row) > columns->words_room - columns->words_count)
            return false;
        memcpy(row->words, columns->words + columns->words_count, words_of(row));
        columns->words_count += words_of(row);
    }
    return true;
}

/* The same, the other way round. Returns whether there is room. */
static bool put_row(TouchedColumns *columns, uint64_t at, const Row *before, const Row *row)
{
    columns->steps[at] = row->linear - before->linear;
    columns->farther[at] = row->physical - before->physical - (uint32_t)columns->steps[at];
    columns->kinds[at] = row->kinds;
    if (row->kinds & TOUCHED_FETCH) {
        if (columns->lines_count == columns->lines_room)
            return false;
        columns->lines[columns->lines_count++] = row->lines;
    }
    if (row->kinds & TOUCHED_WRITE) {
        if (columns->written_count == columns->written_room || words_of(row) > columns->words_room - columns->words_count)
            return false;
        columns->written[columns->written_count++] = row->written;
        memcpy(columns->words + columns->words_count, row->words, words_of(row));
        columns->words_count += words_of(row);
    }
    return true;
}

/* At the beginning of a stream. */
TouchedCoder *touched_coder_new(void)
{
    TouchedCoder *coder = calloc(1, sizeof *coder);

    if (!coder)
        abort();
    return coder;
}

void touched_coder_free(TouchedCoder *coder)
{
    free(coder->bits.encoded);
    free(coder);
}

/* The rows in few bytes, of which there are `*size`: they stay until the next call. NULL: the columns do not go together. */
const uint8_t *touched_encode(TouchedCoder *coder, TouchedColumns *columns, uint64_t *size)
{
    Row before = {0}, row;
    BitCoder *bits = &coder->bits;

    coder->past = 0;
    coder_begin(bits);
    for (uint64_t at = 0; at < columns->rows; at++, before = row) {
        if (!take_row(columns, at, &before, &row))
            return NULL;
        code_row(coder, &before, &row);
    }
    coder_end(bits);
    *size = bits->at;
    return bits->encoded;
}

/* The rows that were encoded so, after the same others. Returns whether there are as many, and room for them. */
bool touched_decode(TouchedCoder *coder, const uint8_t *bytes, uint64_t size, TouchedColumns *columns)
{
    Row before = {0};

    coder->past = 0;
    coder_begin_decoding(&coder->bits, bytes, size);
    for (uint64_t at = 0; at < columns->rows; at++) {
        Row row = {0};
        code_row(coder, &before, &row);
        if (coder->bits.short_of || !put_row(columns, at, &before, &row))
            return false;
        before = row;
    }
    return true;
}
