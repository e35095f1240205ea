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

/* An unsigned key in the order of the floats (-0 just below +0). */
INLINE uint32_t order_key(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* Mass (or count) of the entries whose logit is at least the one with this key. */
static double mass_from(const float *logits, const float *weights, int64_t size, uint32_t key) {
    double sum = 0;
    for (int64_t i = 0; i < size; i++) sum += order_key(logits[i]) >= key ? (weights ? weights[i] : 1.0) : 0.0;
    return sum;
}

/* The highest threshold that keeps at least `needed` of the mass, found bit by bit: no sort, and equal logits stay or go together. */
static uint32_t threshold(const float *logits, const float *weights, int64_t size, double needed) {
    uint32_t key = 0;
    for (uint32_t bit = 0x80000000u; bit; bit >>= 1)
        if (mass_from(logits, weights, size, key | bit) >= needed) key |= bit;
    return key;
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

INLINE void drop_below(float *logits, int64_t size, uint32_t key) {
    for (int64_t i = 0; i < size; i++)
        if (order_key(logits[i]) < key) logits[i] = -INFINITY;
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
        drop_below(logits, size, threshold(logits, 0, size, (double)warp->top_k));
    double total = weigh(logits, size, *top, weights);
    if (warp->temperature > 0 && warp->top_p < 1) {
        drop_below(logits, size, threshold(logits, weights, size, (double)warp->top_p * total));
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
