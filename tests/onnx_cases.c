/* SPDX-License-Identifier: Apache-2.0
 * See onnx_cases.h. Reads just as much of the tar format as scripts/onnx-pick-cases writes: regular files, short names.
 */
#include "tests/onnx_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, SIZE_AT = 124, FILE_MAX = 1 << 20 };

void onnx_cases_path(const OnnxCases *cases, size_t index, const char *file, char *path)
{
    snprintf(path, PATH_BYTES, "%s/%s/%s", cases->folder, cases->name[index], file);
}

static bool write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    const bool done = file && fwrite(data, 1, size, file) == size;
    return file && fclose(file) == 0 && done;
}

static bool add_case(OnnxCases *cases, const char *name, size_t length)
{
    char path[PATH_BYTES];
    const bool is_last = cases->count && strncmp(cases->name[cases->count - 1], name, length) == 0 &&
                         cases->name[cases->count - 1][length] == '\0';
    if (is_last)
        return true;
    if (cases->count == CASES_MAX)
        return false;
    memcpy(cases->name[cases->count], name, length);
    cases->name[cases->count++][length] = '\0';
    onnx_cases_path(cases, cases->count - 1, "", path);
    return mkdir(path, 0700) == 0;
}

static bool unpack(OnnxCases *cases, FILE *tar)
{
    static char header[BLOCK], data[FILE_MAX];
    while (fread(header, 1, BLOCK, tar) == BLOCK && header[0]) {
        char path[PATH_BYTES];
        const char *slash = memchr(header, '/', NAME_MAX_LENGTH);
        const size_t size = strtoul(header + SIZE_AT, NULL, 8), padded = (size + BLOCK - 1) / BLOCK * BLOCK;
        if (!slash || padded > FILE_MAX || fread(data, 1, padded, tar) != padded ||
            !add_case(cases, header, (size_t)(slash - header)))
            return false;
        onnx_cases_path(cases, cases->count - 1, slash + 1, path);
        if (!write_file(path, data, size))
            return false;
    }
    return cases->count > 0;
}

bool onnx_cases_open(OnnxCases *cases)
{
    *cases = (OnnxCases){.folder = "/tmp/adze-onnx-XXXXXX"};
    FILE *tar = fopen(ADZE_SOURCE_DIR "/tests/data/onnx/cases.tar", "rb");
    const bool done = tar && mkdtemp(cases->folder) && unpack(cases, tar);
    if (tar)
        fclose(tar);
    return done;
}

void onnx_cases_close(OnnxCases *cases)
{
    char command[PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf '%s'", cases->folder);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", cases->folder);
}
