"""One GRPO step, ours against TRL's GRPOTrainer: useful completion tokens per CPU second, one thread.

Both sides sample 8 prompts x 16 completions of exactly 64 tokens from a fresh Qwen3-shaped decoder, score them with the same rule, and take
one AdamW step on the clipped loss (no KL). Ours is the product's own loop, with everything it stores; TRL runs with its defaults, once in
float32 and once in bfloat16, and the faster one counts. Ours learns and samples in bfloat16 (``--dtype``, ``--sampler-dtype``). A step of
ours runs right after each step of TRL's, so both meet the same machine.

    .venv/bin/python benchmarks/bench_rl_step.py [--steps 6]
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import random
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from common import report
from datasets import Dataset
from tokenizers import Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Backend
from transformers import PreTrainedTokenizerFast, PrinterCallback, Qwen3Config, Qwen3ForCausalLM, TrainerCallback
from transformers import logging as transformers_logging
from trl import GRPOConfig, GRPOTrainer

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Reward
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.rewards.config import AccuracyReward
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.signals import StopRequest
from reasonforge.sampling.config import SamplingConfig
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.text.config import TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.tokenizer import Tokenizer
from reasonforge.training.config import AdamW, TrainingConfig
from reasonforge.training.learner import Learner

PROMPTS, GROUP, NEW_TOKENS, PROMPT_TOKENS = 8, 16, 64, 9
ALPHABET = "0123456789+-*=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"  # 62, with <pad> and <eos> 64 tokens
SHAPES = {
    "0.8M": {"hidden_size": 128, "num_heads": 4, "num_kv_heads": 2, "intermediate_size": 384},
    "3.2M": {"hidden_size": 256, "num_heads": 8, "num_kv_heads": 4, "intermediate_size": 768},
}
LAYERS, HEAD_DIM, LEARNING_RATE = 4, 32, 1e-4


def questions(count: int) -> list[str]:
    """Random prompts of the same length."""
    draw = random.Random(0)
    return ["".join(draw.choice(ALPHABET) for _ in range(PROMPT_TOKENS)) for _ in range(count)]


def rule(text: str) -> float:
    """A reward with a spread: the share of digits. Every group has a signal, so neither side may skip a row."""
    return sum(character.isdigit() for character in text) / max(len(text), 1)


def backend() -> Backend:
    """Return the tokenizer both sides use: one token per character."""
    vocab = {token: index for index, token in enumerate([*ALPHABET, "<pad>", "<eos>"])}
    tokenizer = Backend(models.WordLevel(vocab=vocab, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


class Ours:
    """The product's loop on the benchmark's prompts."""

    def __init__(self, shape: dict[str, int], folder: Path, dtype: str, sampler_dtype: Literal["float32", "bfloat16"]) -> None:
        config = DecoderConfig(
            vocab_size=64, num_layers=LAYERS, head_dim=HEAD_DIM, max_positions=PROMPT_TOKENS + NEW_TOKENS, embedding_std=0.02, **shape
        )
        decoder = Decoder(config)
        decoder.reset_parameters(0)
        tokenizer = Tokenizer(backend(), eos="<eos>", pad="<pad>")
        bundle = Bundle(decoder=decoder, tokenizer=tokenizer, layout=build_layout(TemplateConfig(), tokenizer))
        training = TrainingConfig.model_validate({"optimizer": AdamW(lr=LEARNING_RATE, weight_decay=0.0), "dtype": dtype})
        rl = RLConfig(
            data="questions",
            steps=1_000_000,
            prompts_per_step=PROMPTS,
            group_size=GROUP,
            sampling=SamplingConfig(max_new_tokens=NEW_TOKENS),
            training=training,
        )
        problems = [
            Problem(id=str(i), messages=(Message("user", text),), answer="0", source="bench") for i, text in enumerate(questions(256))
        ]
        run = RunDirectory.create(folder, name="bench", recipe_text="", resolved={}, argv=[], seed=0)
        context = StageContext(name="rl", run=run, log=run.stage("rl"), stop=StopRequest(), run_seed=0)
        self._training = PolicyTraining(
            rl,
            learner=Learner(decoder, training, total_steps=rl.steps, device="cpu"),
            sampler=bundle.sampler(sampler_dtype),
            reference=None,
            scorer=_RuleScorer(),
            prompts=PromptSource(problems, bundle, per_step=PROMPTS, seed=0),
            evaluator=None,
            tokenizer=tokenizer,
            stop_token_ids=(),  # fixed length on both sides
            context=context,
        )
        self._context = context
        self._step = 0
        self.seconds: list[float] = []

    def step(self) -> None:
        """Run and time one step, metrics written as in a real run."""
        started = time.process_time()
        metrics = self._training.train_step(self._step)
        self._step += 1
        self._context.log.metrics(self._step, metrics)
        self.seconds.append(time.process_time() - started)
        assert metrics["completions/mean_length"] == NEW_TOKENS


class _RuleScorer(RewardScorer):
    """The benchmark's rule in this process, as TRL calls it."""

    def __init__(self) -> None:
        super().__init__({"accuracy": AccuracyReward()})

    def score(self, problem: Problem, text: str) -> tuple[Reward, Verdict]:
        return Reward(total=rule(text), parts={"accuracy": rule(text)}), Verdict(status="wrong")


