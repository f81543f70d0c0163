/* SPDX-License-Identifier: Apache-2.0
 * A program for another architecture that runs every kernel of a linked-in table on the same input:
 *     kernel_host BUFFERS BYTES ITEMS < buffers > last buffers
 * BUFFERS of BYTES each come in; for each kernel the last one goes out, after 0xA5 in all its bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t Kernel(void *const *buffer, const int64_t *size, int64_t begin, int64_t end, const void *context);

/* The kernels, then NULL. */
extern Kernel *const kernel_table[];

int32_t adze_launch(const void *context, Kernel *kernel, void *const *buffer, const int64_t *size, int64_t extent,
                    int64_t work);
int32_t adze_launch(const void *context, Kernel *kernel, void *const *buffer, const int64_t *size, int64_t extent,
                    int64_t work)
{
    (void)work;
    return kernel(buffer, size, 0, extent, context);
}

int main(int argc, char **argv)
{
    void *buffer[8];
    if (argc != 4)
        return 2;
    const int count = atoi(argv[1]), items = atoi(argv[3]);
    const size_t bytes = (size_t)atol(argv[2]);
    for (int i = 0; i < count; i++) {
        buffer[i] = malloc(bytes);
        if (!buffer[i] || fread(buffer[i], 1, bytes, stdin) != bytes)
            return 3;
    }
    for (int i = 0; kernel_table[i]; i++) {
        memset(buffer[count - 1], 0xA5, bytes);
        if (kernel_table[i](buffer, NULL, 0, items, NULL) != 0)
            return 4;
        fwrite(buffer[count - 1], 1, bytes, stdout);
    }
    return fflush(stdout) != 0;
}
