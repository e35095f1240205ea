"""``reasonforge corpus annotate``: people say which paths are mathematics, in a browser or a spreadsheet."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from reasonforge.core.errors import RecipeError

_PAGE = "In the browser"
_SHEET = "In a spreadsheet"
_MODEL = "With a model"

_WAYS = ("--export", "--import", "--endpoint", "--accept", "--auto")
"""Options of which each does something else than open the page."""

_ONLY_WITH = {
    "--share": ("--export", "--endpoint"),
    "--seed": ("", "--export", "--endpoint"),
    "--port": ("",),
    "--no-browser": ("",),
}
"""Option -> the ways in which it has an effect; empty = the page."""


def annotate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A corpus folder.", show_default=False)],
    round_number: Annotated[
        int | None, typer.Option("--round", metavar="N", min=1, help="Default: the last one that has a worklist.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where decisions go. Default: as the recipe says.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who decides. Default: your user name.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Other sample pages.")] = 0,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 = any that is free.", rich_help_panel=_PAGE)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.", rich_help_panel=_PAGE)] = True,
    export: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write the worklist, to fill in its label column.", rich_help_panel=_SHEET)
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="CSV", help="Take the labels of a sheet in: all of it or nothing.", rich_help_panel=_SHEET),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="A model there proposes labels; ends with /v1.", rich_help_panel=_MODEL)
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Its name on that server.", rich_help_panel=_MODEL)] = None,
    share: Annotated[
        float | None,
        typer.Option(
            metavar="X", min=0, max=1, help="--export, --endpoint: only the first domains, that cover X of the expected gain. Default: all."
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept every proposal of the round for a path that nobody decided.", rich_help_panel=_MODEL)
    ] = False,
    auto: Annotated[
        str | None,
        typer.Option(metavar="min_ratio=X", help="Label by collected share alone, X or more is math: not the paper's procedure."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> int:
    """Say which paths of mathematical domains are mathematics; their uncollected pages join the seed of the next round.

    Opens a page on this machine, unless an option says otherwise. Decisions are appended to one file and never rewritten.
    """
    given = {
        "--export": export is not None,
        "--import": import_ is not None,
        "--endpoint": endpoint is not None or model is not None,
        "--accept": accept,
        "--auto": auto is not None,
        "--share": share is not None,
        "--seed": seed != 0,
        "--port": port != 0,
        "--no-browser": not browser,
    }
    _check(given)
    if (endpoint is None) != (model is None):
        raise RecipeError("--endpoint and --model: name the server and its model together")
    min_ratio = None if auto is None else _min_ratio(auto)

    from reasonforge.cli.annotation_desk import open_desk

    author = f"human:{_user() if name is None else name}"
    desk = open_desk(folder.expanduser(), round_number=round_number, file=None if file is None else file.expanduser(), by=author)
    if export is not None:
        return desk.write_sheet(export.expanduser(), seed=seed, share=share)
    if import_ is not None:
        return desk.take_sheet(import_.expanduser())
    if endpoint is not None and model is not None:
        return desk.ask_model(endpoint, model, seed=seed, share=share)
    if accept:
        return desk.accept_proposals()
    if min_ratio is not None:
        return desk.label_by_share(min_ratio)
    return desk.open_page(port=port, seed=seed, browser=browser)


def _check(given: Mapping[str, bool]) -> None:
    """Refuse options that do not go together, and such as have no effect beside the others.

    Args:
        given: option -> whether it stands on the command line, or says something else than it does by itself.

    Raises:
        RecipeError: it names them.
    """
    ways = [option for option in _WAYS if given[option]]
    if len(ways) > 1:
        raise RecipeError(f"{ways[0]} and {ways[1]}: one at a time")
    way = ways[0] if ways else ""
    for option, fits in _ONLY_WITH.items():
        if given[option] and way not in fits:
            meant = " or ".join(f"with {other}" if other else "when the page is opened" for other in fits)
            raise RecipeError(f"{option}: has no effect {f'with {way}' if way else 'on the page'}, only {meant}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        raise RecipeError("--by: who decides? This user has no name: give one") from None


def _min_ratio(text: str) -> float:
    key, _, value = text.partition("=")
    try:
        ratio = float(value)
    except ValueError:
        ratio = 0.0
    if key.strip() != "min_ratio" or not 0 < ratio <= 1:
        raise RecipeError(f"--auto {text}: write min_ratio=X with X above 0 and up to 1, as in --auto min_ratio=0.5")
    return ratio
