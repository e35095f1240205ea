/* One ragged step of a dense decoder on the CPU: embed, all layers, head, warp and draw, in one call that holds no lock.
 *
 * Every row is one token at (slot, position); prefill and decode are the same thing. The caller checks all bounds. Buffers live in
 * two objects: Weights (packed once per version, shared by threads) and State (cache and scratch space of one thread). */
#include <stdlib.h>

#include "attention.h"
#include "gemm.h"
#include "sample.h"
#include "vector.h"

typedef struct {
    int64_t vocab, hidden, layers, heads, kv_heads, head_dim, intermediate;
    int64_t bf16;    /* matrices and their inputs in bfloat16; everything else, the head included, stays float32 */
    int64_t qk_norm;
    double eps;
} Shape;

typedef struct {
    float *input_norm, *post_norm, *q_norm, *k_norm;
    Linear qkv, output, gate_up, down;
} Layer;

typedef struct {
    Shape shape;
    float *embedding, *final_norm; /* embedding[vocab][hidden] */
    Linear head;
    Layer *layers;
} Weights;

typedef struct {
    Shape shape;
    int64_t slots, blocks, max_rows, logit_rows; /* blocks of LANES positions per slot */
    float *cos, *sin;                            /* [context][head_dim / 2] */
    float *keys, *values;                        /* [layers][slots][kv_heads][blocks][head_dim][LANES], [...][positions][value_stride] */
    float *residual, *normed, *qkv, *attended, *gated, *scores, *mixed, *logits, *weights;
    uint16_t *rounded;
} State;

/* Which tensor of the model `weights_set` is given. sampling/native.py has the same list. */
enum { EMBEDDING, HEAD, FINAL_NORM, INPUT_NORM, POST_NORM, Q_NORM, K_NORM, Q, K, V, O, GATE, UP, DOWN, Q_BIAS, K_BIAS, V_BIAS, O_BIAS,
       GATE_BIAS, UP_BIAS, DOWN_BIAS };

#define CACHE_LINE 64 /* bytes of a cache line: every buffer starts on one */

