/* The two objects a step works on: Weights, packed once per version and read by all threads, and State, the cache and scratch space of
 * one thread. Each is one block of memory. */
#ifndef REASONFORGE_MODEL_H
#define REASONFORGE_MODEL_H

#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "gemm.h"
#include "vector.h"

typedef struct {
    int64_t vocab, hidden, layers, heads, kv_heads, head_dim, intermediate;
    int64_t bf16; /* matrices and their inputs in bfloat16; everything else, the head included, stays float32 */
    int64_t qk_norm;
    double eps;
} Shape;

typedef struct {
    float *input_norm, *post_norm, *q_norm, *k_norm;
    Linear qkv, output, gate_up, down;
} Layer;

typedef struct {
    Shape shape;
    void *memory;
    float *embedding, *final_norm; /* embedding[vocab][hidden] */
    Linear head;
    Layer *layers;
} Weights;

typedef struct {
    Shape shape;
    void *memory;
    int64_t slots, blocks, max_rows, logit_rows; /* blocks of LANES positions per slot */
    float *cos, *sin;                            /* [context][head_dim / 2] */
    float *cache;                                /* [layers][slots][blocks][block_floats], see attention.h */
    float *residual, *normed, *qkv, *attended, *gated, *scores, *sums, *mixed, *logits, *weights;
    uint16_t *rounded;
} State;

/* Row lengths of the scratch buffers, in floats. */
INLINE int64_t hidden_stride(const Shape *shape) { return round_up(shape->hidden, PANEL); }
INLINE int64_t gated_stride(const Shape *shape) { return round_up(shape->intermediate, LANES); }
INLINE int64_t value_stride(const Shape *shape) { return round_up(shape->head_dim, LANES); }
INLINE int64_t qkv_columns(const Shape *shape) { return (shape->heads + 2 * shape->kv_heads) * shape->head_dim; }
INLINE int64_t block_floats(const Shape *shape) { return shape->kv_heads * (shape->head_dim + value_stride(shape)) * LANES; }

/* Hands out pieces of one block. Run once without memory it only counts. */
typedef struct {
    char *memory;
    int64_t used;
} Arena;

#define HUGE_PAGE ((int64_t)2 << 20)
#define MOST_HUGE ((int64_t)1 << 30)

static void *take(Arena *arena, int64_t bytes) {
    char *piece = arena->memory ? arena->memory + arena->used : 0;
    arena->used += round_up(bytes, 64);
    return piece;
}

static float *take_floats(Arena *arena, int64_t count) { return take(arena, count * 4); }

static Linear take_linear(Arena *arena, int64_t inputs, int64_t columns, int bf16) {
    Linear made = {.inputs = inputs, .columns = round_up(columns, PANEL), .bf16 = bf16};
    made.panels = take(arena, round_up(inputs, 2) * made.columns * (bf16 ? 2 : 4));
    made.bias = take_floats(arena, made.columns);
    return made;
}

/* Zeroed memory for the arena; `raw` is what to free. calloc leaves untouched pages unmapped, so a long context costs nothing until it is
 * used. Caches up to 1 GiB ask for huge pages: scattered reads from memory are 1.4 times faster with them (measured, Zen 5). */
