"""Make a corpus from a recipe: what ``reasonforge corpus run`` does once it has read its arguments."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reasonforge.config.keys import parse_dotted
from reasonforge.config.loader import LoadedRecipe
from reasonforge.config.overrides import COMMAND_LINE
from reasonforge.core.errors import InterruptedRun, ReasonforgeError, StorageError, UnavailableError
from reasonforge.corpus.config import OWN_SOURCE, CorpusRecipe
from reasonforge.corpus.loop.ledger import RESOLVED, Ledger, Planned, differences, done, stored_recipe
from reasonforge.corpus.loop.outline import check_stage, ends_stage, outline
from reasonforge.corpus.loop.places import anchored
from reasonforge.runs.console import Console
from reasonforge.runs.signals import StopRequest
from reasonforge.runs.text import counted, program_name, shorten

if TYPE_CHECKING:
    from reasonforge.corpus.loop.drive import Outcome
    from reasonforge.corpus.pool import Executor

_MOST_CHANGES = 8
_MOST_CHARS = 80
"""Of a setting that is shown; lists of files are long."""
_ABOUT_NOTHING = frozenset({"name", "truth"})
"""Settings that no unit depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to make it, besides the recipe."""

    stage: str | None = None
    """Stop after this stage; None = go to the end."""
    round: int | None = None
    """Of this round; None = the first in which the stage stands."""
    only: bool = False
    """Do no other stage."""
    rank: int = 0
    world_size: int = 1
    """Do one rank's share of the stage."""
    quiet: bool = False
    log: Literal["plain", "json"] = "plain"
    argv: tuple[str, ...] = ()
    """The command line as typed, the program's name first: a dry run ends with it. Empty = it was not typed."""


def run_corpus(loaded: LoadedRecipe[CorpusRecipe], root: Path, executor: Callable[[], Executor], options: RunOptions | None = None) -> int:
    """Make a corpus, or go on making it; return the exit code.

    Args:
        loaded: the recipe.
        root: the corpus folder.
        executor: makes what does the units, once it is known that there is something to do.
        options: which part, and what to show.

    Raises:
        RecipeError: a stage or round that the recipe does not have.
        DataError: an input is missing or broken, or the folder belongs to something else.
        UnavailableError: another driver holds the folder, or a stage before the one asked for is not done.
        InterruptedRun: a signal came; what was finished stays.
    """
    options = options or RunOptions()
    _check_stage(loaded.recipe, options)
    stored_recipe(root)
    loaded = anchored(loaded, Path.cwd())
    from reasonforge.corpus.loop.preflight import check_inputs

    check_inputs(loaded.recipe, root)
    with Console(quiet=options.quiet, log="json" if options.log == "json" else "auto") as console, StopRequest() as stop:
        stop.waits_for = lambda: "finishing the unit in hand"
        with _kept(executor()) as workers:
            if options.world_size > 1:
                return _share(loaded, root, workers, options, console, stop)
            return _drive(loaded, root, workers, options, console, stop)


@contextmanager
def _kept(executor: Executor) -> Iterator[Executor]:
    """Keep the executor's workers from step to step, where it has any."""
    if hasattr(executor, "__exit__"):
        with executor:  # pyright: ignore[reportGeneralTypeIssues]
            yield executor
    else:
        yield executor


def _check_stage(recipe: CorpusRecipe, options: RunOptions) -> None:
    if options.stage is not None:
        check_stage(recipe, options.stage, options.round, one_round=options.only)


def print_plan(loaded: LoadedRecipe[CorpusRecipe], root: Path, options: RunOptions) -> int:
    """Print what the recipe would do, and what of it is done already, and check what it names; return exit code 0. Makes nothing.

    Raises:
        ReasonforgeError: what :func:`run_corpus` would raise before its first unit.
    """
    _check_stage(loaded.recipe, options)
    before = stored_recipe(root)
    loaded = anchored(loaded, Path.cwd())
    recipe = loaded.recipe
    with Console(quiet=options.quiet, log="json" if options.log == "json" else "auto") as console:
        console.banner(recipe.name, _facts(recipe, root))
        changes = _relevant(differences(before, loaded.resolved)) if before is not None else {}
        _say_changes(console, changes)
        _say_sticky(console, loaded, _sticky(loaded, root))
        _print_stages(console, recipe, root, changes)
        from reasonforge.corpus.loop.preflight import check_inputs

        check_inputs(recipe, root)
        given = [argument for argument in options.argv[1:] if argument != "--dry-run"]
        command = f"{program_name()} {shlex.join(given)}" if given else _command("run --out", root)
        console.end("nothing was done: this was a dry run", [], [command])
    return 0


