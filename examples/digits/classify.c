/* SPDX-License-Identifier: Apache-2.0
 * Classifies handwritten digits with a compiled model. Knows nothing of the compiler: one header, one library (or C
 * file).
 *
 *     adze compile digits.onnx -o digits.so
 *     cc classify.c -I. ./digits.so -Wl,-rpath,'$ORIGIN' -o classify
 *     ./classify test_images.npy test_labels.npy
 *
 * Prints a few images with the model's answer, then the accuracy and the time an image takes. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "digits.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 10 };

/* The data of a .npy file, `bytes` of it; the header's length is in its bytes 8 and 9. */
static void *read_npy(const char *path, size_t *bytes)
{
    unsigned char head[10];
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (file == NULL || stat(path, &info) != 0 || fread(head, 1, sizeof head, file) != sizeof head) {
        fprintf(stderr, "classify: cannot read %s\n", path);
        exit(1);
    }
    const long start = 10 + head[8] + 256 * head[9];
    *bytes = (size_t)(info.st_size - start);
    void *data = malloc(*bytes);
    fseek(file, start, SEEK_SET);
    if (data == NULL || fread(data, 1, *bytes, file) != *bytes) {
        fprintf(stderr, "classify: %s is cut short\n", path);
        exit(1);
    }
    fclose(file);
    return data;
}

static int answer_of(const float *logits)
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* Five images side by side, their labels and the answers below. */
static void draw(const float *image, const int64_t *label, const float *logits, int count)
{
    static const char shade[] = " .:-=+*#%@";
    for (int row = 0; row < SIDE; row++) {
        for (int i = 0; i < count; i++) {
            fputs("   ", stdout);
            for (int column = 0; column < SIDE; column++) {
                const char c = shade[(int)(image[i * PIXELS + row * SIDE + column] * 9.0f)];
                putchar(c);
                putchar(c);
            }
        }
        putchar('\n');
    }
    for (int i = 0; i < count; i++)
        printf("   label %d, answer %d%s", (int)label[i], answer_of(logits + i * CLASSES), i + 1 < count ? "" : "\n");
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argument_count, char **argument)
{
    if (argument_count != 3) {
        fprintf(stderr, "usage: classify IMAGES.npy LABELS.npy\n");
        return 64;
    }
    size_t image_bytes, label_bytes;
    float *image = read_npy(argument[1], &image_bytes);
    int64_t *label = read_npy(argument[2], &label_bytes);
    const int64_t count = (int64_t)(image_bytes / (PIXELS * sizeof *image));

    const int64_t workspace_bytes = digits_workspace_bytes(count);
    void *workspace = aligned_alloc(ADZE_ALIGNMENT, (size_t)workspace_bytes);
    float *logits = malloc((size_t)count * CLASSES * sizeof *logits);
    char message[256] = "";
    const AdzeOptions options = {.message = message, .message_bytes = sizeof message};

    double best = 1e9;
    for (int round = 0; round < 20; round++) {
        const double start = seconds();
        const AdzeStatus status = digits_run(image, logits, count, workspace, workspace_bytes, &options);
        if (status != ADZE_OK) {
            fprintf(stderr, "classify: %s: %s\n", adze_status_text(&digits_model, status), message);
            return 1;
        }
        const double time = seconds() - start;
        best = time < best ? time : best;
    }

    int64_t right = 0;
    for (int64_t i = 0; i < count; i++)
        right += answer_of(logits + i * CLASSES) == label[i];
    draw(image, label, logits, 5);
    printf("accuracy %.5f (%lld of %lld), %.2f us an image, arena %lld bytes\n", (double)right / (double)count,
           (long long)right, (long long)count, best * 1e6 / (double)count, (long long)workspace_bytes);
    free(image);
    free(label);
    free(logits);
    free(workspace);
    return right * 1000 >= count * 990 ? 0 : 1;
}
