"""What the pages promise is there: links, commands, settings, metrics, and the names of functions and tests."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from reasonforge.cli.arguments import check_names, split_settings
from reasonforge.cli.main import SETTINGS_VERBS, app, main, option_names
from reasonforge.config.explain import Setting, explain
from reasonforge.config.loader import load_recipe
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.loop.outline import STAGES as CORPUS_STAGES
from reasonforge.corpus.loop.outline import outline
from reasonforge.corpus.reasons import REASONS
from reasonforge.pipelines.config import Recipe
from reasonforge.runs.metrics import SECTIONS, metric_of
from tests.docs.pages import PAGES, ROOT, Page

PACKAGE = ROOT / "src" / "reasonforge"
SOURCES = {".py", ".toml", ".c", ".h", ".js"}
FLOORS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
STAGE_PAGES = {
    path.stem.replace("evaluation", "eval").replace("sampling", "sample"): Page(path)
    for path in sorted((ROOT / "docs" / "stages").glob("*.md"))
    if path.stem != "corpus"
}
"""By the type that recipes call the stage."""
CORPUS_PAGE = Page(ROOT / "docs" / "stages" / "corpus.md")
"""Has a recipe of its own kind, and stages of its own."""
pages = pytest.mark.parametrize("page", [Page(path) for path in PAGES], ids=lambda page: page.name)


@cache
def names_of_tests() -> frozenset[str]:
    return frozenset(
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
    )


@cache
def overlays_shown() -> Mapping[str, str]:
    """Readers' own recipe files: blocks that begin with a comment that is the file's name."""
    blocks = [block for path in PAGES for block in Page(path).blocks("toml")]
    return {found[1]: block for block in blocks if (found := re.match(r"# (\w+\.toml)\n", block))}


@cache
def make_targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def keys_of_settings() -> frozenset[str]:
    return frozenset(setting.key for setting in [*explain(Recipe), *explain(CorpusRecipe)])


@cache
def settings_of_stage(kind: str) -> Mapping[str, Setting]:
    """Settings of stages of one type, by the part of the key below the stage's name."""
    found: dict[str, Setting] = {}
    current = ""
    for setting in explain(Recipe):
        if setting.key.startswith("stages.<name>."):
            current = setting.variant if setting.key.count(".") == 2 else current
            if current == kind:
                found.setdefault(setting.key.removeprefix("stages.<name>."), setting)
    return found


@pages
def test_every_link_leads_somewhere(page: Page) -> None:
    relative = [link.partition("#")[0] for link in page.links if "://" not in link and not link.startswith("#")]
    assert [link for link in relative if not (page.path.parent / link).exists()] == []


