/* Short vectors through the GCC/clang extension, so that one source serves AVX-512, AVX2, NEON and anything else. */
#ifndef REASONFORGE_VECTOR_H
#define REASONFORGE_VECTOR_H

#include <stdint.h>
#include <string.h>

/* LANES floats per register; TILE_ROWS x 2 accumulators plus two operands fill the register file without spilling. */
#if defined(__AVX512F__)
#define LANES 16
#define TILE_ROWS 14
#elif defined(__AVX__)
#define LANES 8
#define TILE_ROWS 6
#else
#define LANES 4
#define TILE_ROWS 8
#endif
#define PANEL (2 * LANES)

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE int64_t round_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }

INLINE vec load(const float *source) { return *(const vec *)source; }
INLINE void store(float *target, vec value) { *(vec *)target = value; }
INLINE vec splat(float value) { return value - (vec){0}; }
INLINE vec blend(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }
INLINE vec vmax(vec a, vec b) { return blend(a > b, a, b); }

typedef float quad __attribute__((vector_size(16), may_alias));
typedef int32_t iquad __attribute__((vector_size(16), may_alias));

/* Lanes are folded in a fixed order, so a sum depends on nothing but the lanes. */
INLINE float sum_lanes(vec value) {
    quad parts[LANES / 4];
    memcpy(parts, &value, sizeof value);
    for (int i = 1; i < LANES / 4; i++) parts[0] += parts[i];
    return (parts[0][0] + parts[0][1]) + (parts[0][2] + parts[0][3]);
}

INLINE float max_lanes(vec value) {
    quad parts[LANES / 4];
    memcpy(parts, &value, sizeof value);
    for (int i = 1; i < LANES / 4; i++) {
        iquad larger = parts[i] > parts[0];
        parts[0] = (quad)((larger & (iquad)parts[i]) | (~larger & (iquad)parts[0]));
    }
    float left = parts[0][0] > parts[0][1] ? parts[0][0] : parts[0][1], right = parts[0][2] > parts[0][3] ? parts[0][2] : parts[0][3];
    return left > right ? left : right;
}

/* exp to about 1 ulp: x = n ln 2 + r, |r| <= ln(2)/2, a minimax polynomial in r, then n goes into the exponent bits.
 * Below -87.3 the result stays at the smallest normal number; a NaN stays a NaN. */
INLINE vec vexp(vec x) {
    const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer in the low mantissa bits */
    x = blend(x < splat(-87.3f), splat(-87.3f), x);
    x = blend(x > splat(88.3f), splat(88.3f), x);
    vec shifted = x * 1.44269504088896341f + shifter;
    ivec exponent = ((ivec)shifted - (ivec)splat(shifter)) << 23;
    vec n = shifted - shifter;
    vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return (vec)((ivec)p + exponent);
}

#endif
