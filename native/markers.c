#include "markers.h"

#include "coefficients.h"
#include "zigzag.h"

enum { SOI = 0xD8, EOI = 0xD9, SOF0 = 0xC0, SOF1 = 0xC1, DHT = 0xC4, DQT = 0xDB, SOS = 0xDA };

static const char ICC_SIGNATURE[] = "ICC_PROFILE"; /* its closing NUL belongs to the signature */

static void put_marker(output *out, unsigned marker)
{
    put_byte(out, 0xFF);
    put_byte(out, marker);
}

static void write_jfif(output *out, const struct jpeg_decompress_struct *source)
{
    put_marker(out, JPEG_APP0);
    put_pair(out, 16);
    put_bytes(out, "JFIF", 5);
    put_pair(out, source->JFIF_major_version == 1 ? 0x100u | source->JFIF_minor_version : 0x101);
    put_byte(out, source->density_unit);
    put_pair(out, source->X_density);
    put_pair(out, source->Y_density);
    put_pair(out, 0); /* no thumbnail: it would show the tile as it was */
}

static void copy_colour_markers(output *out, const struct jpeg_decompress_struct *source)
{
    for (jpeg_saved_marker_ptr m = source->marker_list; m != NULL; m = m->next) {
        const int icc = m->data_length >= sizeof ICC_SIGNATURE &&
                        memcmp(m->data, ICC_SIGNATURE, sizeof ICC_SIGNATURE) == 0;

        if (m->marker == JPEG_APP0 + 14 || icc) {
            put_marker(out, m->marker);
            put_pair(out, m->data_length + 2);
            put_bytes(out, m->data, m->data_length);
        }
    }
}

/* Writes one quantisation table; returns whether it needs 16 bits, which baseline JPEG does not have. */
static int write_quantisers(output *out, unsigned slot, const uint16_t step[TABLE_SIZE])
{
    int wide = 0;

    for (int i = 0; i < TABLE_SIZE; i++)
        wide |= step[i] > 255;
    put_marker(out, DQT);
    put_pair(out, 2 + 1 + TABLE_SIZE * (wide ? 2 : 1));
    put_byte(out, (unsigned)wide << 4 | slot);
    for (int k = 0; k < TABLE_SIZE; k++) {
        if (wide)
            put_pair(out, step[ZIGZAG[k]]);
        else
            put_byte(out, step[ZIGZAG[k]]);
    }
    return wide;
}

static void write_frame(output *out, const struct jpeg_decompress_struct *source, int wide)
{
    put_marker(out, wide ? SOF1 : SOF0);
    put_pair(out, 2 + 6 + 3 * (unsigned)source->num_components);
    put_byte(out, (unsigned)source->data_precision);
    put_pair(out, source->image_height);
    put_pair(out, source->image_width);
    put_byte(out, (unsigned)source->num_components);
    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *component = &source->comp_info[c];

        put_byte(out, (unsigned)component->component_id);
        put_byte(out, (unsigned)(component->h_samp_factor << 4 | component->v_samp_factor));
        put_byte(out, (unsigned)component->quant_tbl_no);
    }
}

static void write_huffman_table(output *out, const scan *symbols, int number)
{
    const huffman_table *table = &symbols->tables[number];

    if (table->used == 0)
        return;
    put_marker(out, DHT);
    put_pair(out, 2 + 1 + HUFFMAN_LONGEST + (unsigned)table->used);
    put_byte(out, number < SCAN_AC ? (unsigned)number : 0x10 | (unsigned)(number - SCAN_AC));
    put_bytes(out, table->bits + 1, HUFFMAN_LONGEST);
    put_bytes(out, table->values, (size_t)table->used);
}

static void write_scan_header(output *out, const struct jpeg_decompress_struct *source)
{
    put_marker(out, SOS);
    put_pair(out, 2 + 1 + 2 * (unsigned)source->num_components + 3);
    put_byte(out, (unsigned)source->num_components);
    for (int c = 0; c < source->num_components; c++) {
        put_byte(out, (unsigned)source->comp_info[c].component_id);
        put_byte(out, is_chroma(source, c) ? 0x11 : 0x00);
    }
    put_bytes(out, "\x00\x3F\x00", 3); /* all coefficients, at once */
}

void write_head(output *out, const struct jpeg_decompress_struct *source, const requantiser plans[NUM_QUANT_TBLS],
                const scan *symbols)
{
    unsigned written = 0;
    int wide = 0;

    put_marker(out, SOI);
    /* Readers tell the colour space by these markers, so the result has just those of the tile. */
    if (source->saw_JFIF_marker)
        write_jfif(out, source);
    copy_colour_markers(out, source);
    for (int c = 0; c < source->num_components; c++) {
        const int slot = source->comp_info[c].quant_tbl_no;

        if (!(written & 1u << slot))
            wide |= write_quantisers(out, (unsigned)slot, plans[slot].step);
        written |= 1u << slot;
    }
    write_frame(out, source, wide);
    for (int number = 0; number < 2; number++) {
        write_huffman_table(out, symbols, SCAN_DC + number);
        write_huffman_table(out, symbols, SCAN_AC + number);
    }
    write_scan_header(out, source);
}

void write_end(output *out)
{
    put_marker(out, EOI);
}
