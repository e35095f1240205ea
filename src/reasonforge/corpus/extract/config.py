"""Settings of the extraction."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reasonforge.config.base import Section


class ExtractConfig(Section):
    """How a page of HTML becomes text."""

    max_html_chars: Annotated[int, Field(ge=1_000)] = 10_000_000
    """Characters of HTML that are read; the rest is cut off and the page flagged ``HTML_CUT``."""
    max_text_chars: Annotated[int, Field(ge=1_000)] = 2_000_000
    """Characters of text that are kept; the rest is cut off between formulas and the page flagged ``TEXT_CUT``."""
    max_depth: Annotated[int, Field(ge=16, le=5_000)] = 3_000
    """Open elements at one place above which a page is read as flat text (``FLAT``): main-content extraction is quadratic in depth."""
    max_formula_chars: Annotated[int, Field(ge=16, le=100_000)] = 10_000
    """Characters of one formula; a longer one is dropped."""
    main_content: bool = True
    """Leave out navigation, footers, banners and other boilerplate. False keeps all text of the page."""
