"""The recipe of a mapping: which two conditions, who trains, who asks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from imuscribe.models.config import EncoderConfig, FitConfig
from imuscribe.recipes.methods import METHODS
from imuscribe.recipes.schema import RecordingsExperiment, SplitConfig, as_names
from imuscribe.signals.config import Config
from imuscribe.signals.motion.augment import AugmentConfig
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.motion.views import QUANTITIES, Quantity
from imuscribe.signals.simulate import SimulateConfig

Column = Literal["case", "device", "session", "placement"]
Side = Literal["source", "target"]
SIDES: tuple[Side, Side] = ("source", "target")
Provenance = Literal["same-user", "cross-user"]
Metric = Literal["cosine", "euclidean"]
Method = Literal[
    "mapping",
    "mapping-vote",
    "analytic",
    "analytic-dtw",
    "llm-3d",
    "llm-retrieved",
    "llm-synthesised",
    "fusion",
    "random-forest",
    "svm",
    "dtw-1nn",
    "minirocket",
    "cnn",
]


def _signals(given: Any) -> Any:
    """Accept a word of `signals.motion.views`, or one signal, where a list is meant."""
    return QUANTITIES.get(given) or as_names(given) if isinstance(given, str) else given


ViewSignals = Annotated[tuple[Quantity, ...], BeforeValidator(_signals), Field(min_length=1)]


class ViewConfig(Config):
    """How a recording becomes the encoder's input."""

    space: Literal["plane", "level"] = "plane"
    """``plane``: the signals of `source` and `target` along the right and up of the best writing
    plane, each divided by its root mean square; for gestures. ``level``: acceleration up and along
    the level, rotation about up and about the level, in m/s² and rad/s; for activities, whose
    strength counts and which have no writing direction."""
    source: ViewSignals = QUANTITIES["movement"]
    """Signals of the condition that is mapped, ``plane`` only: a list of velocity, acceleration and
    rotation, or one word, ``movement`` (the first two) or ``writing`` (all three). The rotation
    rate is left out because people swing a device differently: see `signals.motion.views`."""
    target: ViewSignals = QUANTITIES["movement"]
    """Signals of the other. Flat writing hardly turns the hand, so its rotation says nothing.
    ``analytic`` and ``analytic-dtw`` compare the signals that both sides have."""
    steps: Annotated[int, Field(ge=8)] = 32
    """Samples that every recording is brought to."""
    frame: FrameConfig = FrameConfig()

    def channels(self, side: Side) -> tuple[str, ...]:
        """Return the names of the rows of a side."""
        if self.space == "level":
            return ("acc_up", "acc_level", "gyro_up", "gyro_level")
        return tuple(
            f"{signal}_{axis}" for signal in getattr(self, side) for axis in ("right", "up")
        )


class GalleryConfig(Config):
    """Whose recordings answer."""

    provenance: Provenance = "cross-user"
    """``cross-user``: training people's and auxiliary subjects'. ``same-user``: the query person's
    own as well, of the target condition."""
    metric: Metric = "cosine"
    most_per_label: PositiveInt | None = None
    """At most so many recordings of each label, drawn evenly over people; null holds all."""
    agreement: Annotated[float, Field(gt=0, le=1)] | None = None
    """Leave out items that fewer than this share of their 20 nearest items agree with on the label
    (edited nearest neighbours, Wilson 1972): oddly drawn or wrongly labelled; null holds all."""
    supporters: bool = True
    """Whether auxiliary subjects' recordings are in it, or only train."""


class SupportConfig(Config):
    """Auxiliary subjects: they train and may be in the gallery, but are simulated, never tested."""

    simulate: SimulateConfig
    """Who writes what; with `strokes`, what people drew with a pen. Recordings of the source
    condition become anchors, those of the target condition references and gallery items."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Of a class's anchors that are theirs; 0 leaves their source recordings out."""
    augment: AugmentConfig | None = AugmentConfig(late=0.45)
    """How theirs are varied."""
    copies: NonNegativeInt = 1
    """Varied copies of each of their recordings."""


class EvalConfig(Config):
    """What is compared on the test people."""

    methods: Annotated[tuple[Method, ...], BeforeValidator(as_names), Field(min_length=1)] = (
        "mapping",
        "mapping-vote",
        "analytic",
        "dtw-1nn",
        "cnn",
    )
    """``mapping``: the nearest item's label, ``mapping-vote`` what the nearest of each label say;
    ``analytic``: the same without an encoder, in the best plane; ``analytic-dtw`` by time warping.
    ``llm-3d``: a language model on the query's text; ``llm-retrieved`` on the nearest item's, as in
    the study; ``llm-synthesised`` on the query's flat equivalent; ``fusion``: vote and 3D text
    together. The others are classifiers that learnt from the same recordings of the source
    condition as the encoder."""
    neighbours: PositiveInt = 5
    """Nearest items of a label that vote."""
    baseline_per_label: PositiveInt | None = None
    """Recordings of a label that the classifiers learn from at most; null is all."""
    baseline_signals: ViewSignals | None = None
    """What the classifiers, dtw-1nn among them, see of the source, as `view.source`; null is what
    the encoder sees."""
    dtw_per_label: PositiveInt = 40
    """Items of a label that ``analytic-dtw`` compares with; its time grows with them."""
    adapter: str | None = None
    """Packaged name or folder of the language model's adapter; the llm methods need one."""
    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Resamples of people behind each interval."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        asking = [name for name in self.methods if METHODS[name].asks_model]
        if asking and self.adapter is None:
            raise ValueError(
                f"'methods' names {asking[0]} but 'adapter' is null: name a language model's "
                "adapter, such as evaluate.adapter=air-letters"
            )
        if "fusion" in self.methods and not {"mapping-vote", "llm-3d"} <= set(self.methods):
            raise ValueError(
                "'methods' names fusion, which needs mapping-vote and llm-3d before it"
            )
        return self


class MapRecipe(RecordingsExperiment):
    """One mapping from data to report."""

    kind: Literal["mapping"] = "mapping"
    source: dict[Column, str] = Field(default={"case": "3d"})
    """Columns and values of the condition that is mapped."""
    target: dict[Column, str] = Field(default={"case": "2d"})
    """Columns and values of the condition that it is mapped to."""
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

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if not self.source or not self.target:
            mistakes.append(
                "'source' and 'target' each need a column and its value, such as case: 3d"
            )
        elif self.source == self.target:
            mistakes.append(
                f"'source' and 'target' are both {self.source}: name two different conditions"
            )
        return mistakes