def _print_stages(console: Console, recipe: CorpusRecipe, root: Path, changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Print the stages, how much of each is done, and what the changes mean for that."""
    from reasonforge.corpus.loop.changes import redone

    steps = Ledger(root).steps() if stored_recipe(root) is not None else []
    again = redone(recipe, changes)
    rows: list[tuple[str, ...]] = []
    for stage, number in outline(recipe):
        have, units = _done_of(root, steps, stage, number)
        now = ("again" if (stage, number) in again else "stays") if have else ""
        rows.append(("" if number is None else str(number), stage, f"{have} of {units}" if units else "", now))
    if changes:
        console.table("plan", ("round", "stage", "units done before the change", "with the change"), rows)
        if any(now == "again" for *_, now in rows):
            console.note("again: units that read the same as before stay there, too")
    else:
        console.table("plan", ("round", "stage", "units done before"), [row[:3] for row in rows])


def _done_of(root: Path, steps: list[Planned], stage: str, number: int | None) -> tuple[int, int]:
    mine = [step for step in steps if (step.stage, step.round) == (stage, number)]
    return sum(len(done(Ledger(root).receipts(step))) for step in mine), sum(len(step.units) for step in mine)


def _facts(recipe: CorpusRecipe, root: Path) -> list[tuple[str, str]]:
    rounds = recipe.rounds
    budgets = ", ".join(f"{budget:,}" for budget in rounds.token_budgets or ())
    rule = f"{budgets} tokens" if budgets else f"score >= {rounds.threshold}"
    facts = [
        ("folder", str(root)),
        ("rounds", f"at most {rounds.max_rounds}, until {rounds.converged_overlap:.0%} of the pages were there before"),
        ("selection", rule),
        (
            "domains",
            f"by {recipe.domains.key}, more than {recipe.domains.min_collected_ratio:.0%} of {recipe.domains.min_pages} pages or more",
        ),
        ("annotation", recipe.annotation.type + (" (not the paper's procedure)" if recipe.annotation.type == "auto" else "")),
        ("seed", str(recipe.seed)),
    ]
    return facts


def _share(
    loaded: LoadedRecipe[CorpusRecipe], root: Path, executor: Executor, options: RunOptions, console: Console, stop: StopRequest
) -> int:
    """Do one rank's share of a stage. No lock and no plan: ranks run side by side. All of them store the same recipe."""
    from reasonforge.corpus.loop.drive import Until, run_graph
    from reasonforge.corpus.loop.graph import corpus_graph
    from reasonforge.corpus.units import Store

    store = Store(root)
    if stored_recipe(root) != loaded.resolved:
        _begin(Ledger(root), loaded, console)
    until = Until(stage=options.stage, round=options.round, only=options.only, rank=options.rank, world_size=options.world_size)
    outcome = run_graph(
        corpus_graph(loaded.recipe, store), store, executor, until=until, outline=outline(loaded.recipe), console=console, stop=stop
    )
    if outcome.waits is not None:
        raise UnavailableError(f"{outcome.waits.message}, and {options.stage} needs it. Run: {_command('annotate', root)}")
    if outcome.left:
        rest = f"{counted(outcome.left, 'unit')} of {outcome.stopped_after} left to other ranks"
        if not ends_stage(loaded.recipe, options.stage or "", outcome.left_in):
            # A stage of several steps (urls, say) stops at each: the units of the next follow from what all ranks have left of this one.
            rest += "; then call all again, for the rest of the stage"
    else:
        rest = outcome.never or "the stage is done"
    console.end(f"rank {options.rank} of {options.world_size}", [("did", counted(outcome.done, "unit")), ("now", rest)])
    return 0


def _drive(
    loaded: LoadedRecipe[CorpusRecipe], root: Path, executor: Executor, options: RunOptions, console: Console, stop: StopRequest
) -> int:
    from reasonforge.corpus.loop.drive import Until, run_graph
    from reasonforge.corpus.loop.driving import driving
    from reasonforge.corpus.loop.graph import corpus_graph
    from reasonforge.corpus.report.page import write_corpus_report
    from reasonforge.corpus.units import Store

    recipe, store = loaded.recipe, Store(root)
    with driving(root) as ledger:
        console.banner(recipe.name, _facts(recipe, root))
        _begin(ledger, loaded, console)
        with _failures_noted(ledger):
            outcome = run_graph(
                corpus_graph(recipe, store),
                store,
                executor,
                until=Until(stage=options.stage, round=options.round, only=options.only),
                outline=outline(recipe),
                ledger=ledger,
                console=console,
                stop=stop,
                look_ahead=True,
            )
            whole = outcome.ended is not None or outcome.waits is not None
            _publish(recipe, store, outcome, console)
        ledger.end(outcome.steps if whole else None, **_end_of(outcome))
        if outcome.ended is not None:
            write_corpus_report(root)
    _tell(root, outcome, console, quiet=options.quiet)
    return 0


@contextmanager
def _failures_noted(ledger: Ledger) -> Iterator[None]:
    """Keep the line of an error where ``status`` finds it. A signal is none: the corpus is interrupted then."""
    try:
        yield
    except InterruptedRun:
        raise
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        words = line if isinstance(error, ReasonforgeError) else f"a bug: {type(error).__name__}: {line}"
        with suppress(StorageError):  # what went wrong is what the user is to see
            ledger.end(None, state="failed", message=words)
        raise


def _begin(ledger: Ledger, loaded: LoadedRecipe[CorpusRecipe], console: Console) -> None:
    """Store the recipe, and say what is different from the one before, and what stuck."""
    sticky = _sticky(loaded, ledger.root)
    typed = {key for key, origin in loaded.origins.items() if origin == COMMAND_LINE}
    _say_changes(console, ledger.begin(text=loaded.text, resolved=loaded.resolved, typed=[*typed, *sticky]))
    _say_sticky(console, loaded, sticky)


def _sticky(loaded: LoadedRecipe[CorpusRecipe], root: Path) -> list[str]:
    """Return the settings that an earlier command line gave and that hold again, because this call names no recipe: dotted keys."""
    if root / RESOLVED not in loaded.files:
        return []
    return [key for key in Ledger(root).typed() if loaded.origins.get(key, COMMAND_LINE) != COMMAND_LINE]


def _say_sticky(console: Console, loaded: LoadedRecipe[CorpusRecipe], sticky: list[str]) -> None:
    if sticky:
        shown = ", ".join(f"{key} = {shorten(str(_setting(loaded.resolved, key)), _MOST_CHARS)}" for key in sticky[:_MOST_CHANGES])
        more = f" and {len(sticky) - _MOST_CHANGES} more" if len(sticky) > _MOST_CHANGES else ""
        console.note(f"from an earlier command line: {shown}{more}. They hold until a call names a recipe")


def _setting(resolved: dict[str, Any], key: str) -> Any:
    value: Any = resolved
    for part in parse_dotted(key):
        value = value[part]
    return value


def _end_of(outcome: Outcome) -> dict[str, object]:
    if outcome.ended is not None:
        ended = outcome.ended
        return {"state": "complete", "rounds": ended.rounds, "reason": ended.reason, "overlap": ended.overlap}
    if outcome.waits is not None:
        return {"state": "waiting", "round": outcome.waits.round, "message": outcome.waits.message}
    return {"state": "stopped", "after": outcome.stopped_after or "the rounds"}


def _publish(recipe: CorpusRecipe, store: Store, outcome: Outcome, console: Console) -> None:
    """Put packed shards where training looks for them, and take away those of sources that are none any more."""
    if outcome.ended is None:
        return
    from reasonforge.corpus.loop.measured import bytes_per_token
    from reasonforge.corpus.loop.shards import publish_all, publish_tokenizer, retire
    from reasonforge.corpus.mixing.mixture import plan_mixture

    manifests = publish_all(store, outcome.ended.packed)
    for folder, why in retire(store, manifests):
        if why is not None:
            console.warn(f"{folder}: no source of this recipe, and still there, for {why}: training that names it reads old text")
        else:
            console.note(f"{folder}: removed, the recipe has no such source any more; what was packed for it stays in pack/{folder.name}")
    if not manifests:
        return
    pack = recipe.pack
    assert pack is not None
    if (tokenizer := publish_tokenizer(store, outcome.ended.packed)) is not None:
        console.note(f"{tokenizer}: the tokenizer of these shards")
    weights = {name: pack.weight if name == OWN_SOURCE else pack.sources[name].weight for name in manifests}
    tokens = {name: manifest.num_tokens for name, manifest in manifests.items()}
    planned = plan_mixture(weights, pack.total_tokens or sum(tokens.values()), tokens)
    for name, manifest in manifests.items():
        epochs = planned[name].epochs if pack.total_tokens is not None else None
        read = "" if epochs is None else f", read {epochs:.2f} times in a mixture of {pack.total_tokens:,}"
        console.note(f"shards/{name}: {manifest.num_tokens:,} tokens of {manifest.num_documents:,} documents{read}")
        if epochs is not None and epochs > pack.max_epochs:
            console.warn(
                f"{name} would be read {epochs:.2f} times, pack.max_epochs is {pack.max_epochs:g}: pack more of it, or lower its weight"
            )
    if (measured := bytes_per_token(outcome.ended.packed.get(OWN_SOURCE, ()), recipe)) is not None:
        (console.note if measured.is_near else console.warn)(measured.words())


def _relevant(changes: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Return the changes of settings that are worth telling."""
    return {key: change for key, change in changes.items() if key not in _ABOUT_NOTHING}


def _say_changes(console: Console, changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Say what changed in the recipe."""
    changes = _relevant(changes)
    if not changes:
        return
    from reasonforge.corpus.loop.changes import in_words

    console.note("the recipe has changed since the last call; what depends on the change is done again, the rest stays:")
    for key, (before, now) in list(changes.items())[:_MOST_CHANGES]:
        console.note(f"  {key}: {in_words(before)} -> {in_words(now)}")
    if len(changes) > _MOST_CHANGES:
        console.note(f"  and {len(changes) - _MOST_CHANGES} more")


def _tell(root: Path, outcome: Outcome, console: Console, *, quiet: bool) -> None:
    rows = [("folder", str(root)), ("units", f"{outcome.done:,} done, {outcome.found:,} done before")]
    if outcome.never is not None:
        rows.append(("asked for", outcome.never))
    elif outcome.stopped_after is not None and (outcome.ended is not None or outcome.waits is not None):
        rows.append(("asked for", f"{outcome.stopped_after}; what comes after it is done, too"))
    if outcome.waits is not None:
        if quiet:  # nobody else will say that it is their turn
            console.warn(f"{outcome.waits.message}: {_command('annotate', root)}")
        console.end(outcome.waits.message, rows, [_command("annotate", root), _command("run --out", root)])
    elif outcome.ended is None:
        console.end(f"stopped after {outcome.stopped_after or 'the rounds'}", rows, [_command("run --out", root)])
    else:
        from reasonforge.corpus.report.page import REPORT

        ended = outcome.ended
        why = {"converged": "nothing new came in", "max_rounds": "rounds.max_rounds is reached"}[ended.reason]
        rows.append(("rounds", f"{ended.rounds}: {why}"))
        if ended.overlap is not None:
            rows.append(("overlap", f"{ended.overlap:.2%} of the last round's pages were in the round before"))
        rows.append(("report", str(root / REPORT)))
        rows.append(("digest", outcome.digest))
        console.end("the corpus is complete", rows, [_command("status", root)])


def _command(verb: str, root: Path) -> str:
    return f"{program_name()} corpus {verb} {shlex.quote(str(root))}"
