"""The recipe of an ablation: a recipe of labels, and variants that change some of its settings."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StringConstraints

from imuscribe.recipes.schema import Recipe
from imuscribe.recipes.strict_yaml import set_dotted
from imuscribe.signals.errors import InputError, nearest

FIXED = (
    *("kind", "name", "seed", "out", "variants"),
    *("data", "labels", "simulate", "sessions", "windows", "split"),
)
"""What no variant changes, so that all are asked about the same recordings of the same people."""

AGAINST = "against"
"""The key of a variant that is no setting: which variant it is compared with."""


def _present(given: Any) -> Any:
    """Leave out variants that are null: ``variants.NAME=null`` runs all but that one."""
    if not isinstance(given, dict):
        return given
    return {name: changes for name, changes in given.items() if changes is not None}


VariantName = Annotated[str, StringConstraints(pattern=r"^\w[\w +-]*$", max_length=40)]
Changes = dict[str, Any]
"""Dotted key → value, as in a preset."""


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
