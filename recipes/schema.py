"""The sections of recipes, each defined once, and the recipe of the commonest kind.

A recipe is one experiment as a strict, immutable tree of settings: a key that does not exist or a
value out of range is reported with every other mistake, before any work starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from imuscribe.models.config import PATCH, SensorConfig
from imuscribe.prompts.ask.templates import PromptConfig
from imuscribe.prompts.captions.questions import QaConfig
from imuscribe.prompts.serialize import TextConfig
from imuscribe.recipes.methods import MethodName
from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import safe_name
from imuscribe.signals.labels import parse_labels, said
from imuscribe.signals.motion.augment import AugmentConfig
from imuscribe.signals.motion.views import View
from imuscribe.signals.simulate import SimulateConfig
from imuscribe.signals.windows import WindowConfig

_NEED_SENSOR = ("encoder", "encoder-own", "fine-tuned-tokens", "fine-tuned-text")


def as_names(given: Any) -> Any:
    """Accept ``p001,p002`` where a list of names is meant, as it is typed on a command line."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else given


FROM_DATA = "from-data"

NAME = r"^\w[\w. -]*$"
"""What a run may be called."""

Precision = Literal["auto", "bf16", "fp32"]

Names = Annotated[tuple[str, ...], BeforeValidator(as_names)]


class ModelConfig(Config):
    """The language model that learns."""

    base: str = "smollm2"
    """``smollm2`` (packaged), a local directory, or a hub id."""
    dtype: Precision = "auto"
    """Precision of weights and arithmetic. ``auto`` is bf16 where the processor computes it itself,
    else fp32: half the memory and time there, eight times the time where it must be emulated."""
    load_in_4bit: bool = False
    """Hold the frozen weights as 4-bit NF4 (QLoRA): a quarter of the memory, a little slower."""
    random: bool = False
    """Draw all weights anew, always the same ones, instead of loading them: what is lost then is
    what pretraining is worth."""


class LoraConfig(Config):
    """The low-rank adapter, ``W + (alpha / r) B A`` (Hu et al. 2021, arXiv 2106.09685)."""

    r: PositiveInt = 16
    """Rank: more is more to learn with, and more parameters."""
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 32.0
    """The update is scaled by alpha / r, or alpha / √r with `rslora`."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of adapter inputs zeroed while training."""
    targets: Literal["all-linear"] | Names = "all-linear"
    """Module names to adapt; ``all-linear`` is every linear layer except the output head."""
    rslora: bool = False
    """Rank-stabilised scaling (Kalajdzievski 2023, arXiv 2312.03732)."""
    dora: bool = False
    """Learn magnitude and direction apart (Liu et al. 2024, arXiv 2402.09353); slower."""
    frozen: bool = False
    """Leave the adapter as it begins, which is to change nothing: only what reads a sensor learns,
    and the language model stays as it is (SensorLLM)."""
    dtype: Precision = "auto"
    """Precision of the adapter. bf16 rounds small updates away, so ``auto`` is the model's
    precision for learning rates from 1e-4 and fp32 below."""


class TrainConfig(Config):
    """How the adapter is trained."""

    epochs: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Passes over the recordings."""
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """Peak learning rate."""
    batch_size: PositiveInt = 16
    """Rows a forward pass and process."""
    accumulate: PositiveInt = 1
    """Forward passes an update; rows an update = batch_size × accumulate × processes."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the updates over which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the adapter towards zero."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Longer gradients are scaled down to this norm."""
    max_length: PositiveInt = 1024
    """Most tokens of prompt and completion together; a longer row is an error, never cut."""
    loss: Literal["label", "explanation"] = "label"
    """Learn the bare label, or a computed explanation that ends in it (many more tokens)."""
    augment: AugmentConfig | None = None
    """Vary every recording afresh each epoch; null trains on the recordings as they are."""
    max_per_label: PositiveInt | None = None
    """Use at most so many recordings of each label; null uses all."""
    class_weights: bool = False
    """Weigh rows by how rare their label is among them, so that rare labels count as much."""
    max_rows: PositiveInt | None = None
    """Most prompts that the language model learns from, drawn over all epochs alike; the warm-up of
    a sensor encoder still sees every recording. Null uses all."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: far less memory, about a third more time."""
    checkpoint_every: PositiveInt = 50
    """Updates between checkpoints: fewer lose less when killed, and write more."""
    start_from: str | None = None
    """Adapter to go on training, a packaged name or a folder; null trains a fresh one. One that
    has learnt from a test person would know that hand: `imuscribe run` refuses it."""


