/* Matrix products of a few hundred rows with weights packed into panels.
 *
 * A panel holds PANEL output columns, input-major: panel[k][lane]. Every output element is one chain of fused multiply-adds over k
 * in increasing order, whatever the number of rows, so a row's result does not depend on its neighbours, to the last bit. */
#ifndef REASONFORGE_GEMM_H
#define REASONFORGE_GEMM_H

#include "vector.h"

#if LANES == 16 && defined(__AVX512BF16__)
#include <immintrin.h>
#endif

typedef struct {
    void *panels;  /* float[panels][inputs][PANEL], or uint16_t[panels][pairs][PANEL][2] in bfloat16 */
    float *bias;   /* float[panels * PANEL]; zeros where the model has none */
    int64_t inputs;
    int64_t columns; /* a multiple of PANEL */
    int bf16;
} Linear;

/* What happens to a finished tile. SWIGLU panels hold LANES gate columns, then the LANES up columns that go with them. */
typedef enum { STORE, ADD, SWIGLU } Finish;

typedef vec Tile[TILE_ROWS][2];
typedef void TileFunction(const void *inputs, int64_t stride, const void *panel, const void *soon, int64_t length, Tile out);

/* Half of the next panel is asked for by each of the first two tiles of this one, a line per step: panels come from L3 or from memory, and
 * a burst of requests would stall the loads in between (206 against 245 GFLOP/s, measured on Zen 5). */
#define PREFETCH_BYTES (PANEL * 2)

INLINE uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* keep NaN a NaN */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

INLINE void tile_f32(int rows, const float *inputs, int64_t stride, const float *panel, const char *soon, int64_t length,
                     Tile out) {
    Tile sum;
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (vec){0};
    for (int64_t k = 0; k < length; k++) {
        __builtin_prefetch(soon + k * PREFETCH_BYTES, 0, 2);
        vec left = load(panel + k * PANEL), right = load(panel + k * PANEL + LANES);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            float x = inputs[r * stride + k];
            sum[r][0] += x * left;
            sum[r][1] += x * right;
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) out[r][0] = sum[r][0], out[r][1] = sum[r][1];
}

/* sum + x0 * w0 + x1 * w1 for one pair of inputs and LANES pairs of weights. */
#if LANES == 16 && defined(__AVX512BF16__)
INLINE vec add_pair(vec sum, uint32_t pair, const uint16_t *weights) {
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)pair), (__m512bh)_mm512_loadu_si512(weights));
}
#else
INLINE vec add_pair(vec sum, uint32_t pair, const uint16_t *weights) {
    ivec both = *(const ivec *)weights;
    uint32_t low = pair << 16, high = pair & 0xffff0000u;
    float x0, x1;
    memcpy(&x0, &low, 4);
    memcpy(&x1, &high, 4);
    sum += x0 * (vec)(both << 16);
    sum += x1 * (vec)(both & (int32_t)0xffff0000);
    return sum;
}
#endif

INLINE void tile_bf16(int rows, const uint16_t *inputs, int64_t stride, const uint16_t *panel, const char *soon, int64_t pairs,
                      Tile out) {
    Tile sum;
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (vec){0};
    for (int64_t k = 0; k < pairs; k++) {
        __builtin_prefetch(soon + k * PREFETCH_BYTES, 0, 2);
        const uint16_t *left = panel + k * 2 * PANEL, *right = left + PANEL;
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            uint32_t pair;
            memcpy(&pair, inputs + r * stride + 2 * k, 4);
            sum[r][0] = add_pair(sum[r][0], pair, left);
            sum[r][1] = add_pair(sum[r][1], pair, right);
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) out[r][0] = sum[r][0], out[r][1] = sum[r][1];
}

/* One function per row count, so that the accumulators are registers. */
#define TILE(kind, n)                                                                                          \
    static void kind##_##n(const void *a, int64_t s, const void *p, const void *soon, int64_t k, Tile o) {     \
        tile_##kind(n, a, s, p, soon, k, o);                                                                   \
    }
#define TILES(n) TILE(f32, n) TILE(bf16, n)
#if TILE_ROWS == 14
TILES(14) TILES(13) TILES(12) TILES(11) TILES(10) TILES(9)
#endif
#if TILE_ROWS >= 8
TILES(8) TILES(7)
#endif
TILES(6) TILES(5) TILES(4) TILES(3) TILES(2) TILES(1)

