#include "progressive.h"

#include <setjmp.h>
#include <string.h>

#include "markers.h"

/* libjpeg's encoder, writing into a gpt_writer. client_data is the encoder. */
typedef struct {
    struct jpeg_compress_struct target;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    gpt_writer *writer;
} encoder;

static void on_error(j_common_ptr info)
{
    longjmp(((encoder *)info->client_data)->escape, 1);
}

static void on_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

static void lend_buffer(j_compress_ptr target)
{
    const gpt_writer *writer = ((encoder *)target->client_data)->writer;

    target->dest->next_output_byte = writer->next;
    target->dest->free_in_buffer = (size_t)(writer->end - writer->next);
}

/* The buffer is full, so the result does not fit. */
static boolean on_full_buffer(j_compress_ptr target)
{
    on_error((j_common_ptr)target);
    return FALSE;
}

static void return_buffer(j_compress_ptr target)
{
    gpt_writer *writer = ((encoder *)target->client_data)->writer;

    writer->next += (size_t)(writer->end - writer->next) - target->dest->free_in_buffer;
}

static void init_encoder(encoder *self, gpt_writer *writer)
{
    memset(self, 0, sizeof *self);
    self->writer = writer;
    self->target.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = on_error;
    self->errors.emit_message = on_message;
    self->target.client_data = self; /* jpeg_create_compress() keeps err and client_data */
    self->destination.init_destination = lend_buffer;
    self->destination.empty_output_buffer = on_full_buffer;
    self->destination.term_destination = return_buffer;
}

static void copy_steps(j_compress_ptr target, const gpt_requantiser requantisers[NUM_QUANT_TBLS])
{
    for (int c = 0; c < target->num_components; c++) {
        const int slot = target->comp_info[c].quant_tbl_no;

        memcpy(target->quant_tbl_ptrs[slot]->quantval, requantisers[slot].step, sizeof requantisers[slot].step);
    }
}

/* Failures leave through self->escape. */
static void encode(encoder *self, j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                   const gpt_requantiser requantisers[NUM_QUANT_TBLS])
{
    j_compress_ptr target = &self->target;

    jpeg_create_compress(target);
    target->dest = &self->destination;
    jpeg_copy_critical_parameters(source, target);
    copy_steps(target, requantisers);
    target->write_JFIF_header = FALSE;
    target->write_Adobe_marker = FALSE;
    jpeg_simple_progression(target);
    jpeg_write_coefficients(target, coefficients); /* writes SOI */
    return_buffer(target);
    gpt_write_colour_segments(self->writer, source);
    if (self->writer->overflowed || self->writer->next == self->writer->end)
        longjmp(self->escape, 1);
    lend_buffer(target);
    jpeg_finish_compress(target);
}

int gpt_write_progressive(gpt_writer *writer, j_decompress_ptr source, jvirt_barray_ptr *coefficients,
                          const gpt_requantiser requantisers[NUM_QUANT_TBLS])
{
    encoder self;
    volatile int is_written = 0;

    if (writer->next == writer->end) /* libjpeg needs room for at least one byte */
        return 0;
    init_encoder(&self, writer);
    if (setjmp(self.escape) == 0) {
        encode(&self, source, coefficients, requantisers);
        is_written = 1;
    }
    jpeg_destroy_compress(&self.target);
    return is_written;
}
