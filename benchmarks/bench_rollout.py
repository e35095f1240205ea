"""Rollout speed on one CPU core: ours against ``transformers`` ``generate``, same weights, same prompts, same lengths.

    python benchmarks/bench_rollout.py [--repeats 7]

128 completions (8 prompts of 9 tokens, 16 each) of two random Qwen3-shaped models. *fixed*: 64 new tokens each. *mixed*: both sides get
the same list of lengths, log-normal, cut to 4..256; useful tokens are counted, and the peer must run until its longest row ends.
CPU seconds (``time.process_time``) with one thread, both sides in one process, in turns; medians. The peer runs in its better dtype.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from common import cpu_seconds, medians, report
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM, StoppingCriteria, StoppingCriteriaList
from transformers.utils import logging as transformers_logging

from reasonforge.core.rollouts import SampleRequest, SamplingParams
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.sampling.local import LocalSampler
from reasonforge.sampling.scheduler import Group

MODELS = {
    "s": DecoderConfig(vocab_size=64, hidden_size=128, num_layers=4, num_heads=4, num_kv_heads=2, head_dim=32, intermediate_size=384),
    "m": DecoderConfig(vocab_size=64, hidden_size=256, num_layers=4, num_heads=8, num_kv_heads=4, head_dim=32, intermediate_size=768),
}
MODELS = {name: config.model_copy(update={"max_positions": 512}) for name, config in MODELS.items()}
PROMPTS, GROUP_SIZE, PROMPT_TOKENS = 8, 16, 9
LENGTHS = {"fixed": np.full(128, 64), "mixed": np.random.default_rng(0).lognormal(math.log(24), 1.0, 128).clip(4, 256).astype(int)}


class OwnLength(StoppingCriteria):
    """Marks a row finished once it has its own number of new tokens."""

    def __init__(self, lengths: np.ndarray) -> None:
        self.ends = torch.from_numpy(lengths) + PROMPT_TOKENS

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        return input_ids.shape[1] >= self.ends


def peer(decoder: Decoder, dtype: torch.dtype, prompts: torch.Tensor) -> Callable[[np.ndarray], None]:
    """Return a function that generates completions of given lengths with ``transformers``."""
    c = decoder.config
    config = Qwen3Config(
        vocab_size=c.vocab_size,
        hidden_size=c.hidden_size,
        num_hidden_layers=c.num_layers,
        num_attention_heads=c.num_heads,
        num_key_value_heads=c.num_kv_heads,
        head_dim=c.head_dim,
        intermediate_size=c.intermediate_size,
        max_position_embeddings=c.max_positions,
        rope_theta=c.rope_theta,
        tie_word_embeddings=c.tie_embeddings,
        attn_implementation="sdpa",
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen3ForCausalLM(config)
    model.load_state_dict({f"model.{name}": tensor for name, tensor in decoder.state_dict().items()}, strict=False)
    model = model.to(dtype).eval()
    mask = torch.ones_like(prompts)

    def generate(lengths: np.ndarray) -> None:
        settings = GenerationConfig(
            do_sample=True, top_k=0, use_cache=True, max_new_tokens=int(lengths.max()), num_return_sequences=GROUP_SIZE, pad_token_id=0
        )
        rules = StoppingCriteriaList([OwnLength(lengths)])
        made = model.generate(prompts, attention_mask=mask, generation_config=settings, stopping_criteria=rules)
        assert made.shape == (PROMPTS * GROUP_SIZE, PROMPT_TOKENS + lengths.max())

    return generate


def ours(sampler: LocalSampler, prompts: torch.Tensor) -> Callable[[np.ndarray], None]:
    """Return a function that draws completions of given lengths with the local sampler."""

    def sample(lengths: np.ndarray) -> None:
        groups = [
            Group(
                prompt_ids=prompt.numpy().astype(np.int32),
                seeds=np.arange(GROUP_SIZE, dtype=np.uint64) + np.uint64(index * GROUP_SIZE),
                limits=lengths[index * GROUP_SIZE : (index + 1) * GROUP_SIZE].astype(np.int32),
            )
            for index, prompt in enumerate(prompts)
        ]
        sampler.run_groups(groups, SamplingParams(max_new_tokens=int(lengths.max())))
        made = [len(result) for group in groups for result in group.results if result is not None]
        assert made == lengths.tolist()

    return sample


def logprob_difference(decoder: Decoder, samplers: dict[str, LocalSampler], prompts: torch.Tensor) -> dict[str, float]:
    """Return, per dtype of ours, the largest |log-probability - float64 reference| over drawn tokens, in nats."""
    differences = {}
    wide = Decoder(decoder.config).double()
    wide.load_state_dict(decoder.state_dict())
    for name, sampler in samplers.items():
        requests = [SampleRequest(prompt_ids=tuple(prompt.tolist()), seeds=(0, 1)) for prompt in prompts]
        worst = 0.0
        for prompt, completions in zip(prompts, sampler.sample(requests, SamplingParams(max_new_tokens=64)), strict=True):
            for completion in completions:
                expected = reference_logprobs(wide, prompt.tolist(), completion.token_ids.tolist())
                worst = max(worst, float(np.abs(expected - completion.logprobs).max()))
        differences[name] = worst
    return differences


def reference_logprobs(decoder: Decoder, prompt: list[int], completion: list[int]) -> np.ndarray:
    """Return the completion's log-probabilities by one full forward pass in float64."""
    from reasonforge.models.cache import KVCache

    ids = torch.tensor(prompt + completion)
    cache = KVCache(decoder.config, 1, len(ids), dtype=torch.float64)
    with torch.no_grad():
        hidden = decoder.decode_step(ids, torch.arange(len(ids)), torch.zeros(len(ids), dtype=torch.int64), cache, dtype=torch.float64)
        logprobs = (hidden @ decoder.head_weight.T).log_softmax(-1)
    return logprobs[len(prompt) - 1 : -1].gather(-1, ids[len(prompt) :, None]).squeeze(-1).numpy()


