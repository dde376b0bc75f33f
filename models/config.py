"""Settings of the networks, of their losses and of how they are trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt

from imuscribe.signals.config import Config
from imuscribe.signals.motion.views import Groups, View, groups, n_channels

BORROWED, MARK = "borrowed", "mark"
"""What an encoder calls weights that are not its own, so that they are not saved with it, and their
hash, which is."""

Mining = Literal["hard", "semi-hard", "all"]
AlignLoss = Literal["siglip", "clip", "cap", "coca"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PATCH, PATCH_SECONDS = 16, 0.5
"""Samples of a patch, and how long they should last."""


def _odd(span: int) -> int:
    if span % 2 == 0:
        raise ValueError(f"must be odd, to have a middle: set it to {span + 1}")
    return span


class EncoderConfig(Config):
    """The network."""

    weights: Literal["shared", "dual", "partly-shared"] = "partly-shared"
    """One network for both conditions, one for each, or the first block of each its own. Shared
    needs the same channels on both sides."""
    width: PositiveInt = 64
    """Channels of the hidden layers."""
    blocks: Annotated[int, Field(ge=2, le=5)] = 3
    """Convolution, batch normalisation, ReLU, dropout; all but the last halve the time."""
    layers: Literal["plain", "residual"] = "plain"
    """``residual``: every block after the first is two convolutions added to what came in."""
    kernel: Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)] = 7
    """Samples a convolution spans; odd."""
    parts: Annotated[int, Field(ge=1, le=8)] = 4
    """Equal times whose means make the embedding, beside the maximum over all."""
    size: PositiveInt = 64
    """Numbers of an embedding."""
    normalise: bool = True
    """Embeddings of length one: Euclidean and cosine order are the same then."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of hidden values zeroed while training."""


class VaryConfig(Config):
    """How far a varied sequence may differ from the real one (standard deviations)."""

    turn: Annotated[float, Field(ge=0, le=45)] = 8.0
    """Slant in the writing plane, degrees."""
    stretch: Annotated[float, Field(ge=0, le=0.5)] = 0.15
    """Relative change of width against height."""
    warp: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Relative change of local speed."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Smooth noise relative to the channel's root mean square."""
    late: Annotated[float, Field(ge=0, le=0.9)] = 0.15
    """Most of the sequence, as a share, that is missing at the beginning."""
    early: Annotated[float, Field(ge=0, le=0.9)] = 0.08
    """Most of the sequence that is missing at the end."""


class ChronosConfig(Config):
    """A Chronos encoder, which is used as it comes: its weights are never trained."""

    base: Annotated[str, Field(min_length=1)] = "amazon/chronos-t5-small"
    """A folder, or a hub id: ``amazon/chronos-t5-tiny``, ``-mini``, ``-small``, ``-base`` or
    ``-large``."""
    scale: Literal["mean", "standard"] = "standard"
    """What values are made comparable by before they are put into bins: ``mean`` divides by the
    mean size, as Chronos was trained; ``standard`` takes the mean off and divides by the deviation
    (SensorLLM), so that gravity doesn't push movement into a few bins."""


