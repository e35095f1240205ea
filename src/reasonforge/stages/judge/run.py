"""Compare sampled responses: one file per batch of comparisons, so that a killed run goes on behind the last; then one file of pairs.

What is compared, in which order and between which borders depends on the run's seed, the stage's name and the responses: not on how often
the run was interrupted, nor on how many comparisons share a file. What a server answers is its own affair.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reasonforge.core.chat import ChatModel
from reasonforge.core.errors import DataError
from reasonforge.core.files import storage_errors, write_atomic
from reasonforge.core.ids import content_id
from reasonforge.core.rollouts import SamplingParams
from reasonforge.models.hf import load_folder
from reasonforge.rewards.judge import Comparison, Meter, PairwiseJudge, Ruling, imitates_a_judge
from reasonforge.runs.files import read_json
from reasonforge.sampling.chat import LocalChat
from reasonforge.sampling.http import HttpModel
from reasonforge.sampling.rollouts import completion_text
from reasonforge.stages.bundle import Bundle
from reasonforge.stages.driver import StageContext
from reasonforge.stages.judge.config import EndpointJudge, FolderJudge, JudgeConfig, JudgeModel
from reasonforge.stages.judge.pairs import Candidate, as_pair, balance_lengths, candidates
from reasonforge.tasks.config import RolloutSource
from reasonforge.tasks.pairs import PAIRS_FILE, write_pairs
from reasonforge.tasks.rollouts import load_groups
from reasonforge.text.layout import build_layout
from reasonforge.text.tokenizer import Tokenizer

_ENOUGH_VERDICTS = 32
_ONE_PLACE = 0.9
"""Of the answers. Each response stands in each place equally often, so a judge that compares names each place in about half of them."""


def run_judge(config: JudgeConfig, source: RolloutSource, bundle: Bundle, context: StageContext) -> str:
    """Judge what has not been judged yet, and write the pairs; return what came of it in one line.

    Args:
        config: the stage's settings.
        source: the responses.
        bundle: the policy as it stands; its tokenizer reads the responses.
        context: where the stage runs.

    Raises:
        DataError: there is nothing to compare, no pair is left, the judge gives no verdicts, or a file of an earlier attempt is broken.
        UnavailableError: the judge refuses every question, or fails on many in a row.
        StorageError: the disk refused; here the files are the result, so the stage stops.
        InterruptedRun: a signal came; what was answered is saved file by file.
    """
    compared = _candidates(config, source, bundle, context)
    num_steps = math.ceil(len(compared) / config.comparisons_per_step)
    folder = context.run.artefacts_dir(context.name)
    first = _num_done(context, folder, compared, config)
    context.log.expect(num_steps)
    if first < num_steps:
        params = SamplingParams(max_new_tokens=config.max_new_tokens, temperature=config.temperature)
        judge = PairwiseJudge(
            open_judge(config.judge, bundle), params, queries=config.queries, margin=config.margin, repeats=config.repeats
        )
        _judge_batches(judge, config, compared, first, context)
    return _write_pairs(config, compared, folder, bundle, context)


def open_judge(config: JudgeModel, bundle: Bundle) -> ChatModel:
    """Return the model that the settings name.

    Raises:
        DataError: the folder cannot be read.
    """
    if isinstance(config, EndpointJudge):
        return HttpModel(config)
    if isinstance(config, FolderJudge):
        tokenizer = Tokenizer.load(config.path.expanduser())
        decoder = load_folder(config.path.expanduser()).to(bundle.device)
        judge = Bundle(decoder=decoder, tokenizer=tokenizer, layout=build_layout(config.template, tokenizer), threads=bundle.threads)
        sampler = judge.sampler(config.dtype, config.max_slots)
    else:
        judge, sampler = bundle, bundle.sampler()
    return LocalChat(sampler, judge.tokenizer, judge.layout, max_context=judge.max_context)


def _candidates(config: JudgeConfig, source: RolloutSource, bundle: Bundle, context: StageContext) -> list[Candidate]:
    tokenizer = bundle.tokenizer
    found = candidates(
        load_groups(source, context.run.path, tokenizer=tokenizer.fingerprint),
        pairs_per_problem=config.pairs_per_problem,
        shows=config.shows,
        text_of=lambda completion: completion_text(completion, tokenizer),
        prompt_of=tokenizer.decode,
        seed=context.seed("judge"),
    )
    if not found:
        raise DataError(
            f"{context.name}: no problem has two different whole responses in stage {source.stage!r}. "
            "Draw more samples, at a higher temperature, or with room to finish."
        )
    return found


def _judge_batches(judge: PairwiseJudge, config: JudgeConfig, compared: Sequence[Candidate], first: int, context: StageContext) -> None:
    folder, size = context.run.artefacts_dir(context.name), config.comparisons_per_step
    num_steps = math.ceil(len(compared) / size)
    meter = Meter([judge.model])
    for step in range(first, num_steps):
        started = time.perf_counter()
        batch = compared[step * size : (step + 1) * size]
        rulings = judge.compare([_comparison(item) for item in batch], seed=context.seed("queries"), stop=lambda: context.stop.requested)
        if rulings is not None:
            spent = meter.read()
            metrics = {**judge_metrics(batch, rulings), **spent}
            context.log.metrics(step + 1, {**metrics, "perf/seconds": time.perf_counter() - started})
            # The file comes last: where it is, its row of metrics is too.
            context.run.sync()
            _write_step(_step_file(folder, step + 1), batch, rulings, spent)
        if context.stop.requested:
            done = step + (rulings is not None)
            raise context.stop.error(
                f"stopped after file {done} of {num_steps} of {context.name}; saved. Go on with: {context.run.resume_command}"
            )


def judge_metrics(batch: Sequence[Candidate], rulings: Sequence[Ruling]) -> dict[str, float]:
    """Return figures of one file of comparisons."""
    judged = [ruling for ruling in rulings if not ruling.failure]
    metrics = {
        "judge/kept": sum(ruling.kept for ruling in rulings) / len(rulings),
        "judge/failed": 1 - len(judged) / len(rulings),
        "judge/imitations": sum(imitates_a_judge(text) for item in batch for text in item.shown) / (2 * len(batch)),
    }
    if judged:
        metrics["judge/margin"] = sum(abs(ruling.mean) for ruling in judged) / len(judged)
        by_place = _by_place(judged)
        metrics["judge/first_place"] = sum(by_place) / len(by_place)
        directions = [{(score > 0) - (score < 0) for score in ruling.scores} for ruling in judged]
        metrics["judge/unanimous"] = sum(len(found) == 1 for found in directions) / len(judged)
    return metrics


def _by_place(rulings: Sequence[Ruling]) -> list[int]:
    """Return every query's score in terms of places: swapped queries are turned back."""
    return [-score if turned else score for ruling in rulings for score, turned in zip(ruling.scores, ruling.swapped, strict=True)]


