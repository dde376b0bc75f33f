"""Recipes of labels and more: texts of a grid, named variants, questions about signals."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from imuscribe.prompts.serialize import Format
from imuscribe.recipes.schema import Names, Recipe, as_names
from imuscribe.recipes.strict_yaml import set_dotted
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest

FIXED = (
    *("kind", "name", "seed", "out", "variants"),
    *("data", "labels", "simulate", "sessions", "windows", "split"),
)
"""What no variant changes, so that all are asked about the same recordings of the same people."""

AGAINST = "against"
"""The key of a variant that is no setting: which variant it is compared with."""


def _items(given: Any) -> Any:
    """Accept a single number, or numbers in a text, where a list is meant."""
    return [given] if isinstance(given, int | float) else as_names(given)


def _present(given: Any) -> Any:
    """Leave out variants that are null: ``variants.NAME=null`` runs all but that one."""
    if not isinstance(given, dict):
        return given
    return {name: changes for name, changes in given.items() if changes is not None}


Rates = Annotated[tuple[float, ...], BeforeValidator(_items), Field(min_length=1)]
Whole = Annotated[tuple[int, ...], BeforeValidator(_items), Field(min_length=1)]
Formats = Annotated[tuple[Format, ...], BeforeValidator(as_names), Field(min_length=1)]

VariantName = Annotated[str, StringConstraints(pattern=r"^\w[\w +-]*$", max_length=40)]
Changes = dict[str, Any]
"""Dotted key → value, as in a preset."""


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


class AblationRecipe(Recipe):
    """What each part of a recipe is worth: the same with one part changed at a time."""

    kind: Literal["ablation"] = "ablation"  # type: ignore[assignment]
    variants: Annotated[dict[VariantName, Changes], BeforeValidator(_present)]
    """Name → settings that differ from this recipe's. Each is answered by one method, and compared
    with the first, pair by pair of answers, or with the one that its key ``against`` names."""

    def parts(self) -> dict[str, Recipe]:
        """Return the recipe of every variant."""
        return {name: self._part(name) for name in self.variants}

    def other(self, name: str) -> str:
        """Return the variant that one is compared with: itself, if it is the first."""
        return str(self.variants[name].get(AGAINST, next(iter(self.variants))))

    def changes(self, name: str) -> Changes:
        """Return the settings that a variant changes."""
        return {key: value for key, value in self.variants[name].items() if key != AGAINST}

    def _part(self, name: str) -> Recipe:
        where = f"variants.{name}"
        if (other := self.other(name)) not in self.variants:
            raise InputError(f"{where}: '{AGAINST}' is '{other}': {nearest(other, self.variants)}")
        values = self.model_dump(mode="json", exclude={"kind", "variants"})
        for key, value in self.changes(name).items():
            if (section := key.split(".")[0]) in FIXED:
                raise InputError(
                    f"{where}: changes '{key}': all variants have the same '{section}', so that "
                    "they can be compared"
                )
            set_dotted(values, key, copy.deepcopy(value))
        part = Recipe.parse(values, where)
        if len(part.evaluate.methods) != 1:
            raise InputError(
                f"{where}: 'evaluate.methods' names {', '.join(part.evaluate.methods)}: a variant "
                f"is answered by one: set evaluate.methods: {part.evaluate.methods[0]}"
            )
        if part.evaluate.pools:
            raise InputError(f"{where}: 'evaluate.pools' are set: variants are not pooled")
        return part

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if len(self.variants) < 2:
            mistakes.append("'variants' has fewer than two: name two or more to compare")
        for name in self.variants:
            try:
                self._part(name)
            except InputError as error:
                mistakes.append(str(error))
        return mistakes


class QuestionsRecipe(Recipe):
    """What is asked, and who teaches whom; `evaluate.methods` means nothing."""

    kind: Literal["questions"] = "questions"  # type: ignore[assignment]

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if self.sensor is None:
            mistakes.append("'sensor' is null: there are no tokens to ask about: set sensor={}")
        if self.questions.channels:
            mistakes.append(
                "'questions.channels' names some: the encoder sees all channels: set "
                "questions.channels=[]"
            )
        return mistakes
