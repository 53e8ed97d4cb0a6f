#include "markers.h"

#include "judge.h"

enum { SOI = 0xD8, EOI = 0xD9, SOF0 = 0xC0, SOF1 = 0xC1, DHT = 0xC4, DQT = 0xDB, SOS = 0xDA };

static const char ICC_SIGNATURE[] = "ICC_PROFILE"; /* the terminating NUL is part of the signature */

static void put_marker(gpt_writer *writer, unsigned marker)
{
    gpt_put_u8(writer, 0xFF);
    gpt_put_u8(writer, marker);
}

static void write_jfif(gpt_writer *writer, const struct jpeg_decompress_struct *source)
{
    put_marker(writer, JPEG_APP0);
    gpt_put_u16(writer, 16);
    gpt_put_bytes(writer, "JFIF", 5);
    gpt_put_u16(writer, source->JFIF_major_version == 1 ? 0x100u | source->JFIF_minor_version : 0x101);
    gpt_put_u8(writer, source->density_unit);
    gpt_put_u16(writer, source->X_density);
    gpt_put_u16(writer, source->Y_density);
    gpt_put_u16(writer, 0); /* no thumbnail, since it would show the original tile */
}

/* Writes one quantisation table; returns whether it needs 16 bits, which baseline JPEG does not have. */
static int write_dqt(gpt_writer *writer, unsigned slot, const uint16_t step[GPT_BLOCK_SIZE])
{
    int is_wide = 0;

    for (int i = 0; i < GPT_BLOCK_SIZE; i++)
        is_wide |= step[i] > 255;
    put_marker(writer, DQT);
    gpt_put_u16(writer, 2 + 1 + GPT_BLOCK_SIZE * (is_wide ? 2 : 1));
    gpt_put_u8(writer, (unsigned)is_wide << 4 | slot);
    for (int k = 0; k < GPT_BLOCK_SIZE; k++) {
        if (is_wide)
            gpt_put_u16(writer, step[GPT_ZIGZAG[k]]);
        else
            gpt_put_u8(writer, step[GPT_ZIGZAG[k]]);
    }
    return is_wide;
}

static void write_frame_header(gpt_writer *writer, const struct jpeg_decompress_struct *source, int is_extended)
{
    put_marker(writer, is_extended ? SOF1 : SOF0);
    gpt_put_u16(writer, 2 + 6 + 3 * (unsigned)source->num_components);
    gpt_put_u8(writer, (unsigned)source->data_precision);
    gpt_put_u16(writer, source->image_height);
    gpt_put_u16(writer, source->image_width);
    gpt_put_u8(writer, (unsigned)source->num_components);
    for (int c = 0; c < source->num_components; c++) {
        const jpeg_component_info *component = &source->comp_info[c];

        gpt_put_u8(writer, (unsigned)component->component_id);
        gpt_put_u8(writer, (unsigned)(component->h_samp_factor << 4 | component->v_samp_factor));
        gpt_put_u8(writer, (unsigned)component->quant_tbl_no);
    }
}

static void write_dht(gpt_writer *writer, const gpt_entropy *entropy, int number)
{
    const gpt_huffman_table *table = &entropy->tables[number];

    if (table->count == 0)
        return;
    put_marker(writer, DHT);
    gpt_put_u16(writer, 2 + 1 + GPT_MAX_CODE_LENGTH + (unsigned)table->count);
    gpt_put_u8(writer, number < GPT_AC_TABLES ? (unsigned)number : 0x10 | (unsigned)(number - GPT_AC_TABLES));
    gpt_put_bytes(writer, table->bits + 1, GPT_MAX_CODE_LENGTH);
    gpt_put_bytes(writer, table->values, (size_t)table->count);
}

static void write_scan_header(gpt_writer *writer, const struct jpeg_decompress_struct *source)
{
    put_marker(writer, SOS);
    gpt_put_u16(writer, 2 + 1 + 2 * (unsigned)source->num_components + 3);
    gpt_put_u8(writer, (unsigned)source->num_components);
    for (int c = 0; c < source->num_components; c++) {
        gpt_put_u8(writer, (unsigned)source->comp_info[c].component_id);
        gpt_put_u8(writer, gpt_is_chroma(source, c) ? 0x11 : 0x00);
    }
    gpt_put_bytes(writer, "\x00\x3F\x00", 3); /* spectral selection 0 to 63, no successive approximation */
}

void gpt_write_colour_segments(gpt_writer *writer, const struct jpeg_decompress_struct *source)
{
    if (source->saw_JFIF_marker)
        write_jfif(writer, source);
    for (jpeg_saved_marker_ptr m = source->marker_list; m != NULL; m = m->next) {
        const int is_icc = m->data_length >= sizeof ICC_SIGNATURE &&
                           memcmp(m->data, ICC_SIGNATURE, sizeof ICC_SIGNATURE) == 0;

        if (m->marker == JPEG_APP0 + 14 || is_icc) {
            put_marker(writer, m->marker);
            gpt_put_u16(writer, m->data_length + 2);
            gpt_put_bytes(writer, m->data, m->data_length);
        }
    }
}

void gpt_write_header(gpt_writer *writer, const struct jpeg_decompress_struct *source,
                      const gpt_requantiser requantisers[NUM_QUANT_TBLS], const gpt_entropy *entropy)
{
    unsigned written = 0;
    int is_extended = 0;

    put_marker(writer, SOI);
    gpt_write_colour_segments(writer, source);
    for (int c = 0; c < source->num_components; c++) {
        const int slot = source->comp_info[c].quant_tbl_no;

        if (!(written & 1u << slot))
            is_extended |= write_dqt(writer, (unsigned)slot, requantisers[slot].step);
        written |= 1u << slot;
    }
    write_frame_header(writer, source, is_extended);
    for (int number = 0; number < 2; number++) {
        write_dht(writer, entropy, GPT_DC_TABLES + number);
        write_dht(writer, entropy, GPT_AC_TABLES + number);
    }
    write_scan_header(writer, source);
}

void gpt_write_eoi(gpt_writer *writer)
{
    put_marker(writer, EOI);
}