def test_every_page_named_in_the_code_exists() -> None:
    sources = [
        path for folder in ("src", "recipes", "examples", "benchmarks") for path in (ROOT / folder).rglob("*") if path.suffix in SOURCES
    ]
    named = {name for path in sources for name in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8"))}
    assert "docs/pitfalls.md" in named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pages
def test_every_command_shown_is_understood(page: Page, tmp_path: Path) -> None:
    for words in page.command_lines:
        match words:
            case ["make", *arguments]:
                targets = [word for word in arguments if "=" not in word]
                assert set(targets) <= make_targets(), " ".join(words)
            case ["python", "-m", module, *_]:
                assert importlib.util.find_spec(module) is not None, " ".join(words)
            case ["python", script, *_]:
                assert (ROOT / script).exists(), " ".join(words)
            case ["reasonforge", *arguments]:
                check_command(arguments, tmp_path)


def check_command(arguments: list[str], folder: Path) -> None:
    """Parse as the program would; load the recipe with all settings where it ships with the code, and overlays that a page shows."""
    command: Any = typer.main.get_command(app)
    of_corpus = arguments[0] == "corpus" and len(arguments) > 1
    group, schema = (command.commands["corpus"], CorpusRecipe) if of_corpus else (command, Recipe)
    verb, *rest = ["1" if word == "N" else word for word in arguments[of_corpus:]]
    assert verb in group.commands or verb == "--version", arguments
    if not rest:  # a verb named in a sentence
        return
    has_settings = " ".join(arguments[: 1 + of_corpus]) in SETTINGS_VERBS
    own, settings = split_settings(rest, option_names(group.commands[verb])) if has_settings else (rest, [])
    context = group.commands[verb].make_context(verb, list(own))
    check_names(settings, options=option_names(group.commands[verb]), keys=schema.model_fields)
    named = [Path(name) for name in [*(context.params.get("files") or []), *(context.params.get("recipes") or [])]]
    recipes = [path for path in named if path.suffix == ".toml"]
    for recipe in recipes:
        assert (ROOT / recipe).exists() or not recipe.as_posix().startswith("recipes/"), f"{recipe}: no such recipe"
    shipped = [ROOT / recipe for recipe in recipes if (ROOT / recipe).exists()]
    for name, block in overlays_shown().items():
        if shipped and Path(name) in recipes:
            (folder / name).write_text(block, encoding="utf-8")
            shipped.append(folder / name)
    if shipped and of_corpus:
        stages = {stage for stage, _ in outline(load_recipe(CorpusRecipe, shipped, settings).recipe)}
        assert {context.params.get("stage"), context.params.get("until")} <= {None, *stages}, arguments
    elif shipped:
        model = context.params.get("model")
        start = [] if model is None else ["--model.type=folder", f"--model.path={model}"]
        loaded = load_recipe(Recipe, shipped, [*start, *settings])
        stage = context.params.get("stage")
        assert stage is None or stage in loaded.recipe.stages, f"{shipped[0].name} has no stage {stage}"


@pages
def test_every_function_and_file_named_exists(page: Page) -> None:
    missing = [span for span in page.spans if re.fullmatch(r"[\w./-]+\.(py|toml|c)", span) and "/" in span and not is_file(span)]
    dotted = re.compile(rf"(?:reasonforge\.)?((?:{'|'.join(FLOORS)})\.(?!py$|json$|html$)[\w.]+)")
    names = [found[1] for span in page.spans if (found := dotted.fullmatch(span))]
    assert missing + [name for name in names if not (is_python(name) or is_setting(name))] == []


def is_file(name: str) -> bool:
    # A run's or a user's own files are not ours to have.
    return (ROOT / name).exists() or (PACKAGE / name).exists() or name.split("/")[0] not in {*FLOORS, "recipes", "tests", "src", "examples"}


def is_python(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["reasonforge", *parts[:end]]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def is_setting(name: str) -> bool:
    key = re.sub(r"^(stages|data)\.\w+", r"\1.<name>", name)
    return any(known == key or known.endswith(f".{key}") for known in keys_of_settings())


@pages
def test_every_test_named_exists(page: Page) -> None:
    assert {span for span in page.spans if re.fullmatch(r"test_\w+", span)} <= names_of_tests()


@pages
def test_a_whole_recipe_shown_is_a_recipe(page: Page, tmp_path: Path) -> None:
    for number, block in enumerate(page.blocks("toml")):
        content = tomllib.loads(block)
        if {"name", "model", "stages"} <= content.keys():
            path = tmp_path / f"{number}.toml"
            path.write_text(block, encoding="utf-8")
            assert load_recipe(Recipe, [path]).recipe.name == content["name"]


def test_the_corpus_recipe_shown_is_a_recipe(tmp_path: Path) -> None:
    (block,) = CORPUS_PAGE.blocks("toml")
    path = tmp_path / "recipe.toml"
    path.write_text(block, encoding="utf-8")
    assert load_recipe(CorpusRecipe, [path]).recipe.name == tomllib.loads(block)["name"]


def test_settings_of_a_corpus_are_listed_with_their_defaults() -> None:
    known: dict[str, Setting] = {}
    for setting in explain(CorpusRecipe):
        known.setdefault(setting.key, setting)
    rows = CORPUS_PAGE.rows("Settings")
    assert len(rows) >= 20
    for key, default, _ in rows:
        assert default.strip("`") == known[key.strip("`")].default, key


def test_stages_of_a_corpus_are_listed_in_their_order() -> None:
    assert [row[0].strip("`") for row in CORPUS_PAGE.rows("Stages")] == list(CORPUS_STAGES)


def test_reason_codes_are_listed_with_their_meaning() -> None:
    expected = [[f"`{code}`", meaning] for code, meaning in REASONS.items()]
    assert CORPUS_PAGE.rows("Reason codes") == expected, "\n".join(f"| {' | '.join(row)} |" for row in expected)


def test_the_papers_recipe_has_the_values_that_are_listed() -> None:
    recipe = load_recipe(CorpusRecipe, [ROOT / "recipes" / "corpus" / "deepseek_math.toml"]).recipe
    listed: dict[str, str] = {}
    for _, keys, values, _ in CORPUS_PAGE.rows("From the paper to the recipe"):
        names = re.findall(r"`([\w.]+)`", keys)
        numbers = re.findall(r"[\d,]*\d(?:\.\d+)?", values)
        if len(names) == len(numbers):
            listed |= dict(zip(names, numbers, strict=True))
    assert len(listed) >= 12
    for key, number in listed.items():
        value: Any = recipe
        for part in key.split("."):
            value = getattr(value, part)
        assert float(number.replace(",", "")) == value, key


@pytest.mark.parametrize("kind", sorted(STAGE_PAGES))
def test_the_stage_shown_is_a_stage(kind: str, tmp_path: Path) -> None:
    # Whole recipes have a test of their own.
    (block,) = [block for block in STAGE_PAGES[kind].blocks("toml") if "name" not in tomllib.loads(block)]
    path = tmp_path / "recipe.toml"
    frame = "\n".join(f'[data.{name}]\ntype = "task"\ntask = "countdown"\n' for name in ("train", "corpus", "heldout"))
    path.write_text(f'name = "a"\n[model.tokenizer]\ntype = "characters"\n{frame}\n{block}', encoding="utf-8")
    recipe = load_recipe(Recipe, [path], ["--model.type=fresh"]).recipe
    assert [stage.type for stage in recipe.stages.values()] == [kind]


@pytest.mark.parametrize("kind", sorted(STAGE_PAGES))
def test_settings_of_a_stage_are_listed_with_their_defaults(kind: str) -> None:
    known = settings_of_stage(kind)
    rows = STAGE_PAGES[kind].rows("Settings")
    assert len(rows) >= 5
    for key, default, _ in rows:
        assert default.strip("`") == known[key.strip("`")].default, key


@pytest.mark.parametrize("kind", sorted(STAGE_PAGES))
def test_metrics_of_a_stage_are_listed_with_their_healthy_range(kind: str) -> None:
    registered = {metric.name: metric for metrics in SECTIONS.values() for metric in metrics}
    rows = STAGE_PAGES[kind].rows("Metrics")
    assert len(rows) >= 7
    for name, healthy, _ in rows:
        metric = registered.get(name.strip("`")) or metric_of(name.strip("`"))
        low, high = metric.healthy or (None, None)
        assert healthy == ("" if low is None and high is None else f"≥ {low:g}" if high is None else f"≤ {high:g}"), name
    for span in STAGE_PAGES[kind].spans:
        if re.fullmatch(r"[a-z_]+(/[\w@*]+)+", span):
            metric_of(span)  # raises for a name that nobody registered


def test_the_floors_shown_are_the_floors_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    shown = Page(ROOT / "docs" / "architecture.md").blocks("text")[0].splitlines()
    assert shown == [layer.replace("reasonforge.", "") for layer in layers]


def test_the_recipe_quoted_in_the_readme_is_the_recipe() -> None:
    (quoted,) = Page(ROOT / "README.md").blocks("toml")
    assert set(quoted.splitlines()) <= set((ROOT / "recipes" / "toy" / "r1_zero.toml").read_text(encoding="utf-8").splitlines())


def test_the_plan_in_the_quickstart_is_the_plan_that_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("reasonforge.pipelines.plan.program_name", lambda: "reasonforge")  # as the page's reader, who has activated .venv
    assert main(["run", "recipes/toy/r1_zero.toml", "--dry-run"]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
    assert Page(ROOT / "docs" / "quickstart.md").blocks("text")[0].splitlines() == printed


def test_the_gsm8k_recipe_can_run_on_files_of_that_form(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test")}
    for offset, path in enumerate(paths.values()):
        rows = [
            {
                "question": f"What is {i} + {offset}?",
                "answer": f"{i} plus {offset} is <<{i}+{offset}={i + offset}>>{i + offset}.\n#### {i + offset}",
            }
            for i in range(20)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = [f"--data.{name}.path={path}" for name, path in paths.items()]
    assert main(["run", str(ROOT / "recipes" / "gsm8k" / "tiny.toml"), *arguments, "--dry-run"]) == 0
    assert "the recipe can run" in capsys.readouterr().out


CHAIN = "recipes/toy/chain.toml"
CHOICES: dict[str, Any] = {
    "advantages.group_normalized": lambda stage: stage.advantage.type == "group_normalized",
    "advantages.centred": lambda stage: stage.advantage.type == "centred",
    "advantages.leave_one_out": lambda stage: stage.advantage.type == "leave_one_out",
    "coefficients.rejection": lambda stage: (
        stage.advantage.type == "reward" and {part.type for part in stage.rewards.values()} == {"accuracy"}
    ),
    "advantages.batch_whitened": lambda stage: stage.advantage.type == "batch_whitened",
    "advantages.whitened": lambda stage: stage.advantage.type == "gae" and stage.advantage.whiten,
    "advantages.has_signal": lambda stage: stage.dynamic_sampling is not None,
    "returns.gae": lambda stage: stage.advantage.type == "gae",
    "returns.return_to_go": lambda stage: stage.advantage.type == "batch_whitened",
    "returns.process_advantages": lambda stage: stage.process is not None,
    "value.clipped_value_loss": lambda stage: stage.critic is not None and stage.critic.clip is not None,
    "rewards.rules.keeps_format": lambda stage: "format" in {part.type for part in stage.rewards.values()},
    "rewards.rules.language_share": lambda stage: "language" in {part.type for part in stage.rewards.values()},
    "rewards.rules.overlong_penalty": lambda stage: "overlong" in {part.type for part in stage.rewards.values()},
    "shaping.kl_shaped": lambda stage: stage.kl is not None and stage.kl.place == "reward",
    "shaping.apply_truncated_policy": lambda stage: stage.truncated != "keep",
    "ratio.token_ratio": lambda stage: stage.ratio == "token",
    "ratio.sequence_ratio": lambda stage: stage.ratio == "sequence",
    "ratio.sequence_ratio_token_gradient": lambda stage: stage.ratio == "sequence_token",
    "surrogate.clipped": lambda stage: stage.surrogate.type == "clip" and stage.surrogate.dual_clip is None,
    "surrogate.dual_clipped": lambda stage: stage.surrogate.type == "clip" and stage.surrogate.dual_clip is not None,
    "surrogate.cispo": lambda stage: stage.surrogate.type == "cispo",
    "surrogate.reinforce": lambda stage: stage.surrogate.type == "reinforce",
    "aggregate.sequence_mean_token_mean": lambda stage: stage.aggregation == "sequence_mean_token_mean",
    "aggregate.token_mean": lambda stage: stage.aggregation == "token_mean",
    "aggregate.group_token_mean": lambda stage: stage.aggregation == "group_token_mean",
    "aggregate.sequence_mean_token_sum": lambda stage: stage.aggregation == "sequence_mean_token_sum",
    "aggregate.constant_length": lambda stage: stage.aggregation == "constant_length",
    "kl.kl_k1": lambda stage: stage.kl is not None and stage.kl.estimator == "k1" and stage.kl.place == "reward",
    "kl.kl_k3_weighted": lambda stage: stage.kl is not None and stage.kl.importance_weighted,
    "kl.kl_k3": lambda stage: stage.kl is not None and stage.kl.estimator == "k3" and stage.kl.place == "loss",
}
"""Which setting of an RL stage picks a function of the table in docs/papers.md."""


def test_the_recipes_named_beside_equations_use_them() -> None:
    rows = re.findall(r"^\| .+ \| `([\w.]+)` \| `test_\w+` \| `?([^|`]+?)`? \|$", Page(ROOT / "docs" / "papers.md").text, re.MULTILINE)
    assert CHOICES.keys() <= {function for function, _ in rows}
    for function, recipe in rows:
        if recipe == "-":
            continue
        if "corpus" in Path(recipe).stem or recipe.startswith("recipes/corpus/"):
            load_recipe(CorpusRecipe, [ROOT / recipe])
            continue
        below = [ROOT / CHAIN] if recipe.startswith("recipes/algorithms/") else []  # an overlay
        stages = load_recipe(Recipe, [*below, ROOT / recipe]).recipe.stages.values()
        uses = CHOICES.get(function)
        assert uses is None or any(uses(stage) for stage in stages if stage.type == "rl"), f"{recipe} does not use {function}"


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(set(numbers)) == len(numbers)
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        assert path.read_text(encoding="utf-8").startswith(f"# {int(path.name[:4])}. "), path.name