def _advice(rulings: Sequence[Ruling]) -> str:
    """Say what to do about a judge that decides nothing: a wider margin helps only where it is not the judge's fault."""
    by_place = _by_place(rulings)
    first, second = (sum(score * sign > 0 for score in by_place) for sign in (1, -1))
    if len(by_place) >= _ENOUGH_VERDICTS and max(first, second) >= _ONE_PLACE * len(by_place):
        place = "A" if first > second else "B"
        return (
            f"The judge named place {place} in {max(first, second)} of {len(by_place)} answers, whatever response stood there: it does not "
            "compare them. Name another model."
        )
    failed = [ruling.failure for ruling in rulings if ruling.failure]
    if 2 * len(failed) > len(rulings):
        return f"{len(failed)} comparisons brought no verdict (a failure: {failed[0]}). Name another model, or raise max_new_tokens."
    return "Compare more responses, or loosen margin or max_length_gap."


def _comparison(item: Candidate) -> Comparison:
    return Comparison(id=item.id, messages=item.problem.messages, first=item.shown[0], second=item.shown[1])


def _step_file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.json"


def _write_step(path: Path, batch: Sequence[Candidate], rulings: Sequence[Ruling], spent: dict[str, float]) -> None:
    content = {"batch": _fingerprint(batch), "spent": spent, "rulings": [asdict(ruling) for ruling in rulings]}
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, (json.dumps(content) + "\n").encode())


