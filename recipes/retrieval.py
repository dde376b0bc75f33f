"""The recipe of signals and captions in one space: who learns, who is found, and by which words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from imuscribe.models.config import AlignConfig, AlignLoss
from imuscribe.prompts.captions.hierarchy import CaptionConfig
from imuscribe.recipes.schema import Names, as_names
from imuscribe.recipes.transfer import TransferRecipe
from imuscribe.signals.config import Config
from imuscribe.signals.errors import nearest

Share = Annotated[float, Field(gt=0, le=1)]


class RetrievalEvalConfig(Config):
    """What is measured on people nobody has learnt from."""

    losses: Annotated[tuple[AlignLoss, ...], BeforeValidator(as_names), Field(min_length=1)] = (
        "clip",
    )
    """A model is trained with each, in place of `align.loss`, and they stand side by side."""
    shares: tuple[Share, ...] = (1.0,)
    """Shares of the training people that models learn from: how results grow with data."""
    shots: tuple[PositiveInt, ...] = (5, 10, 50)
    """Labelled windows of a class that a linear probe learns from, and ExtraTrees beside it."""
    floor: bool = True
    """ExtraTrees learn from all training windows with their labels, too."""
    gallery: PositiveInt = 500
    """Windows among which one is found by its caption, each of another recording."""
    written: NonNegativeInt = 200
    """Windows that a loss which writes captions writes some of."""
    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Resamples of people behind each interval; 0 skips it."""


class RetrievalRecipe(TransferRecipe):
    """Learn signals and captions together; recognise, find and describe windows of other people."""

    kind: Literal["retrieval"] = "retrieval"  # type: ignore[assignment]
    classes: Names = ()
    """Shared classes; empty takes every label of a set, in words."""
    protocol: Literal["people", "leave-one-set-out"] = "people"  # type: ignore[assignment]
    """``people``: all sets learn together, and groups of people are tested one after the other;
    ``leave-one-set-out``: all other sets teach, and nobody of the tested one."""
    groups: Annotated[int, Field(ge=2)] = 5
    """Groups that people are dealt into, by the seed (``people`` only)."""
    folds: Names = ()
    """Groups that are tested, such as ``group-1`` (``people`` only); empty tests all."""
    align: AlignConfig = AlignConfig()
    captions: CaptionConfig = CaptionConfig()
    """What captions tell; `numbers` and the seed are drawn anew for every caption."""
    evaluate: RetrievalEvalConfig = RetrievalEvalConfig()  # type: ignore[assignment]

    @property
    def variants(self) -> dict[str, tuple[AlignLoss, float]]:
        """Return the models that are trained, by name."""
        found: dict[str, tuple[AlignLoss, float]] = {}
        for loss in self.evaluate.losses:
            for share in self.evaluate.shares:
                found[loss if share == 1 else f"{loss}, {share:.3g} of people"] = (loss, share)
        return found

    def _teacher_mistakes(self) -> list[str]:
        return []  # nobody is asked

    def _mistakes(self) -> list[str]:
        # One set is enough where people are divided.
        mistakes = [
            text
            for text in super()._mistakes()
            if self.protocol != "people"
            or not (self.all_sets() and text.startswith("'sets' holds"))
        ]
        if len(self.classes) == 1:
            mistakes.append(
                f"'classes' names {self.classes[0]} alone: two are needed to tell them apart"
            )
        names = [f"group-{i + 1}" for i in range(self.groups)]
        mistakes += [
            f"'folds' names {name}: {nearest(name, names)}"
            for name in self.folds
            if name not in names
        ]
        if self.protocol != "people" and self.folds:
            mistakes.append("'folds' is for protocol people: leave it out, or name 'targets'")
        return mistakes
