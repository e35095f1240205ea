"""Rollout speed on one CPU core: ours against ``transformers`` ``generate``, same weights, same prompts, same lengths.

    python benchmarks/bench_rollout.py [--repeats 5]

128 completions (8 prompts of 9 tokens, 16 each) of two random Qwen3-shaped models. *fixed*: 64 new tokens each. *mixed*: both sides get
the same list of lengths, log-normal, cut to 4..256; useful tokens are counted, and the peer must run until its longest row ends.
CPU seconds (``time.process_time``) with one thread, both sides in one process, in turns; medians. ``ratio_*`` is ours in float32, the
default, against the peer's better dtype with its default cache; ``ratio_*_static`` against its best setting of all, static cache included.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from common import cpu_seconds, medians, report
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM, StoppingCriteria, StoppingCriteriaList
from transformers.utils import logging as transformers_logging

from reasonforge.core.rollouts import SampleRequest, SamplingParams
from reasonforge.models.cache import KVCache
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.sampling.local import LocalSampler
from reasonforge.sampling.scheduler import Group

_COMMON: dict[str, Any] = {"vocab_size": 64, "num_layers": 4, "head_dim": 32, "max_positions": 512}
MODELS = {
    "s": DecoderConfig(hidden_size=128, num_heads=4, num_kv_heads=2, intermediate_size=384, **_COMMON),
    "m": DecoderConfig(hidden_size=256, num_heads=8, num_kv_heads=4, intermediate_size=768, **_COMMON),
}
PROMPTS, GROUP_SIZE, PROMPT_TOKENS = 8, 16, 9
LENGTHS = {"fixed": np.full(128, 64), "mixed": np.random.default_rng(0).lognormal(math.log(24), 1.0, 128).clip(4, 256).astype(int)}
OURS = ("ours float32", "ours bfloat16")
PEER = ("peer float32", "peer bfloat16")
PEER_STATIC = ("peer float32 static", "peer bfloat16 static")

Sample = Callable[[np.ndarray], None]
"""Draws 128 completions of these lengths."""


class OwnLength(StoppingCriteria):
    """Marks a row finished once it has its own number of new tokens."""

    def __init__(self, lengths: np.ndarray) -> None:
        self.ends = torch.from_numpy(lengths) + PROMPT_TOKENS

    def __call__(self, input_ids: Any, scores: Any, **_: object) -> Any:
        """Return one bool per row."""
        return input_ids.shape[1] >= self.ends


def peer_model(decoder: Decoder) -> Any:
    """Return the same model in ``transformers``, and make sure that it is the same."""
    c = decoder.config
    settings: dict[str, Any] = {
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "num_hidden_layers": c.num_layers,
        "num_attention_heads": c.num_heads,
        "num_key_value_heads": c.num_kv_heads,
        "head_dim": c.head_dim,
        "intermediate_size": c.intermediate_size,
        "max_position_embeddings": c.max_positions,
        "rope_parameters": {"rope_type": "default", "rope_theta": c.rope_theta},
        "rms_norm_eps": c.rms_norm_eps,
        "tie_word_embeddings": c.tie_embeddings,
        "attn_implementation": "sdpa",
        "bos_token_id": None,
        "eos_token_id": None,
    }
    model: Any = Qwen3ForCausalLM(Qwen3Config(**settings)).eval()
    model.load_state_dict({f"model.{name}": tensor for name, tensor in decoder.state_dict().items()}, strict=False)
    ids = torch.arange(c.vocab_size)
    with torch.no_grad():
        theirs = model(ids[None]).logits[0].log_softmax(-1)
    torch.testing.assert_close(theirs, all_logprobs(decoder, ids, torch.float32), atol=1e-3, rtol=1e-3)
    return model


def peer(decoder: Decoder, dtype: torch.dtype, prompts: torch.Tensor, *, static: bool) -> Sample:
    """Return ``generate`` with its default cache, which grows, or with the preallocated one."""
    model, mask = peer_model(decoder).to(dtype), torch.ones_like(prompts)
    settings: dict[str, Any] = {"do_sample": True, "top_k": 0, "use_cache": True, "num_return_sequences": GROUP_SIZE, "pad_token_id": 0}
    if static:
        settings["cache_implementation"] = "static"

    def generate(lengths: np.ndarray) -> None:
        config = GenerationConfig(max_new_tokens=int(lengths.max()), **settings)
        rules = StoppingCriteriaList([OwnLength(lengths)])
        made = model.generate(prompts, attention_mask=mask, generation_config=config, stopping_criteria=rules)
        assert made.shape == (PROMPTS * GROUP_SIZE, PROMPT_TOKENS + lengths.max())

    return generate


def ours(sampler: LocalSampler, prompts: torch.Tensor) -> Sample:
    """Return the local sampler."""

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


def all_logprobs(decoder: Decoder, ids: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return next-token log-probabilities after every prefix of some ids."""
    cache = KVCache(decoder.config, 1, len(ids), dtype=dtype)
    with torch.no_grad():
        hidden = decoder.decode_step(ids, torch.arange(len(ids)), torch.zeros_like(ids), cache, dtype=dtype)
        return (hidden @ decoder.head_weight.T).log_softmax(-1)


