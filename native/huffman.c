#include "huffman.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

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

/* Turns the joined nodes into the number of codes of each length. */
static void count_lengths(node *nodes, int leaves, uint16_t lengths[MAX_DEPTH + 1])
{
    const int root = join(nodes, leaves);
    int8_t depth[2 * (HUFFMAN_SYMBOLS + 1)];

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
}

void huffman_make_table(const uint32_t counts[HUFFMAN_SYMBOLS], huffman_table *table)
{
    node nodes[2 * (HUFFMAN_SYMBOLS + 1)];
    uint16_t lengths[MAX_DEPTH + 1] = {0};
    int leaves = 1, placed = 0;

    /* The rarest of all is no symbol: it takes the code of all ones, which the format forbids. */
    nodes[0] = (node){.count = 0, .symbol = -1};
    for (int symbol = 0; symbol < HUFFMAN_SYMBOLS; symbol++) {
        if (counts[symbol] != 0)
            nodes[leaves++] = (node){.count = counts[symbol], .symbol = (int16_t)symbol};
    }
    memset(table, 0, sizeof *table);
    table->used = leaves - 1;
    if (table->used == 0)
        return;
    qsort(nodes + 1, (size_t)table->used, sizeof *nodes, by_count);
    count_lengths(nodes, leaves, lengths);
    for (int n = 1; n <= HUFFMAN_LONGEST; n++)
        table->bits[n] = (uint8_t)lengths[n];
    /* Codes count upwards from the shortest, so the most frequent symbol comes first. */
    for (int i = leaves - 1; i > 0; i--)
        table->values[placed++] = (uint8_t)nodes[i].symbol;
}
