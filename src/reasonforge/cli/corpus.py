"""``reasonforge corpus ...``: from files of a crawl to a corpus. Every verb loads what it needs when it is called, not before."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reasonforge.cli.arguments import Invocation, check_names
from reasonforge.cli.corpus_annotate import annotate
from reasonforge.cli.corpus_extract import extract, fetch
from reasonforge.cli.corpus_pack import export, pack
from reasonforge.cli.corpus_report import report
from reasonforge.cli.corpus_synthesise import synthesise
from reasonforge.cli.corpus_verify import verify
from reasonforge.core.errors import RecipeError, UnavailableError

if TYPE_CHECKING:
    from reasonforge.config.loader import LoadedRecipe
    from reasonforge.corpus.config import CorpusRecipe
    from reasonforge.corpus.pool import Executor

_WHAT = "What to do"
_HOW = "How"
_OUTPUT = "What you see"
_EXAMPLE = "recipes/toy/corpus.toml"

corpus_app = typer.Typer(
    name="corpus",
    help="From a web crawl to training shards: mining in rounds, decontaminated, packed, resumable at any point.",
    epilog=f"Start with:  reasonforge corpus synthesise --out corpus/web  ·  Then:  reasonforge corpus run {_EXAMPLE} --out corpus/toy",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PACKAGES = ("polars", "xxhash", "resiliparse", "lxml", "fasttext", "zstandard", "brotli", "tldextract", "fsspec")


def _with_packages(verb: Callable[..., int]) -> Callable[..., int]:
    """Have a verb say in a line that the packages of the ``corpus`` extra are missing, and not in the middle of something."""

    @functools.wraps(verb)
    def checked(*arguments: Any, **options: Any) -> int:
        missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise UnavailableError(f'{", ".join(missing)}: not installed. Corpora need: pip install "reasonforge[corpus]"')
        return verb(*arguments, **options)

    return checked


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A corpus folder.", show_default=False)]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@corpus_app.command(
    epilog=f"Example:  reasonforge corpus run {_EXAMPLE} --out corpus/toy  ·  Then:  reasonforge corpus status corpus/toy",
    rich_help_panel="Make a corpus",
)
@_with_packages
def run(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RECIPE", help="A TOML recipe, overlays behind it. Without one: that of --out.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Corpus folder; what is done in it already is kept.", rich_help_panel=_WHAT, show_default=False),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Do this stage alone; those before must be done.", rich_help_panel=_WHAT, show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="NAME", help="Stop after this stage.", rich_help_panel=_WHAT, show_default=False)
    ] = None,
    round_number: Annotated[
        int | None,
        typer.Option("--round", metavar="R", min=1, help="Of this round.", rich_help_panel=_WHAT, show_default=False),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=0, help="Do one share of --stage: the one of rank K, from 0.", rich_help_panel=_HOW, show_default=False
        ),
    ] = None,
    world_size: Annotated[
        int | None, typer.Option(metavar="W", min=1, help="Of so many ranks.", rich_help_panel=_HOW, show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes. Default: one per core.", rich_help_panel=_HOW, show_default=False)
    ] = None,
    executor: Annotated[
        Literal["local", "ray"], typer.Option(help="Where units run: here, or on a Ray cluster.", rich_help_panel=_HOW)
    ] = "local",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the recipe and what it names, print the plan, do nothing.", rich_help_panel=_OUTPUT)
    ] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="List every setting a recipe can have, or those under a name.", rich_help_panel=_OUTPUT)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.", rich_help_panel=_OUTPUT)] = False,
    log: Annotated[
        Literal["plain", "json"], typer.Option("--log", help="json = one JSON object per line.", rich_help_panel=_OUTPUT)
    ] = "plain",
    debug: Debug = False,
) -> int:
    """Make a corpus, or go on making it: whatever is done is kept, whatever was killed is done again.

    Any setting of the recipe can follow as --key.path VALUE, for example --rounds.max_rounds 2.
    """
    from reasonforge.corpus.config import CorpusRecipe

    invocation: Invocation = context.obj
    if settings:
        from reasonforge.cli.settings import print_settings

        return print_settings(CorpusRecipe, stage_type=None, under=[str(file) for file in files or [] if file.suffix != ".toml"])
    own_options = [name for option in context.command.params for name in option.opts]
    check_names(invocation.settings, options=own_options, keys=CorpusRecipe.model_fields)
    _check_share(stage, until, round_number, rank, world_size)
    out = out.expanduser() if out is not None else None
    loaded = _load(files or [], invocation.settings, out)
    out = out or Path("corpus") / loaded.recipe.name
    from reasonforge.corpus.loop.start import RunOptions, print_plan, run_corpus

    options = RunOptions(
        stage=stage or until,
        round=round_number,
        only=stage is not None,
        rank=rank or 0,
        world_size=world_size or 1,
        quiet=quiet,
        log=log,
        argv=invocation.argv,
    )
    if dry_run:
        return print_plan(loaded, out, options)
    return run_corpus(loaded, out, lambda: _executor(executor, workers, given=workers), options)


@corpus_app.command(
    epilog="Example:  reasonforge corpus status corpus/toy  ·  In a script:  reasonforge corpus status corpus/toy --stage pages",
    rich_help_panel="Look at a corpus",
)
@_with_packages
def status(
    folder: Folder,
    stage: Annotated[
        str | None, typer.Option(metavar="NAME", help="Look at this stage alone: exit code 0 = whole, 1 = not yet.", show_default=False)
    ] = None,
    round_number: Annotated[int | None, typer.Option("--round", metavar="R", min=1, help="Of this round.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Debug = False,
) -> int:
    """Say what is done, what was dropped and why, and what each round collected.

    Where the recipe names a truth (a synthetic web has one), recall and precision of each round stand beside it.
    """
    if stage is not None:
        return _stage_status(folder.expanduser(), stage, round_number, as_json=as_json)
    if round_number is not None:
        raise RecipeError("--round: of which stage? Name it with --stage")
    from reasonforge.corpus.loop.status import status_of, status_text

    found = status_of(folder.expanduser())
    if as_json:
        import json

        print(json.dumps(found, indent=2))
    else:
        print(status_text(found))
    return 0


def _stage_status(folder: Path, stage: str, round_number: int | None, *, as_json: bool) -> int:
    from reasonforge.corpus.loop.whole import stage_state

    found = stage_state(folder, stage, round_number)
    if as_json:
        import json

        print(json.dumps({"stage": stage, "round": round_number, **found._asdict()}, indent=2))
    else:
        print(found.message)
    return 0 if found.whole else 1


@corpus_app.command(
    epilog="Example:  reasonforge corpus explain corpus/toy https://forum.example/questions/17", rich_help_panel="Look at a corpus"
)
@_with_packages
def explain(
    folder: Folder,
    url: Annotated[str, typer.Argument(metavar="URL", help="Of a page or seed document, in any spelling; or its id.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Debug = False,
) -> int:
    """Tell every decision about one page: which capture was kept, its scores, its domain and path, and where it went.

    Exit code 1: nothing is known of it.
    """
    from reasonforge.corpus.loop.explain import explain_page, explained_text

    found = explain_page(folder.expanduser(), url)
    if as_json:
        import json

        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(explained_text(found))
    return 0 if found["captures"] else 1


corpus_app.command("report", epilog="Example:  reasonforge corpus report corpus/toy", rich_help_panel="Look at a corpus")(
    _with_packages(report)
)
corpus_app.command(
    "annotate",
    epilog="Example:  reasonforge corpus annotate corpus/toy  ·  Then:  reasonforge corpus run --out corpus/toy",
    rich_help_panel="Make a corpus",
)(_with_packages(annotate))
corpus_app.command(
    "extract",
    epilog="Example:  reasonforge corpus extract CC-MAIN.warc.gz --out pages.jsonl.zst",
    rich_help_panel="Beside a corpus",
)(_with_packages(extract))
corpus_app.command(
    "fetch",
    epilog="Example:  reasonforge corpus fetch mathoverflow.net/questions/ --crawl CC-MAIN-2024-10 --limit 100 --out mo.warc.gz",
    rich_help_panel="Beside a corpus",
)(_with_packages(fetch))
corpus_app.command(
    "synthesise", epilog="Example:  reasonforge corpus synthesise --out corpus/web --pages 2000", rich_help_panel="Beside a corpus"
)(_with_packages(synthesise))
corpus_app.command(
    "pack",
    epilog="Example:  reasonforge corpus pack code.jsonl --tokenizer models/base --out shards/code",
    rich_help_panel="Shards",
)(_with_packages(pack))
corpus_app.command(
    "export", epilog="Example:  reasonforge corpus export shards/code --format megatron --out megatron/code", rich_help_panel="Shards"
)(_with_packages(export))
corpus_app.command("verify", epilog="Example:  reasonforge corpus verify corpus/toy", rich_help_panel="Look at a corpus")(
    _with_packages(verify)
)


def _check_share(stage: str | None, until: str | None, round_number: int | None, rank: int | None, world_size: int | None) -> None:
    if stage is not None and until is not None:
        raise RecipeError("--stage does one stage and --until all up to one: choose one")
    if round_number is not None and stage is None and until is None:
        raise RecipeError("--round: of which stage? Name it with --stage or --until")
    if (rank is None) != (world_size is None):
        raise RecipeError("--rank and --world-size belong together: rank K of W shares")
    if rank is not None and world_size is not None:
        if stage is None:
            raise RecipeError("--rank does a share of one stage: name it with --stage")
        if rank >= world_size:
            raise RecipeError(f"--rank {rank}: of {world_size} ranks the last is {world_size - 1}")


def _load(files: list[Path], settings: tuple[str, ...], out: Path | None) -> LoadedRecipe[CorpusRecipe]:
    from reasonforge.config.loader import load_recipe, reload_recipe
    from reasonforge.corpus.config import CorpusRecipe
    from reasonforge.corpus.loop.ledger import RECIPE, RESOLVED, stored_recipe

    if files:
        return load_recipe(CorpusRecipe, files, settings)
    if out is not None and stored_recipe(out) is not None:
        return reload_recipe(CorpusRecipe, out / RESOLVED, out / RECIPE, settings)
    if out is not None:
        raise RecipeError(f"{out}: no corpus here to go on with, and no recipe given: reasonforge corpus run RECIPE --out {out}")
    raise RecipeError(f"no recipe given. For example: reasonforge corpus run {_EXAMPLE} --out corpus/toy")


def _executor(kind: Literal["local", "ray"], workers: int | None, *, given: int | None) -> Executor:
    if kind == "ray":
        if given is not None:
            raise RecipeError("--workers is about this machine: with --executor ray the cluster's size decides")
        from reasonforge.cluster.ray_units import RayExecutor

        return RayExecutor()
    from reasonforge.corpus.pool import ProcessPool, usable_cores

    return ProcessPool(workers or usable_cores())
