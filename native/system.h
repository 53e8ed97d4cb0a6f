/* Files of the operating system, on POSIX and on Windows. This is the only C code that differs between them.
 *
 * A path is a text of bytes that ends with 0: those of the system on POSIX, UTF-8 on Windows. A failure is an errno;
 * 0 is none. All functions are thread-safe.
 */
#ifndef GPT_SYSTEM_H
#define GPT_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* Return the size of a regular file, bytes; -1 if it is none, or after a failure. `time` becomes the time of its last
   modification: nanoseconds, or units of 100 ns on Windows. */
int64_t gpt_file_size(const char *path, int64_t *time, int *failure);

/* Open a file for reading, without waiting for the other end of a pipe. Return a descriptor, or a handle of Windows. */
intptr_t gpt_open_file(const char *path, int *failure);

void gpt_close_file(intptr_t file);

/* Read up to `size` bytes at an offset, and return how many were read: 0 at the end of the file, -1 after a failure. */
ptrdiff_t gpt_read_at(intptr_t file, void *target, size_t size, uint64_t offset, int *failure);

#endif
