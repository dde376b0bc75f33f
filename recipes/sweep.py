"""The recipe of a sweep: a recipe of letters with the texts that are compared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from imuscribe.prompts.serialize import Format
from imuscribe.recipes.schema import Names, Recipe, as_names
from imuscribe.signals.config import Config


def _items(given: Any) -> Any:
    """Accept a single number, or numbers in a text, where a list is meant."""
    return [given] if isinstance(given, int | float) else as_names(given)


Rates = Annotated[tuple[float, ...], BeforeValidator(_items), Field(min_length=1)]
Whole = Annotated[tuple[int, ...], BeforeValidator(_items), Field(min_length=1)]
Formats = Annotated[tuple[Format, ...], BeforeValidator(as_names), Field(min_length=1)]


class Grid(Config):
    """The settings that are combined; each format takes those it has."""

    formats: Formats = ("strokes", "digits", "csv")
    rates: Rates = (12.5, 25.0, 50.0, 100.0)
    """Hz after cleaning (`clean.rate`); ``csv`` writes every sample."""
    steps: Whole = (16, 32)
    """Time bins of ``digits``, and of every view of ``strokes``."""
    levels: Whole = (1, 2)
    """Speed levels of every view (``strokes``)."""
    digits: Whole = (1, 2)
    """Digits a value (``digits``)."""
    decimals: Whole = (0, 1, 2)
    """Digits after the point (``csv``, ``summary``)."""


class SweepRecipe(Recipe):
    """The methods of a recipe of letters on every text of a grid."""

    kind: Literal["sweep"] = "sweep"  # type: ignore[assignment]
    grid: Grid = Grid()
    tokenizers: Names = ()
    """Whose tokens of the signal's text are counted; empty counts the recipe's model's."""
