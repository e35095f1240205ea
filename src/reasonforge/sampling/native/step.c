/* One ragged step of a dense decoder on the CPU: embed, all layers, head, warp and draw, in one call that holds no lock.
 *
 * Every row is one token at (slot, position); prefill and decode are the same thing. Rows of one slot come in order of position: each is
 * stored just before it attends. The caller checks all bounds. */
#include "attention.h"
#include "gemm.h"
#include "model.h"
#include "sample.h"
#include "vector.h"

/* Give `target` the keys and values of positions 0 .. count - 1 of `source`. */
void copy_prefix(State *state, int64_t source, int64_t target, int64_t count) {
    int64_t floats = (count + LANES - 1) / LANES * block_floats(&state->shape);
    for (int64_t layer = 0; layer < state->shape.layers; layer++)
        memcpy(slot_cache(state, layer, target), slot_cache(state, layer, source), (size_t)floats * 4);
}

static void run_layer(const Weights *weights, State *state, int64_t index, int64_t rows, const int32_t *positions, const int32_t *slots) {
    const Shape *s = &state->shape;
    const Layer *layer = &weights->layers[index];
    int64_t width = hidden_stride(s), mixed = s->heads * s->head_dim, wide = gated_stride(s), joint = layer->qkv.columns;
    float eps = (float)s->eps;
    for (int64_t r = 0; r < rows; r++)
        rms_norm(state->residual + r * width, layer->input_norm, s->hidden, eps, state->normed + r * width);
    linear(STORE, &layer->qkv, rows, state->normed, width, state->rounded, state->qkv, joint);
    for (int64_t r = 0; r < rows; r++) {
        float *slot = slot_cache(state, index, slots[r]), *next = slot_cache(state, index, slots[r + 1 < rows ? r + 1 : r]);
        append(state, layer, state->qkv + r * joint, slot, positions[r]);
        attend(state, state->qkv + r * joint, slot, next, positions[r] + 1, state->attended + r * mixed);
    }
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
    int64_t width = hidden_stride(s), vocab = weights->head.columns;
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
