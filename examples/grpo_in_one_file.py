"""Group Relative Policy Optimisation in one file: a decoder that knows nothing learns modular addition from a reward alone.

    python examples/grpo_in_one_file.py

No data set, no pre-training, no critic: the policy guesses a digit for ``a+b=`` (modulo 10), a rule says right or wrong, and each guess is
compared with the other guesses at the same question. The objective functions, the decoder and the log-probability head are the ones that
the full system trains with; only the loop is written out here. Line numbers in comments are those of Algorithm 1 of DeepSeekMath
(arXiv:2402.03300).
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reasonforge.core.rollouts import PolicySample
from reasonforge.core.seeds import derive_seed
from reasonforge.models.cache import KVCache
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.objectives.advantages import group_normalized
from reasonforge.objectives.aggregate import aggregate, sequence_mean_token_mean
from reasonforge.objectives.kl import kl_k3
from reasonforge.objectives.ratio import token_ratio
from reasonforge.objectives.surrogate import clipped
from reasonforge.tensors.batch import PolicyBatch
from reasonforge.tensors.collate import collate
from reasonforge.tensors.logprobs import token_scores

VOCABULARY = "0123456789+=."  # "." ends a completion
END = VOCABULARY.index(".")


@dataclass(frozen=True)
class Settings:
    """One choice per line; the defaults solve the task in less than a minute on one core."""

    steps: int = 300
    prompts_per_step: int = 32
    group_size: int = 16  # G: guesses per question
    updates_per_step: int = 2  # mu: passes over a step's guesses; the second is off-policy, so ratio and clip matter
    learning_rate: float = 1e-3
    warmup_steps: int = 10
    eps_low: float = 0.2
    eps_high: float = 0.2
    kl_coef: float = 0.05
    reference_refresh_every: int = 100
    max_new_tokens: int = 2  # a digit and the end
    operands: int = 10  # a and b are below this
    seed: int = 0


@dataclass(frozen=True)
class Guess:
    """One completion: its question, what was written, how likely each token was, and what it earned."""

    group: int
    prompt: list[int]
    completion: list[int]
    logprobs: list[float]
    reward: float


def encode(text: str) -> list[int]:
    """One token per character."""
    return [VOCABULARY.index(character) for character in text]


def draw_questions(settings: Settings, step: int) -> list[tuple[int, int]]:
    """Line 4: the questions of a step, a function of the seed and the step alone."""
    generator = np.random.default_rng(derive_seed(settings.seed, "questions", step))
    return [(int(a), int(b)) for a, b in generator.integers(0, settings.operands, size=(settings.prompts_per_step, 2))]


def reward_of(question: tuple[int, int], completion: list[int]) -> float:
    """Line 7: an exact rule. The right digit and the end, nothing else."""
    return float(completion == [sum(question) % 10, END])


@torch.no_grad()
def sample(
    policy: Decoder, prompts: list[list[int]], settings: Settings, generator: torch.Generator
) -> tuple[list[list[int]], list[list[float]]]:
    """Line 6: complete all prompts at once; one cache slot each. Returns tokens and their log-probabilities."""
    rows, length = len(prompts), len(prompts[0])  # all questions are equally long here; the full sampler does not need that
    cache = KVCache(policy.config, rows, length + settings.max_new_tokens)
    slots = torch.arange(rows)
    tokens, logprobs = [[] for _ in prompts], [[] for _ in prompts]
    # Prefill: every prompt token is a row of one ragged step; only the last one's hidden state predicts anything we need.
    hidden = policy.decode_step(
        torch.tensor(prompts).flatten(), torch.arange(length).repeat(rows), slots.repeat_interleave(length), cache
    ).view(rows, length, -1)[:, -1]
    alive = torch.ones(rows, dtype=torch.bool)
    for place in range(settings.max_new_tokens):
        scores = (hidden @ policy.head_weight.T).float().log_softmax(-1)
        drawn = torch.multinomial(scores.exp(), 1, generator=generator)
        for row in alive.nonzero().flatten().tolist():
            tokens[row].append(int(drawn[row]))
            logprobs[row].append(float(scores[row, drawn[row]]))
        alive &= drawn[:, 0] != END
        hidden = policy.decode_step(drawn[:, 0], torch.full((rows,), length + place), slots, cache)
    return tokens, logprobs


def play(policy: Decoder, settings: Settings, step: int) -> list[Guess]:
    """Lines 4-7: questions, G guesses each, rewards."""
    questions = [q for q in draw_questions(settings, step) for _ in range(settings.group_size)]
    prompts = [encode(f"{a}+{b}=") for a, b in questions]
    generator = torch.Generator().manual_seed(derive_seed(settings.seed, "guesses", step))
    tokens, logprobs = sample(policy, prompts, settings, generator)
    return [
        Guess(i // settings.group_size, prompt, completion, scores, reward_of(question, completion))
        for i, (question, prompt, completion, scores) in enumerate(zip(questions, prompts, tokens, logprobs))
    ]


def to_batch(guesses: list[Guess], advantages: Tensor) -> PolicyBatch:
    """Lay prompt and guess out as one padded row each; only the guess is learned from."""
    samples = []
    for guess, advantage in zip(guesses, advantages.tolist()):
        prompt = np.zeros(len(guess.prompt), dtype=np.float32)
        mask = np.array([False] * len(guess.prompt) + [True] * len(guess.completion))
        samples.append(
            PolicySample(
                token_ids=np.array(guess.prompt + guess.completion, dtype=np.int32),
                loss_mask=mask,
                group=guess.group,
                advantages=mask * np.float32(advantage),
                sampler_logprobs=np.concatenate([prompt, np.array(guess.logprobs, dtype=np.float32)]),
            )
        )
    weights = sequence_mean_token_mean(torch.tensor([len(guess.completion) for guess in guesses]))
    batch = collate(samples, weights.float().numpy())
    assert isinstance(batch, PolicyBatch)
    return batch


def loss_of(policy: Decoder, reference: Decoder, batch: PolicyBatch, settings: Settings) -> Tensor:
    """Line 10, Eq. 3: the clipped surrogate minus the pull towards the reference, averaged as GRPO does. Sampler = old policy here."""
    logprobs = token_scores(policy.hidden_states(batch), policy.head_weight, batch).logprobs
    with torch.no_grad():
        ref_logprobs = token_scores(reference.hidden_states(batch), reference.head_weight, batch).logprobs
    ratio = token_ratio(logprobs, batch.sampler_logprobs)
    objective = clipped(ratio, batch.advantages, eps_low=settings.eps_low, eps_high=settings.eps_high).objective
    return -aggregate(objective - settings.kl_coef * kl_k3(logprobs, ref_logprobs), batch.loss_weights)


def train(settings: Settings, *, report_every: int = 25) -> list[float]:
    """Run Algorithm 1; return the mean reward of every step."""
    policy = Decoder(
        DecoderConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=64,
            num_layers=2,
            num_heads=2,
            num_kv_heads=2,
            head_dim=32,
            intermediate_size=128,
            max_positions=16,
            tie_embeddings=False,
        )
    )
    policy.reset_parameters(derive_seed(settings.seed, "weights"))
    with torch.no_grad():
        policy.head_weight.zero_()  # begin with an even guess over all tokens: what is never tried is never rewarded
    reference = copy.deepcopy(policy)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    history = []
    for step in range(settings.steps):
        guesses = play(policy, settings, step)
        rewards = torch.tensor([guess.reward for guess in guesses])
        advantages = group_normalized(rewards, torch.tensor([guess.group for guess in guesses]))  # line 8
        batch = to_batch(guesses, advantages)
        for _ in range(settings.updates_per_step):  # lines 9-10
            loss = loss_of(policy, reference, batch, settings)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            optimizer.param_groups[0]["lr"] = settings.learning_rate * min(1.0, (step + 1) / settings.warmup_steps)
            optimizer.step()
        if (step + 1) % settings.reference_refresh_every == 0:  # line 2 of the next outer iteration
            reference.load_state_dict(policy.state_dict())
        history.append(float(rewards.mean()))
        if report_every and (step + 1) % report_every == 0:
            example = guesses[0]
            text = "".join(VOCABULARY[token] for token in example.prompt + example.completion)
            print(f"step {step + 1:4d}  mean reward {np.mean(history[-report_every:]):.3f}  e.g. {text}")
    return history


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Learn addition modulo 10 from a reward alone.")
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # a tiny model is faster on one core than on two that wait for each other
    history = train(Settings(steps=arguments.steps, seed=arguments.seed))
    first, last = np.mean(history[:10]), np.mean(history[-10:])
    print(f"\nmean reward: first 10 steps {first:.3f}, last 10 steps {last:.3f} (a blind guess of the digit: 0.1)")


if __name__ == "__main__":
    main()
