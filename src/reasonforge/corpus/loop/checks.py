"""What a late stage would refuse, refused before the first one: a corpus takes days, and a missing file an instant to notice."""

from __future__ import annotations

from pathlib import Path

from reasonforge.core.errors import DataError
from reasonforge.corpus.annotate.journal import Journal
from reasonforge.corpus.config import CorpusRecipe
from reasonforge.corpus.decontaminate.sources import source_files
from reasonforge.corpus.ingest.inputs import find
from reasonforge.corpus.loop.config import AutoAnnotation, FileAnnotation
from reasonforge.corpus.loop.graph import annotations_path
from reasonforge.corpus.packing.units import load_tokenizer
from reasonforge.text.config import FolderTokenizer


def check_inputs(recipe: CorpusRecipe, root: Path) -> None:
    """Look whether everything that the recipe names is there and can be read, as far as that costs nothing.

    Args:
        recipe: what is to be made.
        root: the corpus folder.

    Raises:
        DataError: naming what is missing, and the setting that names it.
    """
    for config in (recipe.crawl, recipe.seed_documents):
        for source in config.inputs:
            for pattern in source.paths:
                find(pattern)
    if recipe.truth is not None and not recipe.truth.expanduser().is_file():
        raise DataError(f"{recipe.truth}: no such file. Leave truth out where nothing is known of the pages")
    if not isinstance(recipe.annotation, AutoAnnotation):
        path = annotations_path(recipe, root)
        if isinstance(recipe.annotation, FileAnnotation) and not path.is_file():
            raise DataError(
                f'{path}: no such file. Name it with annotation.path, or let the loop wait for a person: annotation.type = "human"'
            )
        Journal(path)
    if recipe.decontamination is not None:
        for benchmark in recipe.decontamination.sources:
            source_files(benchmark)
    if recipe.pack is not None:
        if isinstance(recipe.pack.tokenizer, FolderTokenizer):
            load_tokenizer(Path(recipe.pack.tokenizer.path))
        for source in recipe.pack.sources.values():
            for pattern in source.paths:
                find(pattern)