/* Zeroed memory on a cache line. calloc leaves untouched pages unmapped, so a long context costs nothing until it is used. */
static void *allocate(int64_t bytes, int *failed) {
    char *raw = bytes < 0 ? 0 : calloc((size_t)bytes + 2 * CACHE_LINE, 1);
    if (!raw) {
        *failed = 1;
        return 0;
    }
    char *aligned = (char *)(((uintptr_t)raw + 2 * CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
    ((void **)aligned)[-1] = raw;
    return aligned;
}

static void release(void *aligned) {
    if (aligned) free(((void **)aligned)[-1]);
}

static float *floats(int64_t count, int *failed) { return allocate(count * 4, failed); }

static Linear make_linear(int64_t inputs, int64_t columns, int bf16, int *failed) {
    Linear made = {.inputs = inputs, .columns = round_up(columns, PANEL), .bf16 = bf16};
    made.panels = allocate(round_up(inputs, 2) * made.columns * (bf16 ? 2 : 4), failed);
    made.bias = floats(made.columns, failed);
    return made;
}

static void free_linear(Linear *linear) {
    release(linear->panels);
    release(linear->bias);
}

static int64_t qkv_columns(const Shape *shape) { return (shape->heads + 2 * shape->kv_heads) * shape->head_dim; }
static int64_t gate_up_columns(const Shape *shape) { return 2 * round_up(shape->intermediate, LANES); }
static int64_t value_stride(const Shape *shape) { return round_up(shape->head_dim, LANES); }

void weights_free(Weights *weights) {
    if (!weights) return;
    for (int64_t i = 0; weights->layers && i < weights->shape.layers; i++) {
        Layer *layer = &weights->layers[i];
        release(layer->input_norm), release(layer->post_norm), release(layer->q_norm), release(layer->k_norm);
        free_linear(&layer->qkv), free_linear(&layer->output), free_linear(&layer->gate_up), free_linear(&layer->down);
    }
    release(weights->embedding), release(weights->final_norm), free_linear(&weights->head), release(weights->layers);
    free(weights);
}

/* Room for a model of this shape; NULL when memory is short. */
Weights *weights_create(const Shape *shape) {
    Weights *weights = calloc(1, sizeof *weights);
    if (!weights) return 0;
    int failed = 0, bf16 = shape->bf16 != 0;
    int64_t width = shape->hidden;
    weights->shape = *shape;
    weights->embedding = floats(shape->vocab * width, &failed);
    weights->final_norm = floats(width, &failed);
    weights->head = make_linear(width, shape->vocab, 0, &failed);
    weights->layers = allocate(shape->layers * (int64_t)sizeof(Layer), &failed);
    for (int64_t i = 0; !failed && i < shape->layers; i++) {
        Layer *layer = &weights->layers[i];
        layer->input_norm = floats(width, &failed), layer->post_norm = floats(width, &failed);
        layer->q_norm = floats(shape->head_dim, &failed), layer->k_norm = floats(shape->head_dim, &failed);
        layer->qkv = make_linear(width, qkv_columns(shape), bf16, &failed);
        layer->output = make_linear(shape->heads * shape->head_dim, width, bf16, &failed);
        layer->gate_up = make_linear(width, gate_up_columns(shape), bf16, &failed);
        layer->down = make_linear(shape->intermediate, width, bf16, &failed);
    }
    if (!failed) return weights;
    weights_free(weights);
    return 0;
}

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

void state_free(State *state) {
    if (!state) return;
    float *buffers[] = {state->cos,   state->sin,   state->keys,   state->values, state->residual, state->normed, state->qkv,
                        state->attended, state->gated, state->scores, state->mixed,  state->logits,   state->weights};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) release(buffers[i]);
    release(state->rounded);
    free(state);
}

/* A cache of `slots` x `context` positions and scratch space for `max_rows` rows; `cos` and `sin` are [context][head_dim / 2]. */
State *state_create(const Shape *shape, int64_t slots, int64_t context, int64_t max_rows, const float *cos, const float *sin) {
    State *state = calloc(1, sizeof *state);
    if (!state) return 0;
    int failed = 0;
    int64_t half = shape->head_dim / 2, vocab = round_up(shape->vocab, PANEL), width = round_up(shape->hidden, PANEL);
    int64_t regions = shape->layers * slots * shape->kv_heads, wide = round_up(shape->intermediate, LANES);
    int64_t widest = shape->hidden > shape->heads * shape->head_dim ? shape->hidden : shape->heads * shape->head_dim;
    if (shape->intermediate > widest) widest = shape->intermediate;
    state->shape = *shape;
    state->slots = slots, state->max_rows = max_rows;
    state->blocks = (context + LANES - 1) / LANES;
    /* Logits of a large vocabulary are made a few rows at a time: 16 MiB at most, but always a tile. */
    state->logit_rows = (4 << 20) / vocab < TILE_ROWS ? TILE_ROWS : (4 << 20) / vocab;
    if (state->logit_rows > max_rows) state->logit_rows = max_rows;
    state->cos = floats(context * half, &failed), state->sin = floats(context * half, &failed);
    state->keys = floats(regions * state->blocks * LANES * shape->head_dim, &failed);
    state->values = floats(regions * state->blocks * LANES * value_stride(shape), &failed);
    state->residual = floats(max_rows * width, &failed), state->normed = floats(max_rows * width, &failed);
    state->qkv = floats(max_rows * round_up(qkv_columns(shape), PANEL), &failed);
    state->attended = floats(max_rows * shape->heads * shape->head_dim, &failed);
    state->gated = floats(max_rows * wide, &failed);
    state->scores = floats(2 * state->blocks * LANES, &failed);
    state->mixed = floats(2 * value_stride(shape), &failed);
    state->logits = floats(state->logit_rows * vocab, &failed), state->weights = floats(vocab, &failed);
    state->rounded = allocate(max_rows * round_up(widest, 2) * 2, &failed);
    if (failed) {
        state_free(state);
        return 0;
    }
    memcpy(state->cos, cos, (size_t)(context * half) * 4);
    memcpy(state->sin, sin, (size_t)(context * half) * 4);
    return state;
}

static float *region(const State *state, float *cache, int64_t layer, int64_t slot, int64_t kv_head, int64_t row_floats) {
    int64_t index = (layer * state->slots + slot) * state->shape.kv_heads + kv_head;
    return cache + index * state->blocks * LANES * row_floats;
}

/* Give `target` the keys and values of positions 0 .. count - 1 of `source`. */
void copy_prefix(State *state, int64_t source, int64_t target, int64_t count) {
    int64_t dim = state->shape.head_dim, stride = value_stride(&state->shape);
    for (int64_t layer = 0; layer < state->shape.layers; layer++)
        for (int64_t head = 0; head < state->shape.kv_heads; head++) {
            memcpy(region(state, state->keys, layer, target, head, dim), region(state, state->keys, layer, source, head, dim),
                   (size_t)(round_up(count, LANES) * dim) * 4);
            memcpy(region(state, state->values, layer, target, head, stride), region(state, state->values, layer, source, head, stride),
                   (size_t)(count * stride) * 4);
        }
}

/* Norm and rotate the queries and keys of a row in place, then store its keys and values. */
static void append(State *state, const Layer *layer, int64_t layer_index, float *row, int64_t slot, int64_t position) {
    const Shape *s = &state->shape;
    int64_t dim = s->head_dim, half = dim / 2, stride = value_stride(s);
    const float *cos = state->cos + position * half, *sin = state->sin + position * half;
    for (int64_t h = 0; h < s->heads + s->kv_heads; h++) {
        int query = h < s->heads;
        float *head = row + h * dim;
        if (s->qk_norm) rms_norm(head, query ? layer->q_norm : layer->k_norm, dim, (float)s->eps, head);
        rotate(head, cos, sin, half, query ? 1.0f / sqrtf((float)dim) : 1.0f);
    }
    for (int64_t h = 0; h < s->kv_heads; h++) {
        const float *key = row + (s->heads + h) * dim, *value = key + s->kv_heads * dim;
        float *keys = region(state, state->keys, layer_index, slot, h, dim) + position / LANES * dim * LANES + position % LANES;
        for (int64_t d = 0; d < dim; d++) keys[d * LANES] = key[d];
        memcpy(region(state, state->values, layer_index, slot, h, stride) + position * stride, value, (size_t)dim * 4);
    }
}

/* Softmax attention of `heads` (1 or 2) query heads of one key/value head over positions 0 .. length - 1. */
INLINE void attend_heads(State *state, int heads, const float *queries, const float *keys, const float *values, int64_t length, float *out) {
    int64_t dim = state->shape.head_dim, stride = value_stride(&state->shape), blocks = (length + LANES - 1) / LANES;
    int64_t row = state->blocks * LANES;
    float scales[2];
    score(heads, queries, dim, keys, blocks, state->scores, row);
    for (int h = 0; h < heads; h++) scales[h] = 1.0f / exponentials(state->scores + h * row, length);
    mix(heads, state->scores, row, values, stride, length, scales, state->mixed);
    for (int h = 0; h < heads; h++) memcpy(out + h * dim, state->mixed + h * stride, (size_t)dim * 4);
}

static void attend(State *state, int64_t layer, const float *row, int64_t slot, int64_t length, float *out) {
    const Shape *s = &state->shape;
    int64_t dim = s->head_dim, group = s->heads / s->kv_heads;
    for (int64_t kv = 0; kv < s->kv_heads; kv++) {
        const float *keys = region(state, state->keys, layer, slot, kv, dim);
        const float *values = region(state, state->values, layer, slot, kv, value_stride(s));
        int64_t h = kv * group, end = h + group;
        for (; h + 2 <= end; h += 2) attend_heads(state, 2, row + h * dim, keys, values, length, out + h * dim);
        if (h < end) attend_heads(state, 1, row + h * dim, keys, values, length, out + h * dim);
    }
}

static void run_layer(const Weights *weights, State *state, int64_t index, int64_t rows, const int32_t *positions, const int32_t *slots) {
    const Shape *s = &state->shape;
    const Layer *layer = &weights->layers[index];
    int64_t width = round_up(s->hidden, PANEL), mixed = s->heads * s->head_dim, wide = round_up(s->intermediate, LANES);
    float eps = (float)s->eps;
    for (int64_t r = 0; r < rows; r++)
        rms_norm(state->residual + r * width, layer->input_norm, s->hidden, eps, state->normed + r * width);
    linear(STORE, &layer->qkv, rows, state->normed, width, state->rounded, state->qkv, layer->qkv.columns);
    for (int64_t r = 0; r < rows; r++)
        append(state, layer, index, state->qkv + r * layer->qkv.columns, slots[r], positions[r]);
    for (int64_t r = 0; r < rows; r++)
        attend(state, index, state->qkv + r * layer->qkv.columns, slots[r], positions[r] + 1, state->attended + r * mixed);
    linear(ADD, &layer->output, rows, state->attended, mixed, state->rounded, state->residual, width);
    for (int64_t r = 0; r < rows; r++)
        rms_norm(state->residual + r * width, layer->post_norm, s->hidden, eps, state->normed + r * width);
    linear(SWIGLU, &layer->gate_up, rows, state->normed, width, state->rounded, state->gated, wide);
    linear(ADD, &layer->down, rows, state->gated, wide, state->rounded, state->residual, width);
}

/* Run `rows` tokens through the model, then make `draws` draws. draw_rows is non-decreasing: draws from one row share its logits. */
void step(const Weights *weights, State *state, int64_t rows, const int32_t *tokens, const int32_t *positions, const int32_t *slots,
          int64_t draws, const int32_t *draw_rows, const uint64_t *seeds, const Warp *warp, int32_t *drawn, float *logprobs) {
    const Shape *s = &state->shape;
    int64_t width = round_up(s->hidden, PANEL), vocab = weights->head.columns;
    for (int64_t r = 0; r < rows; r++)
        memcpy(state->residual + r * width, weights->embedding + tokens[r] * s->hidden, (size_t)s->hidden * 4);
    for (int64_t layer = 0; layer < s->layers; layer++) run_layer(weights, state, layer, rows, positions, slots);
    for (int64_t next = 0; next < draws;) {
        int64_t count = 0, end = next;
        for (; end < draws; end++) {
            int new_row = end == next || draw_rows[end] != draw_rows[end - 1];
            if (new_row && count == state->logit_rows) break;
            if (new_row) rms_norm(state->residual + draw_rows[end] * width, weights->final_norm, s->hidden, (float)s->eps,
                                  state->normed + count++ * width);
        }
        linear(STORE, &weights->head, count, state->normed, width, state->rounded, state->logits, vocab);
        float *logits = state->logits - vocab, top = 0;
        double total = 0;
        for (int64_t i = next; i < end; i++) {
            if (i == next || draw_rows[i] != draw_rows[i - 1]) total = prepare(warp, logits += vocab, s->vocab, state->weights, &top);
            int32_t token = draw(warp, logits, state->weights, s->vocab, top, total, uniform(seeds[i], positions[draw_rows[i]] + 1));
            drawn[i] = token;
            logprobs[i] = token < 0 ? 0.0f : (float)((double)(logits[token] - top) - log(total));
        }
        next = end;
    }
}
