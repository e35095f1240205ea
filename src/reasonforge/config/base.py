"""The base of every settings model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen table of a recipe. Unknown keys are refused; the docstring under an attribute is its help text.

    The loader validates JSON, defaults included, so a default is a value that JSON knows: no ``Path(...)``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False)
