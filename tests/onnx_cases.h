/* SPDX-License-Identifier: Apache-2.0
 * The cases of tests/data/onnx/cases.tar, unpacked into a folder of their own. */
#ifndef ADZE_TESTS_ONNX_CASES_H
#define ADZE_TESTS_ONNX_CASES_H

#include <stdbool.h>
#include <stddef.h>

enum { CASES_MAX = 512, NAME_MAX_LENGTH = 100 };

typedef struct OnnxCases {
    char folder[64];
    char name[CASES_MAX][NAME_MAX_LENGTH];
    size_t count;
} OnnxCases;

bool onnx_cases_open(OnnxCases *cases);
void onnx_cases_close(OnnxCases *cases);
/* "FOLDER/case/file", in a buffer of PATH_BYTES. */
enum { PATH_BYTES = 512 };
void onnx_cases_path(const OnnxCases *cases, size_t index, const char *file, char *path);

#endif