def measure(name: str, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return useful tokens per CPU second of every (lengths, variant) of one model, and our log-probability errors."""
    decoder = Decoder(MODELS[name])
    decoder.reset_parameters(0)
    prompts = torch.randint(0, 64, (PROMPTS, PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))
    samplers = {f"ours_{dtype}": LocalSampler(decoder, dtype=dtype, backend="native", threads=1) for dtype in ("float32", "bfloat16")}
    runs = {variant: ours(sampler, prompts) for variant, sampler in samplers.items()}
    runs |= {f"peer_{str(dtype)[6:]}": peer(decoder, dtype, prompts) for dtype in (torch.float32, torch.bfloat16)}
    speeds = {}
    for kind, lengths in LENGTHS.items():
        taken = medians(cpu_seconds({variant: partial(run, lengths) for variant, run in runs.items()}, repeats=repeats))
        speeds |= {f"{kind} {variant}": float(lengths.sum() / seconds) for variant, seconds in taken.items()}
    return speeds, logprob_difference(decoder, samplers, prompts)


def main() -> None:
    """Run, print a table, and the result as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    result: dict[str, object] = {}
    print(
        f"{'useful tokens per CPU second':30s} "
        + " ".join(f"{v:>14s}" for v in ("ours fp32", "ours bf16", "peer fp32", "peer bf16", "ratio"))
    )
    for name in MODELS:
        speeds, errors = measure(name, repeats)
        for kind in LENGTHS:
            row = [speeds[f"{kind} {variant}"] for variant in ("ours_float32", "ours_bfloat16", "peer_float32", "peer_bfloat16")]
            best_peer = max(row[2:])
            result[f"ratio_{kind}_{name}"] = round(row[0] / best_peer, 2)
            result[f"ratio_{kind}_{name}_bfloat16"] = round(row[1] / best_peer, 2)
            result[f"peer_dtype_{kind}_{name}"] = "float32" if row[2] >= row[3] else "bfloat16"
            print(f"{name + ', ' + kind:30s} " + " ".join(f"{speed:14,.0f}" for speed in row) + f" {row[0] / best_peer:13.2f}x")
        result |= {f"tokens_per_cpu_second_{name}": {key: round(value) for key, value in speeds.items()}}
        result |= {f"max_logprob_error_{name}": errors}
    result = {"ratio": min(result["ratio_fixed_s"], result["ratio_fixed_m"]), "our_dtype": "float32", "repeats": repeats, **result}
    report("rollout", result, packages=("torch", "transformers", "numpy"))


if __name__ == "__main__":
    main()
