/* An adaptive binary arithmetic coder: a bit that can be foretold costs little. It goes in both directions by the same calls, so
 * that what describes a thing with it does so once. Its description in Python: tests/vmdbg/engine/bit_model.py. */
#ifndef VMDBG_BIT_CODER_H
#define VMDBG_BIT_CODER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* That a bit is set: of 2**16, less a half; and how often it was looked at, up to SURE. All zeros: nothing is known of it. */
typedef struct {
    int16_t likely;
    uint8_t seen;
} Chance;

enum { SURE = 4, CODER_BYTES = 4 };

typedef struct {
    uint32_t low, high, code;                  /* what is still possible; in decoding, what it is */
    bool decoding, short_of;                   /* more bytes were asked for than there are */
    const uint8_t *bytes;                      /* in decoding: `size` of them */
    uint8_t *encoded;                          /* in encoding: with room for so many */
    uint64_t at, size, room;
} BitCoder;

static void coder_grow(BitCoder *coder)
{
    coder->room = coder->room ? 2 * coder->room : 1 << 12;
    coder->encoded = realloc(coder->encoded, coder->room);
    if (!coder->encoded)
        abort();
}

/* The highest byte is settled. */
static inline void coder_shift(BitCoder *coder)
{
    if (coder->decoding) {
        coder->short_of |= coder->at >= coder->size;
        coder->code = coder->code << 8 | (coder->at < coder->size ? coder->bytes[coder->at] : 0);
    } else {
        if (coder->at == coder->room)
            coder_grow(coder);
        coder->encoded[coder->at] = coder->high >> 24;
    }
    coder->at++;
    coder->low <<= 8;
    coder->high = coder->high << 8 | 0xff;
}

static void coder_begin(BitCoder *coder)
{
    *coder = (BitCoder){.high = UINT32_MAX, .encoded = coder->encoded, .room = coder->room};
}

static void coder_end(BitCoder *coder)
{
    for (uint32_t i = 0; i < CODER_BYTES; i++)
        coder_shift(coder);
}

static void coder_begin_decoding(BitCoder *coder, const uint8_t *bytes, uint64_t size)
{
    coder_begin(coder);
    coder->decoding = true;
    coder->bytes = bytes;
    coder->size = size;
    for (uint32_t i = 0; i < CODER_BYTES; i++)
        coder_shift(coder);
}

/* `bit`, or in decoding what it was. `likely`: of 2**16, not 0. */
static inline bool coder_bit(BitCoder *coder, uint32_t likely, bool bit)
{
    uint32_t middle = coder->low + (uint32_t)((uint64_t)(coder->high - coder->low) * likely >> 16);

    if (coder->decoding)
        bit = coder->code <= middle;
    if (bit)
        coder->high = middle;
    else
        coder->low = middle + 1;
    while (!((coder->low ^ coder->high) >> 24))
        coder_shift(coder);
    return bit;
}

static inline bool coder_guess(BitCoder *coder, Chance *chance, bool bit)
{
    int32_t likely = chance->likely + 0x8000;

    bit = coder_bit(coder, likely, bit);
    chance->seen += chance->seen < SURE;
    likely += bit ? (0x10000 - likely) >> chance->seen : -(likely >> chance->seen);
    chance->likely = likely - 0x8000;
    return bit;
}

/* A number below 2**width, its highest bit first, by 2**width chances. */
static inline uint32_t coder_tree(BitCoder *coder, Chance *chances, uint32_t width, uint32_t number)
{
    uint32_t node = 1;

    for (uint32_t bit = width; bit-- > 0;)
        node = node << 1 | coder_guess(coder, &chances[node], number >> bit & 1);
    return node - (1u << width);
}

#endif