class _Interleaved(TrainerCallback):
    """Times TRL's steps and runs one of ours after each."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        self.seconds: list[float] = []
        self._started = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._started = time.process_time()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(time.process_time() - self._started)
        self._ours.step()


def trl_seconds(shape: dict[str, int], ours: Ours, *, bf16: bool, steps: int, folder: Path) -> list[float]:
    """Train with TRL's GRPOTrainer; return CPU seconds per step."""
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=64,
            hidden_size=shape["hidden_size"],
            num_hidden_layers=LAYERS,
            num_attention_heads=shape["num_heads"],
            num_key_value_heads=shape["num_kv_heads"],
            head_dim=HEAD_DIM,
            intermediate_size=shape["intermediate_size"],
            max_position_embeddings=256,
            tie_word_embeddings=True,
            eos_token_id=63,
            pad_token_id=62,
            bos_token_id=None,
        )
    )
    config = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=PROMPTS * GROUP,
        num_generations=GROUP,
        max_completion_length=NEW_TOKENS,
        generation_kwargs={"min_new_tokens": NEW_TOKENS},
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        beta=0.0,
        loss_type="grpo",
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        bf16=bf16,
        fp16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        max_steps=steps,
        logging_steps=1_000_000,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend(), pad_token="<pad>", eos_token="<eos>", padding_side="left")
    callback = _Interleaved(ours)

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [rule(text) for text in completions]

    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[reward],
        args=config,
        train_dataset=Dataset.from_list([{"prompt": text} for text in questions(256)]),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return callback.seconds


def main() -> None:
    """Measure both model sizes and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6, help="timed TRL steps per dtype; the first of each is dropped")
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"], help="of our learner's matrix products")
    parser.add_argument("--sampler-dtype", default="bfloat16", choices=["float32", "bfloat16"], help="of our sampler's matrix products")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers_logging.set_verbosity_error()
    tokens = PROMPTS * GROUP * NEW_TOKENS
    ratios: dict[str, float] = {}
    rows: dict[str, dict[str, float]] = {}
    print(f"{'model':6} {'side':12} {'CPU s/step':>10} {'tokens/CPU s':>12}")
    with tempfile.TemporaryDirectory() as name:
        for size, shape in SHAPES.items():
            ours = Ours(shape, Path(name) / f"ours-{size}", arguments.dtype, arguments.sampler_dtype)
            seconds = {}
            for dtype in ("float32", "bfloat16"):
                taken = trl_seconds(
                    shape, ours, bf16=dtype == "bfloat16", steps=arguments.steps + 1, folder=Path(name) / f"trl-{size}-{dtype}"
                )
                seconds[f"TRL {dtype}"] = statistics.median(taken[1:])
            seconds[f"ours {arguments.dtype}"] = statistics.median(ours.seconds[1:])
            for side, value in seconds.items():
                print(f"{size:6} {side:14} {value:8.3f} {tokens / value:12.0f}")
            best = min(value for side, value in seconds.items() if side.startswith("TRL"))
            ratios[size] = best / seconds[f"ours {arguments.dtype}"]
            rows[size] = {side: round(value, 4) for side, value in seconds.items()}
            print(f"{size:6} ratio {ratios[size]:.2f}")
    result = {
        "ratio": round(min(ratios.values()), 3),
        "ratios": {size: round(value, 3) for size, value in ratios.items()},
        "cpu_seconds_per_step": rows,
        "our_dtypes": {"learner": arguments.dtype, "sampler": arguments.sampler_dtype},
        "conditions": f"{PROMPTS} prompts x {GROUP}, {NEW_TOKENS} new tokens each, 1 thread, {arguments.steps} timed steps per TRL dtype",
    }
    report("rl_step", result, packages=("torch", "transformers", "trl"))


if __name__ == "__main__":
    main()