class SensorConfig(Config):
    """An encoder whose features a language model reads as tokens (SensorLLM, arXiv 2410.10624).

    So many positions of the prompt hold what a projector makes of them.
    """

    encoder: Literal["residual", "patch", "chronos"] = "residual"
    """``residual``: convolutions over one view of a gesture (`models.cnn.ResidualEncoder`);
    ``patch``: a transformer over patches of a window in physical units, for activities
    (`models.sensor.patch.PatchEncoder`); ``chronos``: one pretrained on time series of all kinds,
    frozen, which reads every channel by itself (`models.sensor.chronos.ChronosEncoder`)."""
    chronos: ChronosConfig = ChronosConfig()
    """Which one; ``chronos`` only."""
    groups: Groups = "one"
    """``one`` block of tokens for all channels; one for each ``signal`` (acceleration, rotation);
    or one for each ``channel``, as SensorLLM has it. All blocks are read by the same encoder and
    projector, and each has a start and an end of its own, which say what it is of."""
    view: View = "movement"
    """What it sees of a recording."""
    gyroscope: bool = True
    """Whether that holds a rotation rate; false for recordings of the accelerometer alone. Nothing
    changes for ``movement``, which holds none."""
    steps: Annotated[int, Field(ge=16, le=1024)] = 64
    """Samples it sees, whatever the recording's length. ``patch`` takes 16 for half a second: 128
    for a window of 4 s."""
    seconds: Positive | None = None
    """What the steps span, from the beginning, with zeros behind a shorter recording: each token
    then has a time of its own, as questions about moments need. Null: the whole recording."""
    width: Annotated[int, Field(ge=16, multiple_of=16)] = 96
    """Channels of its first stage, half as many as it has features; or the width of its patches."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of its hidden values zeroed while training."""
    tokens: Annotated[int, Field(ge=1, le=513)] = 8
    """Positions of the prompt that its features take, beside a start and an end; in each of the
    `groups`. SensorLLM: one a sample, and one more."""
    levels: bool = False
    """Each token is also told every channel's mean over its time, so that values can be read from
    it and not only shapes; for questions (`imuscribe align train`)."""
    hidden: tuple[PositiveInt, ...] = (576,)
    """Hidden widths of the projector's MLP; empty is one linear layer."""
    pretrained: str | None = None
    """Folder of an encoder made by `imuscribe align pretrain`; null begins from nothing. One that
    has learnt from a test person is refused."""
    text: bool = False
    """The signal's text stands in the prompt as well."""
    drop: Annotated[float, Field(ge=0, lt=0.5)] = 0.3
    """Where text stands beside the tokens: the share of training rows without tokens, and as many
    without text, so that each works alone."""
    auxiliary: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Weight of the loss of a linear head on the features, which keeps them telling labels apart
    while the language model learns to read them; the head is the method `encoder`."""
    warm_up: NonNegativeInt = 0
    """Passes of encoder and head alone over the training recordings, before the language model
    joins: convolutions learn in many cheap passes what a language model would in few dear ones."""
    lr: Positive = 1e-3
    """Peak learning rate of encoder and projector; the adapter's is `train.lr`."""
    freeze: bool = False
    """Train projector and head only; ``chronos`` always is."""
    vary: VaryConfig | None = VaryConfig()
    """Vary every sequence afresh each time it is seen, beside `train.augment`; null does not."""

    @property
    def channels(self) -> int:
        """Rows of the view."""
        return n_channels(self.view, self.gyroscope)

    @property
    def length(self) -> int:
        """Positions of the prompt that a signal takes, every start and end included."""
        return len(groups(self.view, self.groups, self.channels)) * (self.tokens + 2)

    @property
    def learns(self) -> bool:
        """Whether the encoder is trained, and not only what reads its features."""
        return not self.freeze and self.encoder != "chronos"


class LossConfig(Config):
    """The loss."""

    kind: Literal["triplet", "contrastive", "multi-similarity"] = "contrastive"
    """``contrastive``: supervised (Khosla et al. 2020, arXiv 2004.11362); ``multi-similarity``:
    Wang et al. 2019 (arXiv 1904.06627)."""
    mining: Mining = "semi-hard"
    """Which triplets of a batch count (`models.losses.mine`); ``triplet`` only."""
    margin: Positive = 0.3
    """By how much a negative must be farther than a positive; the study does not state its own."""
    temperature: Positive = 0.1
    """Of ``contrastive``: smaller looks harder at near negatives."""


class FitConfig(Config):
    """How an encoder is trained."""

    epochs: PositiveInt = 12
    """Most passes; training stops earlier when the held-out people stop gaining."""
    triplets: PositiveInt = 10_000
    """Anchors of an epoch, each with positives and negatives mined from its batch."""
    per_class: PositiveInt = 4
    """Anchors, and references, of every class in a batch."""
    lr: Positive = 3e-3
    """Peak of the one-cycle schedule (AdamW)."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Pull of the weights towards zero."""
    loss: LossConfig = LossConfig()
    vary: VaryConfig | None = None
    """Vary every view afresh each time it is drawn, beside the recipe's varied copies. References
    are neither late nor early: who writes on a surface begins and ends at rest."""
    hold_out: NonNegativeInt = 1
    """Training people whose recordings only decide when to stop: those with the fewest. None are
    held out where that would leave nobody to learn from."""
    patience: PositiveInt = 4
    """Epochs without a gain before training stops."""
    device: Annotated[str, Field(pattern="^(auto|cpu|cuda)$")] = "auto"
    """``auto`` takes a GPU where there is one."""


