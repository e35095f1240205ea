/* Per-row work between the matrix products: RMSNorm, rotary positions, the key/value cache and attention over one slot.
 *
 * Keys are blocked, key[block][d][lane] with LANES positions to a block, so that scores vectorise over positions; values are plain
 * rows, value[position][d], so that the weighted sum vectorises over d. A group of query heads shares every load. */
#ifndef REASONFORGE_ATTENTION_H
#define REASONFORGE_ATTENTION_H

#include <math.h>

#include "vector.h"

/* out = x / sqrt(mean(x^2) + eps) * weight, over `length` numbers. */
INLINE void rms_norm(const float *x, const float *weight, int64_t length, float eps, float *out) {
    vec squares = {0};
    int64_t i = 0;
    for (; i + LANES <= length; i += LANES) squares += load(x + i) * load(x + i);
    float sum = sum_lanes(squares);
    for (; i < length; i++) sum += x[i] * x[i];
    float scale = 1.0f / sqrtf(sum / (float)length + eps);
    for (i = 0; i + LANES <= length; i += LANES) store(out + i, load(x + i) * scale * load(weight + i));
    for (; i < length; i++) out[i] = x[i] * scale * weight[i];
}

/* Rotate pairs (d, d + half) in place, then scale (1/sqrt(head_dim) for queries, 1 for keys). */
INLINE void rotate(float *head, const float *cos, const float *sin, int64_t half, float scale) {
    for (int64_t d = 0; d < half; d++) {
        float x = head[d], y = head[d + half];
        head[d] = (x * cos[d] - y * sin[d]) * scale;
        head[d + half] = (y * cos[d] + x * sin[d]) * scale;
    }
}

/* Scores of `heads` queries against `blocks` key blocks: scores[h * row + position]. */
INLINE void score_blocks(int heads, int blocks, const float *queries, int64_t head_dim, const float *keys, float *scores, int64_t row) {
    vec sum[2][4];
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) sum[h][b] = (vec){0};
    for (int64_t d = 0; d < head_dim; d++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) {
            vec key = load(keys + (b * head_dim + d) * LANES);
#pragma GCC unroll 2
            for (int h = 0; h < heads; h++) sum[h][b] += queries[h * head_dim + d] * key;
        }
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) store(scores + h * row + b * LANES, sum[h][b]);
}

INLINE void score(int heads, const float *queries, int64_t head_dim, const float *keys, int64_t blocks, float *scores, int64_t row) {
    for (; blocks >= 4; blocks -= 4, keys += 4 * head_dim * LANES, scores += 4 * LANES)
        score_blocks(heads, 4, queries, head_dim, keys, scores, row);
    if (blocks == 3) score_blocks(heads, 3, queries, head_dim, keys, scores, row);
    if (blocks == 2) score_blocks(heads, 2, queries, head_dim, keys, scores, row);
    if (blocks == 1) score_blocks(heads, 1, queries, head_dim, keys, scores, row);
}

/* scores -> exp(scores - max) over `length` positions, zero up to the end of the last block; returns the sum. */
INLINE float exponentials(float *scores, int64_t length) {
    int64_t padded = round_up(length, LANES);
    for (int64_t i = length; i < padded; i++) scores[i] = -INFINITY;
    vec best = load(scores);
    for (int64_t i = LANES; i < padded; i += LANES) best = vmax(best, load(scores + i));
    vec top = splat(max_lanes(best)), sum = {0};
    for (int64_t i = 0; i < padded; i += LANES) {
        vec score = load(scores + i), value = vexp(score - top);
        value = blend(score == splat(-INFINITY), (vec){0}, value);
        store(scores + i, value);
        sum += value;
    }
    return sum_lanes(sum);
}

/* out[h] = scales[h] * sum_t weights[h][t] * values[t] for `heads` heads and `vectors` registers of each value row. Even and odd positions
 * have their own accumulators: four chains are too few to hide the latency of a multiply-add. */
INLINE void mix_vectors(int heads, int vectors, const float *weights, int64_t row, const float *values, int64_t stride, int64_t length,
                        const float *scales, float *out) {
    vec sum[2][2][4];
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[0][h][v] = sum[1][h][v] = (vec){0};
    int64_t t = 0;
    for (; t + 1 < length; t += 2)
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                vec value = load(values + (t + odd) * stride + v * LANES);
#pragma GCC unroll 2
                for (int h = 0; h < heads; h++) sum[odd][h][v] += weights[h * row + t + odd] * value;
            }
    if (t < length)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 2
            for (int h = 0; h < heads; h++) sum[0][h][v] += weights[h * row + t] * load(values + t * stride + v * LANES);
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) store(out + h * stride + v * LANES, (sum[0][h][v] + sum[1][h][v]) * scales[h]);
}

INLINE void mix(int heads, const float *weights, int64_t row, const float *values, int64_t stride, int64_t length, const float *scales,
                float *out) {
    int64_t vectors = stride / LANES;
    for (; vectors >= 4; vectors -= 4, values += 4 * LANES, out += 4 * LANES)
        mix_vectors(heads, 4, weights, row, values, stride, length, scales, out);
    if (vectors == 3) mix_vectors(heads, 3, weights, row, values, stride, length, scales, out);
    if (vectors == 2) mix_vectors(heads, 2, weights, row, values, stride, length, scales, out);
    if (vectors == 1) mix_vectors(heads, 1, weights, row, values, stride, length, scales, out);
}

#endif
