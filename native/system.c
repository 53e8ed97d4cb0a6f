#define _POSIX_C_SOURCE 200809L /* pread, O_CLOEXEC */
#define _FILE_OFFSET_BITS 64

#include "system.h"

#include <errno.h>
#include <stdlib.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <wchar.h>
#include <windows.h>

#define MAX_READ_SIZE 0x40000000 /* bytes of one call, whose count has 32 bits */

static int failure_of(DWORD code)
{
    switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
        return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
        return EACCES;
    case ERROR_FILENAME_EXCED_RANGE:
        return ENAMETOOLONG;
    case ERROR_NOT_ENOUGH_MEMORY:
        return ENOMEM;
    case ERROR_TOO_MANY_OPEN_FILES:
        return EMFILE;
    default:
        return EIO;
    }
}

/* Return a path in UTF-16, which the caller frees, or NULL. An absolute path that is longer than Windows takes as it is
 * gets the prefix that lifts the limit ("Maximum Path Length Limitation" in Microsoft's documentation): \\?\C:\folder,
 * or \\?\UNC\server\share\folder. Such paths have no slashes. */
static wchar_t *wide_path(const char *path)
{
    const int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    const wchar_t *prefix = L"";
    size_t skipped = 0, start;
    wchar_t *wide;

    if (length <= 0)
        return NULL;
    if (length >= MAX_PATH && path[0] && path[1] == ':') {
        prefix = L"\\\\?\\";
    } else if (length >= MAX_PATH && path[0] == '\\' && path[1] == '\\' && path[2] != '?' && path[2] != '.') {
        prefix = L"\\\\?\\UNC\\";
        skipped = 2;
    }
    start = wcslen(prefix);
    wide = malloc((start + (size_t)length) * sizeof *wide);
    if (!wide)
        return NULL;
    wmemcpy(wide, prefix, start);
    MultiByteToWideChar(CP_UTF8, 0, path + skipped, -1, wide + start, length);
    for (wchar_t *at = wide; *prefix && *at; at++)
        if (*at == L'/')
            *at = L'\\';
    return wide;
}

int64_t gpt_file_size(const char *path, int64_t *time, int *failure)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    wchar_t *wide = wide_path(path);
    const BOOL is_found = wide && GetFileAttributesExW(wide, GetFileExInfoStandard, &data);

    *failure = !wide ? ENOENT : is_found ? 0 : failure_of(GetLastError());
    *time = is_found ? (int64_t)((uint64_t)data.ftLastWriteTime.dwHighDateTime << 32 | data.ftLastWriteTime.dwLowDateTime)
                     : 0;
    free(wide);
    if (!is_found || data.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE))
        return -1;
    return (int64_t)((uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow);
}

intptr_t gpt_open_file(const char *path, int *failure)
{
    const DWORD sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE; /* as on POSIX */
    wchar_t *wide = wide_path(path);
    HANDLE file = INVALID_HANDLE_VALUE;

    if (wide)
        file = CreateFileW(wide, GENERIC_READ, sharing, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    *failure = !wide ? ENOENT : file == INVALID_HANDLE_VALUE ? failure_of(GetLastError()) : 0;
    free(wide);
    return (intptr_t)file;
}

void gpt_close_file(intptr_t file)
{
    CloseHandle((HANDLE)file);
}

ptrdiff_t gpt_read_at(intptr_t file, void *target, size_t size, uint64_t offset, int *failure)
{
    OVERLAPPED place = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD count = 0;

    *failure = 0;
    if (ReadFile((HANDLE)file, target, size > MAX_READ_SIZE ? MAX_READ_SIZE : (DWORD)size, &count, &place))
        return (ptrdiff_t)count;
    if (GetLastError() == ERROR_HANDLE_EOF)
        return 0;
    *failure = failure_of(GetLastError());
    return -1;
}

#else

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
#define GPT_MTIME st_mtimespec
#else
#define GPT_MTIME st_mtim
#endif

int64_t gpt_file_size(const char *path, int64_t *time, int *failure)
{
    struct stat status;

    *failure = stat(path, &status) == 0 ? 0 : errno;
    *time = *failure ? 0 : (int64_t)status.GPT_MTIME.tv_sec * 1000000000 + status.GPT_MTIME.tv_nsec;
    return *failure || !S_ISREG(status.st_mode) ? -1 : (int64_t)status.st_size;
}

intptr_t gpt_open_file(const char *path, int *failure)
{
    const int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    *failure = file < 0 ? errno : 0;
    return file;
}

void gpt_close_file(intptr_t file)
{
    close((int)file);
}

ptrdiff_t gpt_read_at(intptr_t file, void *target, size_t size, uint64_t offset, int *failure)
{
    ssize_t count;

    do
        count = pread((int)file, target, size, (off_t)offset);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno == ESPIPE)
        count = 0; /* a pipe has no bytes at an offset */
    *failure = count < 0 ? errno : 0;
    return count;
}

#endif
