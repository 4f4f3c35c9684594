/* What pages have in common with others, so that recordings hold it once. No part of the machine. */
#include <string.h>

#include "vm.h"

enum { PAGE_BYTES = 4096, WORDS = PAGE_BYTES / 8, MASK_BYTES = WORDS / 8, SHINGLE = 64,
       HEAD = 32 };                            /* bytes by which a stretch is found */

/* How many different ones there are of at most WORDS words. */
static uint32_t distinct(const uint64_t *words, uint32_t count)
{
    uint16_t known[2 * WORDS] = {0};           /* numbers of words, from 1 on */
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = words[i] * 0x9e3779b97f4a7c15ull >> 54;
        while (known[place] && words[known[place] - 1] != words[i])
            place = (place + 1) % (2 * WORDS);
        if (!known[place]) {
            known[place] = i + 1;
            found++;
        }
    }
    return found;
}

/* The words of 8 bytes in which each page differs from the other beside it: a bit for each, the lowest first, and the
 * words that it has there, one after the other; or how much more they are than the other's, modulo 2^64, where `stepped`
 * is set: of what was relocated many are the same. Of a page that has more than `most`, no bit and no word; `counts`
 * tells. Returns how many words there are. */
uint64_t pages_differences(const uint8_t *pages, const uint8_t *others, uint32_t count, uint32_t most, uint8_t *masks,
                           uint8_t *words, uint32_t *counts, uint8_t *stepped)
{
    uint64_t total = 0, own[WORDS], steps[WORDS];

    memset(masks, 0, (size_t)count * MASK_BYTES);
    for (uint32_t i = 0; i < count; i++, pages += PAGE_BYTES, others += PAGE_BYTES, masks += MASK_BYTES) {
        uint32_t found = 0;
        for (uint32_t word = 0; word < WORDS; word++) {
            uint64_t one, other;
            memcpy(&one, pages + 8 * word, 8);
            memcpy(&other, others + 8 * word, 8);
            if (one != other) {
                own[found] = one;
                steps[found++] = one - other;
                masks[word / 8] |= 1 << word % 8;
            }
        }
        counts[i] = found;
        stepped[i] = 0;
        if (found > most) {
            memset(masks, 0, MASK_BYTES);
            continue;
        }
        stepped[i] = 4 * distinct(steps, found) < 3 * distinct(own, found);
        memcpy(words + 8 * total, stepped[i] ? steps : own, 8 * (size_t)found);
        total += found;
    }
    return total;
}

/* Make of `page` the one that has other words where the mask says, or such that are so much more. */
void page_change(uint8_t *page, const uint8_t *mask, const uint8_t *words, bool stepped)
{
    for (uint32_t word = 0; word < WORDS; word++)
        if (mask[word / 8] >> word % 8 & 1) {
            uint64_t one, before;
            memcpy(&one, words, 8);
            memcpy(&before, page + 8 * word, 8);
            one += stepped ? before : 0;
            memcpy(page + 8 * word, &one, 8);
            words += 8;
        }
}

static uint64_t hash(const uint8_t *bytes)
{
    uint64_t sum = 0, word;

    for (uint32_t at = 0; at < HEAD; at += 8) {
        memcpy(&word, bytes + at, 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 29;
    }
    return sum;
}

/* Know `known[at]` up to `known[end]`, whole pages, from now on: `table` has 2^bits places, and says where the last is that
 * begins with the same bytes, counted in SHINGLE from 1. */
void pieces_note(const uint8_t *known, uint32_t at, uint32_t end, uint32_t *table, uint32_t bits)
{
    for (; at + SHINGLE <= end; at += SHINGLE)
        table[hash(known + at) >> (64 - bits)] = at / SHINGLE + 1;
}

/* How far two stretches are equal. */
static uint32_t equal_up_to(const uint8_t *one, const uint8_t *other, uint32_t most)
{
    uint32_t length = 0;

    while (length < most && one[length] == other[length])
        length++;
    return length;
}

/* Where in `known`, of `size` bytes, the page's bytes are from `at` on, or from up to `most` bytes later: sets where and
 * how long, in one page of `known`. What is at an odd distance there from a word is not found: nobody copies so. Returns
 * from where on it is equal; PAGE_BYTES if nothing is. */
static uint32_t next_piece(const uint8_t *known, uint32_t size, const uint32_t *table, uint32_t bits, const uint8_t *page,
                           uint32_t at, uint32_t most, uint32_t *where, uint32_t *length)
{
    for (uint32_t begin = (at + 7) & ~7u; begin <= at + most && begin + HEAD <= PAGE_BYTES; begin += 8) {
        uint32_t place = table[hash(page + begin) >> (64 - bits)];
        if (!place || place * SHINGLE > size || memcmp(known + (place - 1) * SHINGLE, page + begin, HEAD))
            continue;
        uint32_t from = (place - 1) * SHINGLE;
        while (begin > at && from % PAGE_BYTES && known[from - 1] == page[begin - 1])
            begin--, from--;
        uint32_t left = PAGE_BYTES - from % PAGE_BYTES;
        *where = from;
        *length = equal_up_to(page + begin, known + from, left < PAGE_BYTES - begin ? left : PAGE_BYTES - begin);
        return begin;
    }
    return PAGE_BYTES;
}

/* The page as pieces of `known`, in order, each three numbers: where in the page, where in `known`, how long. What lies
 * between them is not known. Returns how many pieces; 0: it is not worth it, there would be more than `most`, or they
 * would leave out more than `left_out` bytes. */
uint32_t page_pieces(const uint8_t *known, uint32_t size, const uint32_t *table, uint32_t bits, const uint8_t *page,
                     uint32_t *pieces, uint32_t most, uint32_t left_out)
{
    uint32_t count = 0, at = 0, missing = 0;

    while (at < PAGE_BYTES) {
        uint32_t where, length, begin = next_piece(known, size, table, bits, page, at, left_out - missing, &where, &length);
        missing += begin - at;
        if (missing > left_out)
            return 0;
        if (begin == PAGE_BYTES)
            break;
        if (count == most)
            return 0;
        pieces[3 * count] = begin;
        pieces[3 * count + 1] = where;
        pieces[3 * count++ + 2] = length;
        at = begin + length;
    }
    return count;
}
