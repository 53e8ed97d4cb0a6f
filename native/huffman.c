#include "huffman.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 }; /* no code is longer before it is limited, see node.count */

typedef struct {
    uint64_t count; /* of all leaves below; 32 bits could overflow, and then a code could exceed MAX_DEPTH */
    int16_t symbol; /* -1 for an inner node and for the reserved code */
    int16_t parent;
} node;

static int compare_counts(const void *a, const void *b)
{
    const node *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->symbol - y->symbol; /* qsort is not stable, but results must be reproducible */
}

/* Builds the tree by joining the two rarest nodes until one is left, and returns the root. `nodes` holds the leaves,
 * sorted, and has capacity for as many inner nodes. Inner nodes are created in ascending order too, so the rarest node
 * is always at the head of one of two queues.
 */
static int build_tree(node *nodes, int leaves)
{
    int leaf = 0, inner = leaves, end = leaves;

    while (end < 2 * leaves - 1) {
        nodes[end].count = 0;
        nodes[end].symbol = -1;
        for (int i = 0; i < 2; i++) {
            const int take_leaf = inner == end || (leaf < leaves && nodes[leaf].count <= nodes[inner].count);
            const int rarest = take_leaf ? leaf++ : inner++;

            nodes[end].count += nodes[rarest].count;
            nodes[rarest].parent = (int16_t)end;
        }
        end++;
    }
    return end - 1;
}

/* Limits codes to 16 bits as T.81, K.2 (figure K.3) does: two of the longest codes are replaced by their common prefix,
 * and a shorter code is split in two.
 */
static void limit_lengths(uint16_t lengths[MAX_DEPTH + 1])
{
    for (int n = MAX_DEPTH; n > GPT_MAX_CODE_LENGTH; n--) {
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

/* Counts the codes of each length. */
static void count_lengths(node *nodes, int leaves, uint16_t lengths[MAX_DEPTH + 1])
{
    const int root = build_tree(nodes, leaves);
    int8_t depth[2 * (GPT_HUFFMAN_SYMBOLS + 1)];

    depth[root] = 0;
    for (int i = root - 1; i >= 0; i--) {
        depth[i] = (int8_t)(depth[nodes[i].parent] + 1);
        if (i < leaves)
            lengths[depth[i]]++;
    }
    limit_lengths(lengths);
    for (int n = GPT_MAX_CODE_LENGTH; n > 0; n--) {
        if (lengths[n] > 0) {
            lengths[n]--; /* the reserved code is one of the longest */
            break;
        }
    }
}

void gpt_make_huffman_table(const uint32_t counts[GPT_HUFFMAN_SYMBOLS], gpt_huffman_table *table)
{
    node nodes[2 * (GPT_HUFFMAN_SYMBOLS + 1)];
    uint16_t lengths[MAX_DEPTH + 1] = {0};
    int leaves = 1, placed = 0;

    /* The rarest leaf is no symbol: it reserves the code of all ones, which T.81 forbids. */
    nodes[0] = (node){.count = 0, .symbol = -1};
    for (int symbol = 0; symbol < GPT_HUFFMAN_SYMBOLS; symbol++) {
        if (counts[symbol] != 0)
            nodes[leaves++] = (node){.count = counts[symbol], .symbol = (int16_t)symbol};
    }
    memset(table, 0, sizeof *table);
    table->count = leaves - 1;
    if (table->count == 0)
        return;
    qsort(nodes + 1, (size_t)table->count, sizeof *nodes, compare_counts);
    count_lengths(nodes, leaves, lengths);
    for (int n = 1; n <= GPT_MAX_CODE_LENGTH; n++)
        table->bits[n] = (uint8_t)lengths[n];
    /* Codes are assigned from the shortest, so the most frequent symbol comes first. */
    for (int i = leaves - 1; i > 0; i--)
        table->values[placed++] = (uint8_t)nodes[i].symbol;
}