static int map_arena(Arena *arena, void **raw) {
    int64_t bytes = arena->used;
    *raw = bytes < 0 ? 0 : calloc((size_t)bytes + HUGE_PAGE, 1);
    if (!*raw) return 0;
    arena->memory = (char *)(((uintptr_t)*raw + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    arena->used = 0;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE && bytes <= MOST_HUGE) madvise(arena->memory, (size_t)bytes, MADV_HUGEPAGE); /* advice: failure is fine */
#endif
    return 1;
}

static void lay_out_weights(Weights *weights, Arena *arena) {
    const Shape *s = &weights->shape;
    int64_t width = s->hidden;
    int bf16 = s->bf16 != 0;
    weights->embedding = take_floats(arena, s->vocab * width);
    weights->final_norm = take_floats(arena, width);
    weights->head = take_linear(arena, width, s->vocab, 0);
    for (int64_t i = 0; i < s->layers; i++) {
        Layer *layer = &weights->layers[i];
        layer->input_norm = take_floats(arena, width), layer->post_norm = take_floats(arena, width);
        layer->q_norm = take_floats(arena, s->head_dim), layer->k_norm = take_floats(arena, s->head_dim);
        layer->qkv = take_linear(arena, width, qkv_columns(s), bf16);
        layer->output = take_linear(arena, s->heads * s->head_dim, width, bf16);
        layer->gate_up = take_linear(arena, width, 2 * gated_stride(s), bf16);
        layer->down = take_linear(arena, s->intermediate, width, bf16);
    }
}

void weights_free(Weights *weights) {
    if (!weights) return;
    free(weights->memory), free(weights->layers), free(weights);
}

/* Room for a model of this shape; NULL when memory is short. */
Weights *weights_create(const Shape *shape) {
    Weights *weights = calloc(1, sizeof *weights);
    if (!weights) return 0;
    Arena arena = {0};
    weights->shape = *shape;
    weights->layers = calloc((size_t)shape->layers, sizeof(Layer));
    if (weights->layers) lay_out_weights(weights, &arena);
    if (!weights->layers || !map_arena(&arena, &weights->memory)) {
        weights_free(weights);
        return 0;
    }
    lay_out_weights(weights, &arena);
    return weights;
}

/* Which tensor of the model `weights_set` is given. native/engine.py has the same list. */
enum { EMBEDDING, HEAD, FINAL_NORM, INPUT_NORM, POST_NORM, Q_NORM, K_NORM, Q, K, V, O, GATE, UP, DOWN, Q_BIAS, K_BIAS, V_BIAS, O_BIAS,
       GATE_BIAS, UP_BIAS, DOWN_BIAS };

/* Take one tensor, float32 and contiguous as in the checkpoint ([outputs][inputs]). */
void weights_set(Weights *weights, int64_t layer_index, int64_t part, const float *source) {
    const Shape *s = &weights->shape;
    Layer *l = &weights->layers[layer_index];
    int64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim, wide = s->intermediate;
    switch (part) {
    case EMBEDDING: memcpy(weights->embedding, source, (size_t)(s->vocab * s->hidden) * 4); break;
    case FINAL_NORM: memcpy(weights->final_norm, source, (size_t)s->hidden * 4); break;
    case INPUT_NORM: memcpy(l->input_norm, source, (size_t)s->hidden * 4); break;
    case POST_NORM: memcpy(l->post_norm, source, (size_t)s->hidden * 4); break;
    case Q_NORM: memcpy(l->q_norm, source, (size_t)s->head_dim * 4); break;
    case K_NORM: memcpy(l->k_norm, source, (size_t)s->head_dim * 4); break;
    case HEAD: pack(&weights->head, source, s->vocab, 0, PANEL, PANEL); break;
    case Q: pack(&l->qkv, source, q, 0, PANEL, PANEL); break;
    case K: pack(&l->qkv, source, kv, q, PANEL, PANEL); break;
    case V: pack(&l->qkv, source, kv, q + kv, PANEL, PANEL); break;
    case O: pack(&l->output, source, s->hidden, 0, PANEL, PANEL); break;
    case GATE: pack(&l->gate_up, source, wide, 0, LANES, PANEL); break;
    case UP: pack(&l->gate_up, source, wide, LANES, LANES, PANEL); break;
    case DOWN: pack(&l->down, source, s->hidden, 0, PANEL, PANEL); break;
    case Q_BIAS: pack_bias(&l->qkv, source, q, 0, PANEL, PANEL); break;
    case K_BIAS: pack_bias(&l->qkv, source, kv, q, PANEL, PANEL); break;
    case V_BIAS: pack_bias(&l->qkv, source, kv, q + kv, PANEL, PANEL); break;
    case O_BIAS: pack_bias(&l->output, source, s->hidden, 0, PANEL, PANEL); break;
    case GATE_BIAS: pack_bias(&l->gate_up, source, wide, 0, LANES, PANEL); break;
    case UP_BIAS: pack_bias(&l->gate_up, source, wide, LANES, LANES, PANEL); break;
    case DOWN_BIAS: pack_bias(&l->down, source, s->hidden, 0, PANEL, PANEL); break;
    }
}

static void lay_out_state(State *state, Arena *arena, int64_t context) {
    const Shape *s = &state->shape;
    int64_t rows = state->max_rows, vocab = round_up(s->vocab, PANEL), heads_width = s->heads * s->head_dim;
    int64_t widest = s->hidden > heads_width ? s->hidden : heads_width;
    if (s->intermediate > widest) widest = s->intermediate;
    state->cos = take_floats(arena, context * s->head_dim / 2), state->sin = take_floats(arena, context * s->head_dim / 2);
    state->residual = take_floats(arena, rows * hidden_stride(s)), state->normed = take_floats(arena, rows * hidden_stride(s));
    state->qkv = take_floats(arena, rows * round_up(qkv_columns(s), PANEL));
    state->attended = take_floats(arena, rows * heads_width);
    state->gated = take_floats(arena, rows * gated_stride(s));
    state->scores = take_floats(arena, s->heads * state->blocks * LANES);
    state->sums = take_floats(arena, s->heads), state->mixed = take_floats(arena, s->heads * value_stride(s));
    state->logits = take_floats(arena, state->logit_rows * vocab), state->weights = take_floats(arena, vocab);
    state->rounded = take(arena, rows * round_up(widest, 2) * 2);
    state->cache = take_floats(arena, s->layers * state->slots * state->blocks * block_floats(s));
}

void state_free(State *state) {
    if (!state) return;
    free(state->memory), free(state);
}

/* A cache of `slots` x `context` positions and scratch space for `max_rows` rows; `cos` and `sin` are [context][head_dim / 2]. */
State *state_create(const Shape *shape, int64_t slots, int64_t context, int64_t max_rows, const float *cos, const float *sin) {
    State *state = calloc(1, sizeof *state);
    if (!state) return 0;
    Arena arena = {0};
    /* Logits of a large vocabulary are made a few rows at a time: about 16 MiB, but at least a tile. */
    int64_t logit_rows = ((int64_t)4 << 20) / shape->vocab;
    state->shape = *shape;
    state->slots = slots, state->max_rows = max_rows, state->blocks = (context + LANES - 1) / LANES;
    state->logit_rows = logit_rows < TILE_ROWS ? TILE_ROWS : logit_rows;
    if (state->logit_rows > max_rows) state->logit_rows = max_rows;
    lay_out_state(state, &arena, context);
    if (!map_arena(&arena, &state->memory)) {
        state_free(state);
        return 0;
    }
    lay_out_state(state, &arena, context);
    memcpy(state->cos, cos, (size_t)(context * shape->head_dim / 2) * 4);
    memcpy(state->sin, sin, (size_t)(context * shape->head_dim / 2) * 4);
    return state;
}

#endif