class AlignConfig(Config):
    """Signals and their captions in one space (SensorLM, arXiv 2506.09108)."""

    loss: AlignLoss = "clip"
    """``clip`` and ``siglip`` tell pairs apart, ``cap`` writes captions, ``coca`` does both
    (`models.losses.FAMILY`). In small batches ``siglip`` begins late: what all pairs have in common
    has to be unlearnt first, which ``clip`` does not see."""
    text: Literal["both", "minilm", "words"] = "both"
    """What reads captions: ``minilm``, a frozen sentence encoder, knows words that no caption has,
    but no numbers; ``words`` learns those of the captions from nothing, and numbers by their value;
    ``both`` is one reader of the two."""
    hard: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of captions that stand in the batch a second time with their order changed, as texts of
    no signal."""
    width: Annotated[int, Field(ge=16, multiple_of=16)] = 128
    """Numbers that describe a patch, or a word."""
    layers: PositiveInt = 3
    """Of the sensor's transformer."""
    text_layers: PositiveInt = 2
    """Of the transformer that reads captions, and of the one that writes them."""
    size: PositiveInt = 256
    """Numbers of an embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of hidden values zeroed while training."""
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of training windows that lose a sensor or a stretch of time, so that a window in which
    values are missing is nothing new."""
    epochs: PositiveInt = 12
    lr: Positive = 1e-3
    """Peak of the one-cycle schedule (AdamW)."""
    batch_size: Annotated[int, Field(ge=2)] = 128
    """Windows a step, over all processes: each is told from all others."""
    people: PositiveInt | None = 16
    """People in a batch, with as many windows each, so that no caption is found by whose hand or
    hip it is; null draws from everybody."""


class TextLossConfig(Config):
    """What the text encoder of LanHAR (arXiv 2410.00003) learns, each with its weight; 0 is off."""

    align: Weight = 1.0
    """A window's words and those of its label find each other among others (InfoNCE)."""
    labels: Weight = 0.3
    """Ca1: labels of one category (`captions/interpret.yaml`) are nearer than those of another."""
    windows: Weight = 0.3
    """Ca2: the same for windows."""
    wordings: Weight = 0.3
    """Ca3: wordings of one label are nearer than those of another."""
    rebuild: Weight = 0.1
    """A decoder tells a sentence of a text from its vector."""


class LanharConfig(Config):
    """How windows are aligned with what they and their labels are said to be."""

    encoder: Literal["small", "paper"] = "small"
    """``small``: convolutions and a spectrum, 0.7 MB; ``paper``: three Transformer layers of width
    768, which take a hundred times as long."""
    epochs: PositiveInt = 14
    """Most passes of the sensor encoder over the source windows."""
    text_epochs: PositiveInt = 3
    """Most passes of the text encoder over their words."""
    hold_out: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """Share of the source people who decide when to stop, and when a window is like no source
    window; they are never learnt from."""
    losses: TextLossConfig = TextLossConfig()
    text: Weight = 0.1
    """Weight of a window's own words beside its label's, for the sensor encoder."""
    gain: Annotated[float, Field(ge=0, le=2)] = 0.8
    """Movement of each sensor is made up to exp(gain) times as strong or as weak in training."""
    pace: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """And up to exp(pace) times as quick or as slow."""
    confident: Annotated[float, Field(gt=0, le=1)] = 0.5
    """``lanhar-transductive``: the share of target windows, surest of each answer, that teach."""
    claim: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """New classes: the share of windows of held-out source people that each may claim wrongly."""