def _fingerprint(batch: Sequence[Candidate]) -> str:
    return content_id([item.id for item in batch])


def _num_done(context: StageContext, folder: Path, compared: Sequence[Candidate], config: JudgeConfig) -> int:
    """Return how many files are there, without a gap; what lies beyond is forgotten.

    Raises:
        DataError: a file is about other responses than are there now.
    """
    size = config.comparisons_per_step
    num_steps = math.ceil(len(compared) / size)
    done = next((step for step in range(num_steps) if not _step_file(folder, step + 1).is_file()), num_steps)
    for step in range(done):
        path = _step_file(folder, step + 1)
        if _read_step(path)["batch"] != _fingerprint(compared[step * size : (step + 1) * size]):
            raise DataError(f"{path}: judges other responses than stage {context.name} now reads. Delete {folder} to judge them again.")
    for step in range(done, num_steps):
        _step_file(folder, step + 1).unlink(missing_ok=True)
    if done:
        context.log.resume_at(done)
        context.log.event("resume", f"{done} of {num_steps} files are there", step=done)
    return done


def _write_pairs(config: JudgeConfig, compared: Sequence[Candidate], folder: Path, bundle: Bundle, context: StageContext) -> str:
    """Balance lengths over all files, write the pairs and say what came of it."""
    size = config.comparisons_per_step
    steps = [_read_step(_step_file(folder, step + 1)) for step in range(math.ceil(len(compared) / size))]
    rulings = [ruling for step in steps for ruling in step["rulings"]]
    sure = [(item, ruling) for item, ruling in zip(compared, rulings, strict=True) if ruling.kept]
    lengths = [tuple(len(bundle.tokenizer.encode(text)) for text in _by_rank(item.shown, ruling.mean)) for item, ruling in sure]
    most = math.inf if config.max_length_gap is None else config.max_length_gap
    balance = balance_lengths([chosen for chosen, _ in lengths], [rejected for _, rejected in lengths], max_gap=most)
    pairs = [as_pair(sure[i][0], sure[i][1].mean, source=f"judge:{context.name}") for i in balance.kept]
    counts = {
        "compared": len(compared),
        "judged": sum(not ruling.failure for ruling in rulings),
        "margin": len(sure),
        "length_balance": len(pairs),
    }
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    if not pairs:
        raise DataError(f"{context.name}: no pair is left ({said}). {_advice(rulings)}")
    write_pairs(folder / PAIRS_FILE, pairs)
    spent = {name: sum(step["spent"][name] for step in steps) for name in steps[0]["spent"]}
    said += f"; chosen longer by {balance.gap:+.1%} ({balance.gap_before:+.1%} before); {spent['judge/requests']:.0f} requests"
    if spent["judge/cost"]:
        said += f", cost {spent['judge/cost']:.4f}"
    gaps = {"before": balance.gap_before, "after": balance.gap}
    context.log.event("judged", said, yields=counts, length_gap=gaps, spent={name.removeprefix("judge/"): spent[name] for name in spent})
    return said


def _read_step(path: Path) -> dict[str, Any]:
    """Return what ``_write_step`` wrote, its rulings as such.

    Raises:
        DataError: the file is not of that form.
    """
    try:
        content = read_json(path)
        rulings = [Ruling(**{**row, "scores": tuple(row["scores"]), "swapped": tuple(row["swapped"])}) for row in content["rulings"]]
        spent = {str(name): float(value) for name, value in content["spent"].items()}
        return {"batch": content["batch"], "spent": spent, "rulings": rulings}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: not a file of judged comparisons ({type(error).__name__}: {error}). Delete it to judge them again."
        ) from error


def _by_rank(texts: tuple[str, str], mean: float) -> tuple[str, str]:
    return texts if mean > 0 else (texts[1], texts[0])
