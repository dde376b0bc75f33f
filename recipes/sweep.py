"""The recipe of a sweep: a recipe of letters with the texts that are compared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from imuscribe.prompts.serialize import Format
from imuscribe.recipes.schema import Names, Recipe, as_names
from imuscribe.signals.config import Config

Formats = Annotated[tuple[Format, ...], BeforeValidator(as_names), Field(min_length=1)]


class Grid(Config):
    """The settings that are combined; each format takes those it has."""

    formats: Formats = ("strokes", "digits", "csv")
    rates: tuple[float, ...] = (12.5, 25.0, 50.0, 100.0)
    """Hz after cleaning (`clean.rate`); ``csv`` writes every sample."""
    steps: tuple[int, ...] = (16, 32)
    """Time bins of ``digits``, and of every view of ``strokes``."""
    levels: tuple[int, ...] = (1, 2)
    """Speed levels of every view (``strokes``)."""
    digits: tuple[int, ...] = (1, 2)
    """Digits a value (``digits``)."""
    decimals: tuple[int, ...] = (0, 1, 2)
    """Digits after the point (``csv``)."""


class SweepRecipe(Recipe):
    """The methods of a recipe of letters on every text of a grid."""

    kind: Literal["sweep"] = "sweep"  # type: ignore[assignment]
    grid: Grid = Grid()
    tokenizers: Names = ()
    """Whose tokens of the signal's text are counted; empty counts the recipe's model's."""
