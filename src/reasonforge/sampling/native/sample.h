/* Temperature, top-k, top-p and one draw by inverse distribution function; the same rules as warp.py. */
#ifndef REASONFORGE_SAMPLE_H
#define REASONFORGE_SAMPLE_H

#include <math.h>

#include "vector.h"

typedef struct {
    float temperature; /* 0 = greedy */
    float top_p;       /* 1 = off */
    int64_t top_k;     /* 0 = off */
} Warp;

/* splitmix64's finaliser (Steele, Lea, Flood 2014). */
INLINE uint64_t mix64(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* A number in [0, 1) that depends on the completion's seed and the token's position only. */
INLINE double uniform(uint64_t seed, int64_t position) {
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    uint64_t bits = mix64(mix64(seed + golden) + (uint64_t)(position + 1) * golden);
    return (double)(bits >> 11) * 0x1p-53;
}

/* Integers in the order of the floats (-0 just below +0). */
INLINE ivec order_keys(vec values) { return (ivec)values ^ ((ivec)values >> 31 & 0x7fffffff); }

/* Number of entries whose key is at least `key`. `padded` is a multiple of LANES. */
static double count_from(const float *logits, int64_t padded, int32_t key) {
    ivec count = {0};
    for (int64_t i = 0; i < padded; i += LANES) count -= order_keys(load(logits + i)) >= key;
    double sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += count[lane];
    return sum;
}

/* Sum of the weights of those entries, in double beyond stretches of 64 registers. */
static double mass_from(const float *logits, const float *weights, int64_t padded, int32_t key) {
    double sum = 0;
    for (int64_t i = 0; i < padded;) {
        int64_t end = i + 64 * LANES < padded ? i + 64 * LANES : padded;
        vec mass = {0};
        for (; i < end; i += LANES) mass += (vec)((order_keys(load(logits + i)) >= key) & (ivec)load(weights + i));
        sum += sum_lanes(mass);
    }
    return sum;
}

/* The highest key that keeps at least `needed` mass (entries, if there are no weights), found bit by bit: no sort, and equal logits stay
 * or go together. */
static int32_t threshold(const float *logits, const float *weights, int64_t padded, double needed) {
    uint32_t found = 0; /* keys shifted to unsigned */
    for (uint32_t bit = 0x80000000u; bit; bit >>= 1) {
        int32_t key = (int32_t)((found | bit) ^ 0x80000000u);
        double kept = weights ? mass_from(logits, weights, padded, key) : count_from(logits, padded, key);
        if (kept >= needed) found |= bit;
    }
    return (int32_t)(found ^ 0x80000000u);
}

static void drop_below(float *logits, int64_t padded, int32_t key) {
    for (int64_t i = 0; i < padded; i += LANES) {
        vec logit = load(logits + i);
        store(logits + i, blend(order_keys(logit) >= key, logit, splat(-INFINITY)));
    }
}

/* weights = exp(logits - max), zero for dropped (-inf) entries and for the padding up to LANES; returns their sum in order. */
static double weigh(const float *logits, int64_t size, float top, float *weights) {
    for (int64_t i = 0; i < size; i += LANES) {
        vec logit = load(logits + i);
        store(weights + i, blend(logit == splat(-INFINITY), (vec){0}, vexp(logit - top)));
    }
    double sum = 0;
    for (int64_t i = 0; i < size; i++) sum += weights[i];
    return sum;
}

/* Warp the logits in place once; `draw` may then be called for several seeds. Returns the sum of the weights. */
static double prepare(const Warp *warp, float *logits, int64_t size, float *weights, float *top) {
    int64_t padded = round_up(size, LANES);
    for (int64_t i = size; i < padded; i++) logits[i] = -INFINITY;
    if (warp->temperature > 0)
        for (int64_t i = 0; i < padded; i += LANES) store(logits + i, load(logits + i) / warp->temperature);
    vec best = load(logits);
    for (int64_t i = LANES; i < padded; i += LANES) best = vmax(best, load(logits + i));
    *top = max_lanes(best);
    if (warp->temperature > 0 && warp->top_k > 0 && warp->top_k < size)
        drop_below(logits, padded, threshold(logits, 0, padded, (double)warp->top_k));
    double total = weigh(logits, size, *top, weights);
    if (warp->temperature > 0 && warp->top_p < 1) {
        drop_below(logits, padded, threshold(logits, weights, padded, (double)warp->top_p * total));
        total = weigh(logits, size, *top, weights);
    }
    return total;
}

/* The first token whose cumulative weight exceeds u * total; -1 if the logits are not numbers. Greedy: the first maximum. */
static int32_t draw(const Warp *warp, const float *logits, const float *weights, int64_t size, float top, double total, double u) {
    if (!(total > 0) || isinf(total) || isinf(top)) return -1;
    int32_t last = -1;
    double target = u * total, cumulative = 0;
    for (int64_t i = 0; i < size; i++) {
        if (warp->temperature == 0) {
            if (logits[i] == top) return (int32_t)i;
            continue;
        }
        cumulative += weights[i];
        if (weights[i] > 0) last = (int32_t)i; /* rounding must not fall off the end */
        if (cumulative > target) return last;
    }
    return last;
}

#endif
