/* The Python module `coefficients`: the coefficients of a JPEG by libjpeg-turbo. It shares no code with gptool. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>

#include <jpeglib.h>

typedef struct {
    struct jpeg_decompress_struct source;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    PyObject *components;
} reader;

static void on_error(j_common_ptr info)
{
    longjmp(((reader *)info->client_data)->escape, 1);
}

static void on_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

/* Returns (table slot, quantisation steps as u16, block rows, block columns, coefficients as i16) of a component. */
static PyObject *component_of(j_decompress_ptr source, int c, jvirt_barray_ptr blocks)
{
    const jpeg_component_info *component = &source->comp_info[c];
    const size_t row_size = component->width_in_blocks * sizeof(JBLOCK);
    const JQUANT_TBL *table;
    PyObject *coefficients = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(component->height_in_blocks * row_size));

    if (coefficients == NULL)
        return NULL;
    for (JDIMENSION row = 0; row < component->height_in_blocks; row++) {
        JBLOCKARRAY rows = source->mem->access_virt_barray((j_common_ptr)source, blocks, row, 1, FALSE);

        memcpy(PyBytes_AS_STRING(coefficients) + row * row_size, rows[0], row_size);
    }
    /* A component without a scan has no quant_table; all of its coefficients are 0. */
    table = component->quant_table != NULL ? component->quant_table : source->quant_tbl_ptrs[component->quant_tbl_no];
    return Py_BuildValue("iy#IIN", component->quant_tbl_no, (const char *)table->quantval,
                         (Py_ssize_t)sizeof table->quantval, component->height_in_blocks, component->width_in_blocks,
                         coefficients);
}

/* Errors of libjpeg leave through self->escape; errors of Python stay set. */
static void read_all(reader *self, const Py_buffer *tile)
{
    jvirt_barray_ptr *blocks;

    jpeg_create_decompress(&self->source);
    jpeg_mem_src(&self->source, tile->buf, (unsigned long)tile->len);
    jpeg_read_header(&self->source, TRUE);
    blocks = jpeg_read_coefficients(&self->source);
    self->components = PyList_New(0);
    for (int c = 0; self->components != NULL && c < self->source.num_components; c++) {
        PyObject *component = component_of(&self->source, c, blocks[c]);

        if (component == NULL || PyList_Append(self->components, component) != 0)
            Py_CLEAR(self->components);
        Py_XDECREF(component);
    }
}

static void read_guarded(reader *self, const Py_buffer *tile)
{
    char message[JMSG_LENGTH_MAX];

    if (setjmp(self->escape)) {
        self->errors.format_message((j_common_ptr)&self->source, message);
        Py_CLEAR(self->components);
        PyErr_SetString(PyExc_ValueError, message);
        return;
    }
    read_all(self, tile);
}

/* read(tile) returns whether components 1 and 2 are chrominance, and a list of all components. */
static PyObject *read_tile(PyObject *module, PyObject *arguments)
{
    reader self = {.components = NULL};
    Py_buffer tile;
    int chroma;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*", &tile))
        return NULL;
    self.source.err = jpeg_std_error(&self.errors);
    self.errors.error_exit = on_error;
    self.errors.emit_message = on_message;
    self.source.client_data = &self;
    read_guarded(&self, &tile);
    chroma = self.source.jpeg_color_space == JCS_YCbCr || self.source.jpeg_color_space == JCS_YCCK;
    jpeg_destroy_decompress(&self.source);
    PyBuffer_Release(&tile);
    return self.components == NULL ? NULL : Py_BuildValue("NN", PyBool_FromLong(chroma), self.components);
}

static PyMethodDef methods[] = {{"read", read_tile, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "coefficients", .m_methods = methods};

PyMODINIT_FUNC PyInit_coefficients(void)
{
    return PyModule_Create(&definition);
}
