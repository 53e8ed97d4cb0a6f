/* A libFuzzer program whose target is the function `one_input` of the Python module TARGET.
 *
 * Python gets an input as a view of libFuzzer's own block of memory, which ends where the input ends, so that
 * AddressSanitizer detects reads beyond it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyMODINIT_FUNC PyInit_coefficients(void);

static PyObject *one_input;

/* Python does not free all of its memory at exit. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void fail(void)
{
    PyErr_Print();
    abort();
}

/* Starts the environment's Python with malloc for all objects: otherwise AddressSanitizer could not see where small
 * objects end.
 */
static void start_python(void)
{
    PyPreConfig before;
    PyConfig config;

    PyPreConfig_InitPythonConfig(&before);
    before.allocator = PYMEM_ALLOCATOR_MALLOC;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.install_signal_handlers = 0; /* libFuzzer has its own */
    if (PyStatus_Exception(Py_PreInitialize(&before)) ||
        PyStatus_Exception(PyConfig_SetBytesString(&config, &config.program_name, PYTHON)) ||
        PyStatus_Exception(PyConfig_SetBytesString(&config, &config.pythonpath_env, MODULES)) ||
        PyImport_AppendInittab("coefficients", PyInit_coefficients) != 0 ||
        PyStatus_Exception(Py_InitializeFromConfig(&config)))
        abort();
    PyConfig_Clear(&config);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    PyObject *module;

    (void)argc;
    (void)argv;
    start_python();
    module = PyImport_ImportModule(TARGET);
    one_input = module == NULL ? NULL : PyObject_GetAttrString(module, "one_input");
    if (one_input == NULL)
        fail();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PyObject *input = PyMemoryView_FromMemory((char *)data, (Py_ssize_t)size, PyBUF_READ);
    PyObject *result = input == NULL ? NULL : PyObject_CallOneArg(one_input, input);

    if (result == NULL)
        fail();
    Py_DECREF(result);
    Py_DECREF(input);
    return 0;
}