#define FIRST_TILES(kind) 0, kind##_1, kind##_2, kind##_3, kind##_4, kind##_5, kind##_6
#if TILE_ROWS == 14
#define ALL_TILES(kind) FIRST_TILES(kind), kind##_7, kind##_8, kind##_9, kind##_10, kind##_11, kind##_12, kind##_13, kind##_14
#elif TILE_ROWS == 8
#define ALL_TILES(kind) FIRST_TILES(kind), kind##_7, kind##_8
#else
#define ALL_TILES(kind) FIRST_TILES(kind)
#endif
static TileFunction *const F32_TILES[TILE_ROWS + 1] = {ALL_TILES(f32)};
static TileFunction *const BF16_TILES[TILE_ROWS + 1] = {ALL_TILES(bf16)};

INLINE void finish_tile(Finish finish, int64_t rows, Tile tile, const float *bias, int64_t panel, float *out, int64_t stride) {
    vec left_bias = load(bias + panel * PANEL), right_bias = load(bias + panel * PANEL + LANES);
    for (int64_t r = 0; r < rows; r++, out += stride) {
        vec left = tile[r][0] + left_bias, right = tile[r][1] + right_bias;
        if (finish == SWIGLU) {
            store(out + panel * LANES, left / (1.0f + vexp(-left)) * right);
        } else {
            float *at = out + panel * PANEL;
            if (finish == ADD) left += load(at), right += load(at + LANES);
            store(at, left);
            store(at + LANES, right);
        }
    }
}

/* out[r] (op)= inputs[r] @ weights + bias. Panels outside, rows inside: a panel is read from memory once and stays in cache. */
static void linear(Finish finish, const Linear *weights, int64_t rows, const float *inputs, int64_t stride, uint16_t *rounded,
                   float *out, int64_t out_stride) {
    const char *rows_data = (const char *)inputs;
    int64_t length = weights->inputs, row_bytes = stride * 4, panel_bytes = length * PANEL * 4;
    if (weights->bf16) {
        length = (weights->inputs + 1) / 2;
        for (int64_t r = 0; r < rows; r++) {
            uint16_t *row = rounded + r * 2 * length;
            row[2 * length - 1] = 0;
            for (int64_t k = 0; k < weights->inputs; k++) row[k] = to_bf16(inputs[r * stride + k]);
        }
        rows_data = (const char *)rounded;
        stride = 2 * length;
        row_bytes = stride * 2;
        panel_bytes = length * PANEL * 4;
    }
    TileFunction *const *tiles = weights->bf16 ? BF16_TILES : F32_TILES;
    int64_t blocks = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t panel = 0; panel < weights->columns / PANEL; panel++) {
        const char *panel_data = (const char *)weights->panels + panel * panel_bytes;
        for (int64_t block = 0, first = 0; block < blocks; block++) {
            int64_t count = (rows - first + blocks - block - 1) / (blocks - block); /* as even as possible */
            const char *soon = block < 2 ? panel_data + panel_bytes + block * length * PREFETCH_BYTES : panel_data;
            Tile tile;
            tiles[count](rows_data + first * row_bytes, stride, panel_data, soon, length, tile);
            finish_tile(finish, count, tile, weights->bias, panel, out + first * out_stride, out_stride);
            first += count;
        }
    }
}

/* Column n of `source` [columns][inputs] goes to packed column first + n / group * pitch + n % group. */
static void pack(const Linear *target, const float *source, int64_t columns, int64_t first, int64_t group, int64_t pitch) {
    int64_t inputs = target->inputs, pairs = (inputs + 1) / 2;
    for (int64_t n = 0; n < columns; n++) {
        int64_t column = first + n / group * pitch + n % group, panel = column / PANEL, lane = column % PANEL;
        const float *row = source + n * inputs;
        if (target->bf16) {
            uint16_t *at = (uint16_t *)target->panels + (panel * pairs * PANEL + lane) * 2;
            for (int64_t k = 0; k < inputs; k++) at[k / 2 * 2 * PANEL + k % 2] = to_bf16(row[k]);
        } else {
            float *at = (float *)target->panels + panel * inputs * PANEL + lane;
            for (int64_t k = 0; k < inputs; k++) at[k * PANEL] = row[k];
        }
    }
}

static void pack_bias(const Linear *target, const float *source, int64_t columns, int64_t first, int64_t group, int64_t pitch) {
    for (int64_t n = 0; n < columns; n++) target->bias[first + n / group * pitch + n % group] = source[n];
}

#endif
