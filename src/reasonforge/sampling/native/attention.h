/* Per-row work between the matrix products: RMSNorm, rotary positions, the key/value cache and attention over one slot.
 *
 * A slot's cache is a sequence of blocks of LANES positions, and a block is keys[kv_head][d][lane], so that scores vectorise over
 * positions, then values[kv_head][lane][d], so that the weighted sum vectorises over d. What one row reads is thus one stretch of
 * memory. It rarely is in cache, so every loop asks for what the next one needs. */
#ifndef REASONFORGE_ATTENTION_H
#define REASONFORGE_ATTENTION_H

#include <math.h>

#include "model.h"
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

/* Scores of `heads` queries against one block of keys: scores[h * row + lane]. `soon` is as long as the keys and needed next. Even and odd
 * dimensions (head_dim is even) have their own accumulators: two chains are too few to hide the latency of a multiply-add. */
INLINE void score_block(int heads, const float *queries, int64_t head_dim, const float *keys, const float *soon, float *scores,
                        int64_t row) {
    vec even[2] = {{0}, {0}}, odd[2] = {{0}, {0}};
    for (int64_t d = 0; d < head_dim; d += 2) {
        vec left = load(keys + d * LANES), right = load(keys + (d + 1) * LANES);
        __builtin_prefetch(soon + d * LANES, 0, 3);
        __builtin_prefetch(soon + (d + 1) * LANES, 0, 3);
#pragma GCC unroll 2
        for (int h = 0; h < heads; h++) {
            even[h] += queries[h * head_dim + d] * left;
            odd[h] += queries[h * head_dim + d + 1] * right;
        }
    }
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++) store(scores + h * row, even[h] + odd[h]);
}

/* scores -> exp(scores - max) over `length` positions; returns the sum. Positions up to the end of the last block count as -inf: vexp
 * makes 1e-38 of them, which a sum of at least 1 does not notice. */
INLINE float exponentials(float *scores, int64_t length) {
    int64_t padded = round_up(length, LANES);
    for (int64_t i = length; i < padded; i++) scores[i] = -INFINITY;
    vec best = load(scores);
    for (int64_t i = LANES; i < padded; i += LANES) best = vmax(best, load(scores + i));
    vec top = splat(max_lanes(best)), sum = {0};
    for (int64_t i = 0; i < padded; i += LANES) {
        vec value = vexp(load(scores + i) - top);
        store(scores + i, value);
        sum += value;
    }
    return sum_lanes(sum);
}

/* out[h] += sum_t weights[h * row + t] * values[t] over the `count` positions of a block, `vectors` registers of each value row. Even and
 * odd positions have their own accumulators, for the same reason. */
INLINE void mix_vectors(int heads, int vectors, const float *weights, int64_t row, const float *values, int64_t stride, int64_t count,
                        float *out) {
    vec sum[2][2][2];
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[0][h][v] = load(out + h * stride + v * LANES), sum[1][h][v] = (vec){0};
    int64_t t = 0;
    for (; t + 1 < count; t += 2)
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                vec value = load(values + (t + odd) * stride + v * LANES);
#pragma GCC unroll 2
                for (int h = 0; h < heads; h++) sum[odd][h][v] += weights[h * row + t + odd] * value;
            }
    if (t < count)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
#pragma GCC unroll 2
            for (int h = 0; h < heads; h++) sum[0][h][v] += weights[h * row + t] * load(values + t * stride + v * LANES);
#pragma GCC unroll 2
    for (int h = 0; h < heads; h++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) store(out + h * stride + v * LANES, sum[0][h][v] + sum[1][h][v]);
}

INLINE void mix_block(int heads, const float *weights, int64_t row, const float *values, const float *soon, int64_t stride, int64_t count,
                      float *out) {
    for (int64_t t = 0; t < stride; t++) __builtin_prefetch(soon + t * LANES, 0, 3);
    int64_t v = 0;
    for (; v + 2 * LANES <= stride; v += 2 * LANES) mix_vectors(heads, 2, weights, row, values + v, stride, count, out + v);
    if (v < stride) mix_vectors(heads, 1, weights, row, values + v, stride, count, out + v);
}

INLINE float *slot_cache(const State *state, int64_t layer, int64_t slot) {
    return state->cache + (layer * state->slots + slot) * state->blocks * block_floats(&state->shape);
}

/* Norm and rotate the queries and keys of a row in place, then store its keys and values. */
static void append(State *state, const Layer *layer, float *row, float *slot, int64_t position) {
    const Shape *s = &state->shape;
    int64_t dim = s->head_dim, half = dim / 2, stride = value_stride(s), lane = position % LANES;
    float *block = slot + position / LANES * block_floats(s), *values = block + s->kv_heads * dim * LANES;
    for (int64_t h = 0; h < s->heads + s->kv_heads; h++) {
        int query = h < s->heads;
        if (s->qk_norm) rms_norm(row + h * dim, query ? layer->q_norm : layer->k_norm, dim, (float)s->eps, row + h * dim);
        rotate(row + h * dim, state->cos + position * half, state->sin + position * half, half, query ? 1.0f / sqrtf((float)dim) : 1.0f);
    }
    const float *key = row + s->heads * dim, *value = key + s->kv_heads * dim;
    for (int64_t d = 0; d < s->kv_heads * dim; d++) block[d * LANES + lane] = key[d];
    for (int64_t h = 0; h < s->kv_heads; h++) memcpy(values + (h * LANES + lane) * stride, value + h * dim, (size_t)dim * 4);
}

/* Softmax attention of one row over positions 0 .. length - 1 of its slot. `next` is the slot whose turn is next. */
static void attend(State *state, const float *queries, const float *slot, const float *next, int64_t length, float *out) {
    const Shape *s = &state->shape;
    int64_t dim = s->head_dim, stride = value_stride(s), group = s->heads / s->kv_heads, size = block_floats(s);
    int64_t row = state->blocks * LANES, used = (length + LANES - 1) / LANES, values = s->kv_heads * dim * LANES;
    for (int64_t b = 0; b < used; b++, slot += size)
        for (int64_t kv = 0; kv < s->kv_heads; kv++) {
            const float *keys = slot + kv * dim * LANES, *soon = slot + values + kv * stride * LANES;
            float *scores = state->scores + b * LANES;
            int64_t h = kv * group, end = h + group;
            for (; h + 2 <= end; h += 2) score_block(2, queries + h * dim, dim, keys, soon, scores + h * row, row);
            if (h < end) score_block(1, queries + h * dim, dim, keys, soon, scores + h * row, row);
        }
    slot -= used * size;
    memset(state->mixed, 0, (size_t)(s->heads * stride) * 4);
    float *sums = state->sums;
    for (int64_t h = 0; h < s->heads; h++) sums[h] = exponentials(state->scores + h * row, length);
    for (int64_t b = 0; b < used; b++, slot += size, next += size)
        for (int64_t kv = 0; kv < s->kv_heads; kv++) {
            const float *block = slot + values + kv * stride * LANES, *soon = next + kv * dim * LANES, *weights = state->scores + b * LANES;
            int64_t h = kv * group, end = h + group, count = length - b * LANES < LANES ? length - b * LANES : LANES;
            for (; h + 2 <= end; h += 2) mix_block(2, weights + h * row, row, block, soon, stride, count, state->mixed + h * stride);
            if (h < end) mix_block(1, weights + h * row, row, block, soon, stride, count, state->mixed + h * stride);
        }
    for (int64_t h = 0; h < s->heads; h++)
        for (int64_t d = 0; d < dim; d++) out[h * dim + d] = state->mixed[h * stride + d] * (1.0f / sums[h]);
}

#endif
