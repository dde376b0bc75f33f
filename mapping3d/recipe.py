"""The recipe of a mapping: which two conditions, who trains, who asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mapping3d.encoder import EncoderConfig
from mapping3d.gallery import Metric, Provenance
from mapping3d.train import FitConfig
from mapping3d.views import ViewConfig
from recipes.schema import SplitConfig, resolve
from signals.augment import AugmentConfig
from signals.cleaning import CleanConfig
from signals.config import Config
from signals.labels import parse_labels
from signals.simulate import SimulateConfig

Column = Literal["case", "device", "session"]
Method = Literal["mapping", "analytic", "analytic-dtw", "dtw-1nn", "cnn", "svm", "random-forest"]


class GalleryConfig(Config):
    """Whose recordings answer.

    Attributes
    ----------
    provenance : {"same-user", "cross-user"}
        ``cross-user``: training people's and supporters'. ``same-user``: the query person's own as
        well, of the target condition.
    metric : {"cosine", "euclidean"}
    most_per_label : int or None
        At most so many recordings of each label, drawn evenly over people; null holds all.
    """

    provenance: Provenance = "cross-user"
    metric: Metric = "cosine"
    most_per_label: PositiveInt | None = None


class SupportConfig(Config):
    """People who train and are in the gallery, but are never tested: simulated ones.

    Attributes
    ----------
    simulate : SimulateConfig
        Who writes what; with `strokes`, what people drew with a pen. Recordings of the source
        condition become anchors, those of the target condition references and gallery.
    share : float
        Of a class's anchors that are theirs.
    augment : AugmentConfig or None
        How theirs are varied.
    copies : int
        Varied copies of each of their recordings.
    """

    simulate: SimulateConfig
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    augment: AugmentConfig | None = AugmentConfig(late=0.45)
    copies: NonNegativeInt = 1


class EvalConfig(Config):
    """What is compared on the test people.

    Attributes
    ----------
    methods : tuple of str
        ``mapping``: the trained encoder. ``analytic``: the nearest in the best plane, nothing
        trained; ``analytic-dtw`` the same by time warping. The others are classifiers that learnt
        from the training people's recordings of the source condition.
    baseline_per_label : int or None
        Recordings of a label that those learn from at most; null is all.
    bootstrap : int
        Resamples of people behind each interval.
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = (
        "mapping",
        "analytic",
        "dtw-1nn",
        "cnn",
    )
    baseline_per_label: PositiveInt | None = None
    bootstrap: NonNegativeInt = 1000


class MapRecipe(Config):
    """One mapping from data to report."""

    name: Annotated[str, Field(pattern=r"^\w[\w. -]*$")]
    """Names the run's folder."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Every random draw follows from it."""
    data: str = "simulated"
    """A Parquet file of recordings, or ``simulated``."""
    labels: str = "A-Z"
    """Label set, as in other recipes."""
    source: dict[Column, str] = Field(default={"case": "3d"})
    """Columns and values of the condition that is mapped."""
    target: dict[Column, str] = Field(default={"case": "2d"})
    """Columns and values of the condition that it is mapped to."""
    simulate: SimulateConfig = SimulateConfig()
    clean: CleanConfig = CleanConfig()
    view: ViewConfig = ViewConfig()
    encoder: EncoderConfig = EncoderConfig()
    fit: FitConfig = FitConfig()
    augment: AugmentConfig | None = AugmentConfig()
    """How training recordings are varied; null trains on them as they are."""
    copies: NonNegativeInt = 4
    """Varied copies of each training recording; prepared once, before the first epoch."""
    support: SupportConfig | None = None
    gallery: GalleryConfig = GalleryConfig()
    split: SplitConfig = SplitConfig()
    evaluate: EvalConfig = EvalConfig()
    out: str = "runs"
    """Folder that receives run folders."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        mistakes = []
        labels = parse_labels(self.labels)
        if len(labels) < 2:
            mistakes.append(
                f"'labels' is {self.labels!r}: a mapping is learnt from at least two classes"
            )
        if not self.source or not self.target:
            mistakes.append(
                "'source' and 'target' each need a column and its value, such as case: 3d"
            )
        elif self.source == self.target:
            mistakes.append(
                f"'source' and 'target' are both {self.source}: name two different conditions"
            )
        if self.data == "simulated" and not set(labels) <= set(parse_labels(self.simulate.labels)):
            mistakes.append(
                f"'labels' is {self.labels!r} but 'simulate.labels' is {self.simulate.labels!r}: "
                f"set simulate.labels={self.labels}"
            )
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    @property
    def label_set(self) -> tuple[str, ...]:
        """The labels, one a class, in order."""
        return parse_labels(self.labels)


def load_map_recipe(path_or_name: str, overrides: Sequence[str] = ()) -> MapRecipe:
    """Read a mapping's recipe, apply overrides, check everything.

    Parameters as for `recipes.schema.load_recipe`.

    Raises
    ------
    InputError
        With every mistake at once.
    """
    return MapRecipe.parse(resolve(path_or_name, overrides), where=path_or_name)


def dump(recipe: MapRecipe) -> str:
    """Return the recipe, every default spelt out, as YAML."""
    values = recipe.model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