def worst_logprob_error(decoder: Decoder, sampler: LocalSampler, prompts: torch.Tensor) -> float:
    """Return the largest |log-probability - its float64 value| over 1024 drawn tokens, in nats."""
    exact = Decoder(decoder.config).double()
    exact.load_state_dict(decoder.state_dict())
    requests = [SampleRequest(prompt_ids=tuple(prompt.tolist()), seeds=(0, 1)) for prompt in prompts]
    worst = 0.0
    for request, completions in zip(requests, sampler.sample(requests, SamplingParams(max_new_tokens=64)), strict=True):
        for completion in completions:
            ids = torch.tensor([*request.prompt_ids, *completion.token_ids.tolist()])
            logprobs = all_logprobs(exact, ids, torch.float64)[:-1].gather(-1, ids[1:, None]).squeeze(-1)
            worst = max(worst, float(np.abs(logprobs[PROMPT_TOKENS - 1 :].numpy() - completion.logprobs).max()))
    return worst


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Return one model's useful tokens per CPU second by (lengths, variant), the ratios, and our log-probability errors."""
    decoder = Decoder(MODELS[name])
    decoder.reset_parameters(0)
    prompts = torch.randint(0, 64, (PROMPTS, PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))
    native = LocalSampler(decoder, backend="native", threads=1), LocalSampler(decoder, backend="native", threads=1, dtype="bfloat16")
    runs: dict[str, Sample] = {variant: ours(sampler, prompts) for variant, sampler in zip(OURS, native)}
    for variants, static in ((PEER, False), (PEER_STATIC, True)):
        runs |= {variant: peer(decoder, dtype, prompts, static=static) for variant, dtype in zip(variants, (torch.float32, torch.bfloat16))}
    result: dict[str, Any] = {}
    for kind, lengths in LENGTHS.items():
        taken = medians(cpu_seconds({variant: partial(run, lengths) for variant, run in runs.items()}, repeats=repeats))
        speed = {variant: float(lengths.sum()) / seconds for variant, seconds in taken.items()}
        best, best_of_all = max(speed[variant] for variant in PEER), max(speed[variant] for variant in PEER + PEER_STATIC)
        result[f"ratio_{kind}_{name}"] = round(speed[OURS[0]] / best, 2)
        result[f"ratio_{kind}_{name}_static"] = round(speed[OURS[0]] / best_of_all, 2)
        result[f"ratio_{kind}_{name}_bfloat16"] = round(speed[OURS[1]] / best, 2)
        result[f"peer_dtype_{kind}_{name}"] = max(PEER, key=speed.__getitem__).split()[1]
        result[f"tokens_per_cpu_second_{kind}_{name}"] = {variant: round(value) for variant, value in speed.items()}
        columns = " ".join(f"{speed[variant]:9,.0f}" for variant in runs)
        print(f"{name} {kind:6s} {columns}  {result[f'ratio_{kind}_{name}']:6.2f} {result[f'ratio_{kind}_{name}_static']:7.2f}", flush=True)
    result[f"worst_logprob_error_{name}"] = {dtype: worst_logprob_error(decoder, sampler, prompts) for dtype, sampler in zip(OURS, native)}
    return result


def main() -> None:
    """Run, print a table, and the result as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    print("useful tokens per CPU second; ratio = ours fp32 / best peer with its default cache; static = / best peer of all")
    print(f"{'':8s} ours fp32 ours bf16 peer fp32 peer bf16 fp32stat. bf16stat.   ratio  static")
    results = measure("s", repeats) | measure("m", repeats)
    ratio = min(results["ratio_fixed_s"], results["ratio_fixed_m"])
    report("rollout", {"ratio": ratio, "our_dtype": "float32", "repeats": repeats, **results}, packages=("torch", "transformers", "numpy"))


if __name__ == "__main__":
    main()
