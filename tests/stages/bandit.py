"""The smallest problem of reinforcement learning: one question, one token to answer with, one token that earns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reasonforge.core.records import Message, Problem, Verdict
from reasonforge.core.rollouts import Reward, Rollout, RolloutGroup, ScoredRollout
from reasonforge.models.config import DecoderConfig
from reasonforge.models.decoder import Decoder
from reasonforge.models.scalar import ScalarModel
from reasonforge.rewards.score import RewardScorer
from reasonforge.runs.directory import RunDirectory
from reasonforge.runs.signals import StopRequest
from reasonforge.sampling.local import LocalSampler
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.rl.config import RLConfig
from reasonforge.stages.rl.critic import Critic
from reasonforge.stages.rl.data import PromptSource
from reasonforge.stages.rl.loop import PolicyTraining
from reasonforge.text.config import CharacterTokenizer, TemplateConfig
from reasonforge.text.layout import build_layout
from reasonforge.text.train import build_tokenizer
from reasonforge.training.learner import Learner, Scorer
from reasonforge.training.scalar import ScalarLearner

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
        scorer=Arms(config.rewards),
        prompts=PromptSource([QUESTION], bundle, seed=seed),
        evaluator=None,
        tokenizer=tokenizer,
        stop_token_ids=tokenizer.stop_ids,
        context=context,
        critic=critic_of(config, decoder),
    )


def critic_of(config: RLConfig, decoder: Decoder) -> Critic | None:
    if config.critic is None:
        return None
    model, updates = ScalarModel.from_decoder(decoder), config.steps * config.updates_per_step
    return Critic(config.critic, ScalarLearner(model, config.critic.training, total_steps=updates, device="cpu"))


class Arms(RewardScorer):
    """Pays 1 for the best arm, 0 for any other token; a part that pays steps gets the same at the first token."""

    def submit(self, problem: Problem, rollout: Rollout) -> None:
        """Nothing to begin: an arm is judged at a glance."""

    def score_groups(self, groups: Sequence[tuple[Problem, Sequence[Rollout]]]) -> list[RolloutGroup]:
        return [RolloutGroup(problem=problem, rollouts=tuple(pulled(rollout) for rollout in rollouts)) for problem, rollouts in groups]


def steps_to_solve(trainer: PolicyTraining) -> int | None:
    """Train until nine of ten tokens are the best arm three times in a row; None = that never came."""
    good = 0
    for step in range(trainer.config.steps):
        good = good + 1 if trainer.train_step(step)["accuracy"] >= 0.9 else 0
        if good == 3:
            return step
    return None


def new_run(path: Path) -> RunDirectory:
    return RunDirectory.create(path, name="bandit", recipe_text="", resolved={}, argv=[], seed=0)


def pulled(rollout: Rollout) -> ScoredRollout:
    won = rollout.text == BEST
    reward = Reward(total=float(won), parts={"arm": float(won)}, steps=((0, float(won)),))
    return ScoredRollout(rollout=rollout, reward=reward, verdict=Verdict(status="correct" if won else "wrong"))