class SplitConfig(Config):
    """Who trains and who is tested; nobody is ever on both sides."""

    protocol: Literal["leave-one-person-out", "groups", "given", "both-directions", "pairs"] = (
        "leave-one-person-out"
    )
    """``groups`` tests a group of people at a time, fewer folds than people; ``both-directions`` is
    the two-person study: each trains for the other. ``pairs`` repeats one direction of it: the
    first person trains for the second, the third for the fourth."""
    groups: Annotated[int, Field(ge=2)] = 3
    """Groups that the people are dealt into, by the seed (``groups`` only)."""
    train: Names = ()
    """Subjects that train (``given`` only)."""
    test: Names = ()
    """Subjects that are tested (``given`` only)."""
    folds: Names = ()
    """Test people (or groups: ``group-1``) whose fold is run; empty runs all."""
    copies: Literal["refuse", "drop"] = "refuse"
    """What happens to a training recording, or window, that measures the same as a test one: no
    run, or the training goes without it and the report says so."""
    max_test_per_label: PositiveInt | None = None
    """Test at most so many recordings of each label; null tests all."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key in ("train", "test", "folds"):
            names = getattr(self, key)
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"'{key}' names {', '.join(twice)} twice: name each once")
        if self.protocol == "given" and not (self.train and self.test):
            raise ValueError("protocol 'given' needs the subjects of both 'train' and 'test'")
        if self.protocol != "given" and (self.train or self.test):
            raise ValueError(
                f"protocol '{self.protocol}' finds its own people: drop 'train' and 'test', "
                "or set protocol 'given'"
            )
        if both := sorted(set(self.train) & set(self.test)):
            raise ValueError(
                f"subjects {', '.join(both)} are in both 'train' and 'test': keep each on one side"
            )
        return self


class EvalConfig(Config):
    """What is compared on the test people."""

    methods: Annotated[tuple[MethodName, ...], BeforeValidator(as_names), Field(min_length=1)] = (
        "zero-shot",
        "few-shot",
        "fine-tuned",
        "random-forest",
    )
    """Predictors and baselines, in the order of the report."""
    shots: PositiveInt = 4
    """Examples shown by the few-shot methods; each adds a recording's tokens to the prompt."""
    batch_size: PositiveInt = 32
    """Prompts a forward pass; more is faster until memory runs out."""
    generate_limit: PositiveInt | None = 100
    """Test recordings answered by free generation, which is slow; null answers all."""
    max_new_tokens: PositiveInt = 256
    """Tokens a generated answer may take."""
    baseline_signals: View = "writing"
    """What baselines see of a recording. Activities need ``physical``: how strong a movement is and
    where gravity points. ``resnet`` sees ``movement`` wherever this is ``writing``; ``extra-trees``
    reads figures along gravity anyway."""
    baseline_copies: NonNegativeInt = 0
    """Varied copies of each training recording that the baselines also learn from."""
    test_copies: NonNegativeInt = 0
    """Varied copies of each test recording that a fine-tuned model reads too; the probabilities are
    averaged (test-time augmentation). Each costs as much as the recording itself."""
    calibrate: NonNegativeInt = 0
    """Training recordings of each label on which a fine-tuned model is calibrated (a temperature
    and one bias a label); 0 leaves its probabilities as they are."""
    pools: dict[str, Annotated[Names, Field(min_length=2)]] = Field(default_factory=dict)
    """Methods whose log-probabilities are averaged, under a name: ``{pooled: [fine-tuned, svm]}``.
    Nothing is fitted; a pool without the language model beside it says what that adds. One that
    names a method which is not run is left out."""
    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Resamples of people behind each bootstrap interval; 0 skips it."""


class Experiment(Config):
    """What every experiment says: its kind, its name, its seed, where its folder goes."""

    kind: str
    """Which sections there are, and what `imuscribe run` does: see `recipes.load.KINDS`."""
    name: Annotated[str, Field(pattern=NAME)]
    """Names the run's folder: letters, digits, dots, dashes and spaces."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Every random draw follows from it."""
    out: str = "runs"
    """Folder that receives the run's folder."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.out) / safe_name(self.name)

    def _mistakes(self) -> list[str]:
        """Return what is wrong with settings that are each right alone; every kind adds its own."""
        return []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if mistakes := self._mistakes():
            raise ValueError("\n".join(mistakes))
        return self


class RecordingsExperiment(Experiment):
    """An experiment on recordings of known labels."""

    data: str = "simulated"
    """A Parquet file of recordings, or ``simulated``."""
    labels: str | tuple[str, ...] = "A-Z"
    """Label set: ranges and single characters (``A-Z0-9``), a comma list of words, a YAML list of
    labels that may hold commas, or ``from-data``: every label of the file, named when the recipe is
    run."""
    simulate: SimulateConfig = SimulateConfig()
    clean: CleanConfig = CleanConfig()

    @property
    def label_set(self) -> tuple[str, ...]:
        """The labels, one a class, in order."""
        if self.labels == FROM_DATA:
            raise InputError("labels 'from-data': are not read yet: use recipes.load.name_labels")
        return parse_labels(self.labels)

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if self.labels == FROM_DATA:
            if self.data == "simulated":
                mistakes.append(
                    "'labels' is 'from-data' but 'data' is 'simulated', which has no file to read "
                    "them from: name them, such as labels=A-Z"
                )
            return mistakes
        labels = self.label_set
        if len(labels) < 2:
            mistakes.append(
                f"'labels' is '{said(self.labels)}': need at least two classes, such as A-C or "
                "yes,no, or from-data"
            )
        if self.data == "simulated" and not set(labels) <= set(parse_labels(self.simulate.labels)):
            mistakes.append(
                f"'labels' is '{said(self.labels)}' but 'simulate.labels' is "
                f"'{self.simulate.labels}': "
                f"set simulate.labels={said(self.labels)}"
            )
        return mistakes


class Recipe(RecordingsExperiment):
    """Labels of recordings, read by language models and classifiers, from data to report."""

    kind: Literal["letters"] = "letters"
    sessions: Names = ()
    """Use the recordings of these sessions alone; empty uses all."""
    windows: WindowConfig | None = None
    """Cut long recordings, such as activities, into windows that are answered one by one; null
    takes each recording whole."""
    text: TextConfig = TextConfig()
    prompt: PromptConfig = PromptConfig()
    sensor: SensorConfig | None = None
    """Learned tokens of the signal in the prompt; null: the model reads text alone."""
    questions: QaConfig = QaConfig(kinds=("trend",))
    """What `imuscribe align train` teaches and `imuscribe align eval` asks."""
    model: ModelConfig = ModelConfig()
    lora: LoraConfig = LoraConfig()
    train: TrainConfig = TrainConfig()
    split: SplitConfig = SplitConfig()
    evaluate: EvalConfig = EvalConfig()

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if self.prompt.max_tokens > self.train.max_length:
            mistakes.append(
                f"'prompt.max_tokens' is {self.prompt.max_tokens}, more than 'train.max_length' "
                f"{self.train.max_length}: raise train.max_length to {self.prompt.max_tokens}"
            )
        if self.lora.dtype == "bf16" and self.train.lr < 1e-4:
            # bf16 keeps 8 bits: an update of 1e-5 to a weight of 0.01 is rounded to nothing.
            mistakes.append(
                f"'lora.dtype' is 'bf16' but 'train.lr' {self.train.lr:g} is below 1e-4, where "
                "bf16 rounds updates away: set lora.dtype=fp32"
            )
        if (self.train.loss == "explanation") != self.prompt.reasoning:
            mistakes.append(
                f"'train.loss' is '{self.train.loss}' but 'prompt.reasoning' is "
                f"{str(self.prompt.reasoning).lower()}: explanations need prompt.reasoning=true, "
                "bare labels false"
            )
        if self.model.random and self.model.load_in_4bit:
            mistakes.append("'model.random' and 'model.load_in_4bit' are both true: keep one")
        mistakes += self._sensor_mistakes()
        for name, members in self.evaluate.pools.items():
            if name in get_args(MethodName):
                mistakes.append(f"'evaluate.pools' names one {name}, which is a method: rename it")
            mistakes += [
                f"'evaluate.pools.{name}' names {member}: {nearest(member, get_args(MethodName))}"
                for member in members
                if member not in get_args(MethodName)
            ]
        if "adapter" in self.evaluate.methods and self.train.start_from is None:
            mistakes.append(
                "'evaluate.methods' names adapter but 'train.start_from' is null: name the adapter "
                "there, such as train.start_from=air-letters"
            )
        needing = {"fine-tuned-retrieval", "fine-tuned-own"} & set(self.evaluate.methods)
        if needing and self.prompt.retrieve is None:
            mistakes.append(
                f"'evaluate.methods' names {sorted(needing)[0]} but 'prompt.retrieve' is null: the "
                "adapter would never have seen such a line: set prompt.retrieve={}"
            )
        return mistakes

    def _sensor_mistakes(self) -> list[str]:
        """Return what a ``sensor`` section and the rest of the recipe cannot have together."""
        asked = set(self.evaluate.methods)
        if self.sensor is None:
            if self.lora.frozen:
                return ["'lora.frozen' is true but 'sensor' is null: nothing would learn"]
            needing = sorted(asked & set(_NEED_SENSOR))
            if needing:
                return [
                    f"'evaluate.methods' names {needing[0]} but 'sensor' is null: there are no "
                    "sensor tokens: set sensor={}"
                ]
            return []
        mistakes = []
        steps, whole = self.sensor.steps, max(1, round(self.sensor.steps / PATCH)) * PATCH
        if self.sensor.encoder == "patch" and steps != whole:
            mistakes.append(
                f"'sensor.steps' is {steps}, no whole number of patches of {PATCH}: set "
                f"sensor.steps={whole}"
            )
        if "fine-tuned-text" in asked and not self.sensor.text:
            mistakes.append(
                "'evaluate.methods' names fine-tuned-text but 'sensor.text' is false: the model "
                "would never have seen text: set sensor.text=true"
            )
        if self.prompt.shots or "fine-tuned-few-shot" in asked:
            mistakes.append(
                "'sensor' gives one signal a prompt its tokens, shots would need theirs: set "
                "prompt.shots=0 and leave out fine-tuned-few-shot"
            )
        return mistakes
