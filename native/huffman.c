#include "huffman.h"

#include <stdlib.h>
#include <string.h>

#include "zigzag.h"

enum { RUN_OF_16 = 0xF0, END_OF_BLOCK = 0x00, MAX_DEPTH = 64 };

static int bits_of(unsigned magnitude)
{
    return magnitude == 0 ? 0 : 32 - __builtin_clz(magnitude);
}

int huffman_count_ac(huffman_counts *self, const int16_t block[64], uint64_t nonzero)
{
    unsigned largest = 0;
    int last = 0;

    while (nonzero != 0) {
        const int place = __builtin_ctzll(nonzero);
        const unsigned magnitude = (unsigned)abs(block[ZIGZAG[place]]);
        int run = place - last - 1;

        nonzero &= nonzero - 1;
        largest |= magnitude;
        for (; run > 15; run -= 16)
            self->count[RUN_OF_16]++;
        self->count[(run << 4 | bits_of(magnitude)) & 0xFF]++;
        last = place;
    }
    if (last < 63)
        self->count[END_OF_BLOCK]++;
    return largest < 1u << HUFFMAN_AC_BITS;
}

int huffman_count_dc(huffman_counts *self, int difference)
{
    const int bits = bits_of((unsigned)abs(difference));

    self->count[bits]++;
    return bits <= HUFFMAN_DC_BITS;
}

/* ---- from counts to a table ---- */

typedef struct {
    uint64_t count; /* of all below it: 32 bits might not do, and then a code could be longer than any array here */
    int16_t symbol; /* -1 for a node that joins two others, and for the code that is kept free */
    int16_t parent;
} node;

static int by_count(const void *a, const void *b)
{
    const node *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->symbol - y->symbol; /* qsort is not stable, results must be */
}

/* Joins the two rarest nodes until one is left; `nodes` holds `leaves` sorted ones and has room for as many more. The
 * joined nodes come out sorted too, so the rarest is always at the head of one of two queues. Returns the root.
 */
static int join(node *nodes, int leaves)
{
    int leaf = 0, joined = leaves, end = leaves;

    while (end < 2 * leaves - 1) {
        nodes[end].count = 0;
        nodes[end].symbol = -1;
        for (int i = 0; i < 2; i++) {
            const int from_leaves = joined == end || (leaf < leaves && nodes[leaf].count <= nodes[joined].count);
            const int rarest = from_leaves ? leaf++ : joined++;

            nodes[end].count += nodes[rarest].count;
            nodes[rarest].parent = (int16_t)end;
        }
        end++;
    }
    return end - 1;
}

/* Shortens codes to 16 bits: two of the longest give way to their common start, and a shorter code is split (K.3). */
static void limit_lengths(uint16_t lengths[MAX_DEPTH + 1])
{
    for (int n = MAX_DEPTH; n > HUFFMAN_LONGEST; n--) {
        while (lengths[n] > 0) {
            int shorter = n - 2;

            while (lengths[shorter] == 0)
                shorter--;
            lengths[n] -= 2;
            lengths[n - 1]++;
            lengths[shorter + 1] += 2;
            lengths[shorter]--;
        }
    }
}

void huffman_make_table(const huffman_counts *self, uint8_t bits[HUFFMAN_LONGEST + 1], uint8_t values[HUFFMAN_SYMBOLS])
{
    node nodes[2 * (HUFFMAN_SYMBOLS + 1)];
    uint16_t lengths[MAX_DEPTH + 1] = {0};
    int8_t depth[2 * (HUFFMAN_SYMBOLS + 1)];
    int leaves = 1, root, placed = 0;

    /* The rarest of all is no symbol: it takes the code of all ones, which the format forbids. */
    nodes[0] = (node){.count = 0, .symbol = -1};
    for (int symbol = 0; symbol < HUFFMAN_SYMBOLS; symbol++) {
        if (self->count[symbol] != 0)
            nodes[leaves++] = (node){.count = self->count[symbol], .symbol = (int16_t)symbol};
    }
    qsort(nodes + 1, (size_t)leaves - 1, sizeof *nodes, by_count);
    root = join(nodes, leaves);
    depth[root] = 0;
    for (int i = root - 1; i >= 0; i--) {
        depth[i] = (int8_t)(depth[nodes[i].parent] + 1);
        if (i < leaves)
            lengths[depth[i]]++;
    }
    limit_lengths(lengths);
    for (int n = HUFFMAN_LONGEST; n > 0; n--) {
        if (lengths[n] > 0) {
            lengths[n]--; /* the free one is among the longest */
            break;
        }
    }
    bits[0] = 0;
    for (int n = 1; n <= HUFFMAN_LONGEST; n++)
        bits[n] = (uint8_t)lengths[n];
    /* Codes count upwards from the shortest, so the most frequent symbol comes first. */
    for (int i = leaves - 1; i > 0; i--)
        values[placed++] = (uint8_t)nodes[i].symbol;
    memset(values + placed, 0, (size_t)(HUFFMAN_SYMBOLS - placed));
}
