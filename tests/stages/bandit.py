"""The smallest problem of reinforcement learning: one question, one token to answer with, one token that earns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Reward, Rollout, RolloutGroup, ScoredRollout
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.signals import StopRequest
from reasonforge.sampling.local import LocalSampler
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.train import build_tokenizer
from reasonforge.training.learner import Learner, Scorer

ARMS = "ab"
BEST = "b"
QUESTION = Problem(id="bandit", messages=(Message("user", "?"),), answer=BEST, source="test")


def bandit(config: RLConfig, run: RunDirectory, *, seed: int) -> PolicyTraining:
    """Return a training whose policy is a tiny decoder that has not learned anything."""
    tokenizer = build_tokenizer(CharacterTokenizer(tags=()), alphabet="?" + ARMS)
    shape = DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_layers=1,
        num_heads=1,
        num_kv_heads=1,
        head_dim=16,
        intermediate_size=16,
        max_positions=4,
        tie_embeddings=False,
    )
    decoder = Decoder(shape)
    decoder.reset_parameters(seed)
    bundle = Bundle(decoder=decoder, tokenizer=tokenizer, layout=build_layout(TemplateConfig(), tokenizer))
    context = StageContext(name="rl", run=run, log=run.stage("rl"), stop=StopRequest(), run_seed=seed)
    return PolicyTraining(
        config,
        learner=Learner(decoder, config.training, total_steps=config.steps * config.updates_per_step, device="cpu"),
        sampler=LocalSampler(decoder, max_slots=64),
        reference=Scorer.frozen_copy(decoder, config.training, device="cpu") if config.kl is not None else None,
        scorer=RewardScorer(config.rewards),
        prompts=PromptSource([QUESTION], bundle, per_step=config.prompts_per_step, seed=seed),
        evaluator=None,
        tokenizer=tokenizer,
        stop_token_ids=tokenizer.stop_ids,
        context=context,
    )


def pull(drawn: Sequence[tuple[Problem, Sequence[Rollout]]]) -> list[RolloutGroup]:
    """Reward 1 for the best arm, 0 for any other token."""
    return [RolloutGroup(problem=problem, rollouts=tuple(_pulled(rollout) for rollout in rollouts)) for problem, rollouts in drawn]


def steps_to_solve(trainer: PolicyTraining) -> int | None:
    """Train until nine of ten tokens are the best arm three times in a row; None = that never came."""
    good = 0
    for step in range(trainer.config.steps):
        groups = pull(trainer.sample(step))
        totals = [member.reward.total for group in groups for member in group.rollouts]
        good = good + 1 if sum(totals) >= 0.9 * len(totals) else 0
        if good == 3:
            return step
        samples, _ = trainer.advantages(groups)
        trainer.update(samples, step)
        trainer.refresh_reference(step)
    return None


def new_run(path: Path) -> RunDirectory:
    return RunDirectory.create(path, name="bandit", recipe_text="", resolved={}, argv=[], seed=0)


def _pulled(rollout: Rollout) -> ScoredRollout:
    won = rollout.text == BEST
    return ScoredRollout(rollout=rollout, reward=Reward(total=float(won)), verdict=Verdict(status="correct" if won else "wrong"))
