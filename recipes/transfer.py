"""The recipe of activities across data sets: who learns from which sets and is tested on which."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from imuscribe.models.config import LanharConfig
from imuscribe.prompts.teacher.interpret import InterpretConfig
from imuscribe.recipes.explanations import TeacherConfig
from imuscribe.recipes.methods import method_of
from imuscribe.recipes.schema import Experiment, Names, as_names
from imuscribe.recipes.strict_yaml import parse_mapping
from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.config import Config
from imuscribe.signals.errors import nearest
from imuscribe.signals.labels import parse_labels
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.motion.views import View
from imuscribe.signals.windows import WindowConfig

TransferMethod = Literal[
    "extra-trees",
    "relative-trees",
    "random-forest",
    "svm",
    "dtw-1nn",
    "minirocket",
    "cnn",
    "resnet",
    "text-zero-shot",
    "text-linear",
    "hargpt",
    "hargpt-scored",
    "lanhar",
    "lanhar-names",
    "lanhar-transductive",
]
_LEAST = 1.0
"""Seconds: less than a step or two says nothing of an activity."""


class SetConfig(Config):
    """One data set; a file alone may stand for it."""

    data: str
    """A Parquet file of recordings, in `data_folder` unless it says where."""
    sessions: Names = ()
    """Use the recordings of these sessions alone; empty uses all."""
    placements: Names = ()
    """Use those worn at these body sites alone; empty uses all."""
    labels: dict[str, Names] = Field(default_factory=dict)
    """Shared class → the set's labels that are it; empty: as ``recipes/data/activities.yaml``, and
    letters and digits as themselves, small or capital."""

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, values: Any) -> Any:
        return {"data": values} if isinstance(values, str) else values

    def class_of(self, label: str, classes: tuple[str, ...]) -> str:
        """Return the one of some classes that a label of the set is, empty if none.

        Without classes every label is one, in words, or all that `labels` names are.
        """
        if self.labels:
            found = (name for name, labels in self.labels.items() if label in labels)
        elif not classes:
            return _plain(label)
        else:
            found = (name for name in classes if _plain(label) in spelt(name))
        return next((name for name in found if not classes or name in classes), "")


def _without_null(given: Any) -> Any:
    """Leave out sets that are null: so a packaged set is taken out on a command line."""
    if not isinstance(given, dict):
        return given
    return {name: one for name, one in given.items() if one is not None}


def _ranges(given: Any) -> Any:
    return parse_labels(given) if isinstance(given, str) else given


class TransferEvalConfig(Config):
    """What is compared on the people of the target set."""

    methods: Annotated[
        tuple[TransferMethod, ...], BeforeValidator(as_names), Field(min_length=1)
    ] = ("extra-trees", "minirocket", "cnn", "resnet")
    """In the order of the report; all learn from the same windows of the source sets.
    ``text-zero-shot`` learns from none: a frozen sentence encoder compares a window in words with
    labels in words; ``text-linear`` is a linear classifier on the same vectors; ``lanhar`` aligns a
    sensor encoder with windows and labels in words, ``lanhar-names`` with the labels' names alone,
    and ``lanhar-transductive`` goes on from ``lanhar`` on the target's windows, without labels."""
    signals: View = "upright"
    """What the networks and minirocket see of a window; ``extra-trees`` reads figures along gravity
    and across it anyway."""
    steps: Annotated[int, Field(ge=8)] = 80
    """Samples that every window is brought to for them."""
    encoder: Literal["minilm", "words"] = "minilm"
    """The sentence encoder of the text methods."""
    figures: bool = False
    """Whether it reads the numbers of an interpretation too."""
    whole: bool = False
    """Whether it reads a text at once, and not category by category."""
    writer: Literal["rules", "model"] = "rules"
    """Who puts windows into words: fixed rules, or `teacher`, with rules where it is wrong."""
    site: bool = False
    """Whether a text by rules says where the device is worn, in words of what is usual there."""
    divergence: NonNegativeInt = 0
    """Windows of a class and set from which it is told how far sets are apart in raw samples, in
    figures and in words; 0 skips it."""
    lanhar: LanharConfig = LanharConfig()
    """How ``lanhar`` and its kin learn."""
    texts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Label → how a sensor feels it, in several wordings, for ``lanhar``; in place of the packaged
    ones, or for a class that has none."""
    pools: dict[str, Annotated[Names, Field(min_length=2)]] = Field(default_factory=dict)
    """Methods whose log-probabilities are averaged, under a name; nothing is fitted. One that names
    a method which is not run is left out."""
    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Resamples of people behind each interval; 0 skips it."""

    def pool_mistakes(self) -> list[str]:
        """Return what is wrong with the pools, a line each."""
        methods = get_args(TransferMethod)
        mistakes = []
        for name, members in self.pools.items():
            if name in methods:
                mistakes.append(f"'evaluate.pools' names one {name}, which is a method: rename it")
            mistakes += [
                f"'evaluate.pools.{name}' names {member}: {nearest(member, methods)}"
                for member in members
                if member not in methods
            ]
            if len({method_of(member).transductive for member in members}) > 1:
                mistakes.append(
                    f"'evaluate.pools.{name}' mixes methods that have seen the target's windows "
                    "with others that have not: pool either"
                )
        return mistakes


class HargptConfig(Config):
    """How ``hargpt`` asks a language model about bare readings."""

    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    """Readings a second."""
    max_tokens: Annotated[int, Field(ge=8)] = 200
    """Longest answer."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 always takes the likeliest word."""
    memorised: NonNegativeInt = 0
    """Rows of each set that the model is asked to complete, to see whether it knows the set."""
    rows: PositiveInt = 8
    """Rows that stand before each."""


class TransferRecipe(Experiment):
    """Learn activities from some data sets, recognise them in another."""

    kind: Literal["transfer"] = "transfer"
    sets: Annotated[dict[str, SetConfig], BeforeValidator(_without_null)] = Field(
        default_factory=dict
    )
    """Name → data set; ``sets.NAME=null`` leaves one out."""
    data_folder: str = "."
    """Where the files of `sets` lie."""
    data: Names = ()
    """Further files, each a set named after it. Where there are some, they are what is tested, and
    `sets` only teach, unless `targets` says otherwise."""
    classes: Annotated[Names, BeforeValidator(_ranges), Field(min_length=2)] = (
        "walking",
        "upstairs",
        "downstairs",
        "still",
    )
    """Shared classes; ``A-Z`` are letters. Source and target need two of them in common; other
    labels are left out."""
    unseen: Names = ()
    """Classes that nobody teaches, to be recognised by their words alone among all classes. Targets
    that have none of them are left out."""
    protocol: Literal["pairs", "leave-one-set-out"] = "pairs"
    """``pairs``: every set teaches for every other; ``leave-one-set-out``: all others together."""
    targets: Names = ()
    """Sets that are tested; empty tests all, or those of `data`."""
    shared_people: Literal["split", "keep"] = "split"
    """People who are in source and target: ``split`` tests the target in two halves of its people,
    each by a method that has learnt from nobody in that half; ``keep`` learns from them as well,
    which is a transfer across devices and places of the body, not across people."""
    clean: CleanConfig = CleanConfig(rate=20, trim=False, drop_repeats=False)
    """One rate for all sets. Sitting still is an activity: nothing is trimmed."""
    frame: FrameConfig = Field(default=FrameConfig(), exclude_if=lambda one: one == FrameConfig())
    """The writing frame of `evaluate.signals` ``movement`` and ``writing``. With ``heading:
    session`` each set's mounts are found from its recordings, without their labels."""
    windows: WindowConfig = WindowConfig(seconds=4, stride=2)
    """One length for all sets."""
    max_per_label: PositiveInt | None = None
    """Learn from at most so many windows of a class and source set, evenly over people."""
    max_tested: PositiveInt | None = None
    """Test at most so many windows of a set, evenly over people, drawn without their labels."""
    teacher: TeacherConfig = TeacherConfig()
    """The language model that ``hargpt`` asks; it writes too if `evaluate.writer` is ``model``."""
    interpret: InterpretConfig = InterpretConfig()
    """How it is asked for interpretations."""
    hargpt: HargptConfig = HargptConfig()
    evaluate: TransferEvalConfig = TransferEvalConfig()

    def all_sets(self) -> dict[str, SetConfig]:
        """Return every set by name, with the path of its file."""
        folder = Path(self.data_folder)
        found = {
            name: one.model_copy(update={"data": str(folder / one.data)})
            for name, one in self.sets.items()
        }
        return found | {Path(path).stem: SetConfig(data=path) for path in self.data}

    @property
    def tested(self) -> tuple[str, ...]:
        """Names of the sets that are tested."""
        return self.targets or tuple(Path(path).stem for path in self.data) or tuple(self.sets)

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        own = [Path(path).stem for path in self.data]
        if twice := sorted({name for name in own if name in self.sets or own.count(name) > 1}):
            mistakes.append(
                f"'data' names a second set '{twice[0]}': leave it out, or set sets.{twice[0]}=null"
            )
        names = [*self.sets, *own]
        if len(names) < 2 or not self.sets:
            mistakes.append(
                f"'sets' holds {len(self.sets)}: one learns, another is tested: name "
                f"{'one' if own else 'two'}, such as sets.hapt=hapt.parquet"
            )
        mistakes += [
            f"'targets' names {name}: {nearest(name, names)}"
            for name in self.targets
            if name not in names
        ]
        if self.windows.seconds < _LEAST:
            mistakes.append(
                f"'windows.seconds' is {self.windows.seconds:g}: less than a second shows no step: "
                "set windows.seconds=4"
            )
        mistakes += self._teacher_mistakes()
        if both := next((name for name in self.unseen if name in self.classes), None):
            mistakes.append(
                f"'unseen' names {both}, which is among 'classes': what is taught is not unseen"
            )
        if isinstance(self.evaluate, TransferEvalConfig):  # kinds built on this one pool nothing
            mistakes += self.evaluate.pool_mistakes()
        named = {*spellings(), *filter(_is_character, self.classes + self.unseen)}
        named |= {*(name for one in self.sets.values() for name in one.labels)}
        mistakes += [
            f"'{what}' names {name}: {nearest(name, named)}"
            for what, names in (("classes", self.classes), ("unseen", self.unseen))
            for name in names
            if name not in named
        ]
        return mistakes

    def _teacher_mistakes(self) -> list[str]:
        """Return what is wrong with who is asked, before anything is loaded."""
        methods, writes = self.evaluate.methods, self.evaluate.writer == "model"
        served, mistakes = self.teacher.name.startswith(("http://", "https://")), []
        if served and "hargpt-scored" in methods:
            mistakes.append(
                "'evaluate.methods' names hargpt-scored: a server tells no probabilities: take "
                "hargpt, or a local model in teacher.name"
            )
        if served and not self.teacher.model and (writes or "hargpt" in methods):
            mistakes.append("'teacher.name' is a server: name the model to ask in teacher.model")
        if self.interpret.regenerate and not writes:
            mistakes.append(
                "'interpret.regenerate' is for a language model, rules write the same again: set "
                "evaluate.writer=model"
            )
        return mistakes


def spelt(name: str) -> frozenset[str]:
    """Return the spellings of a shared class, made plain; a letter or digit is itself."""
    return frozenset([_plain(name)]) if _is_character(name) else spellings().get(name, frozenset())


def _is_character(name: str) -> bool:
    return len(name) == 1 and name.isalnum()


@cache
def spellings() -> dict[str, frozenset[str]]:
    """Return every shared class with its spellings, made plain."""
    file = resources.files("imuscribe.recipes") / "data" / "activities.yaml"
    table = parse_mapping(file.read_text(encoding="utf-8"), "activities.yaml")
    return {name: frozenset(map(_plain, written)) for name, written in table.items()}


def shared_class(word: str) -> str:
    """Return the shared class that a word is a spelling of; empty if of none."""
    return next((name for name, spelt in spellings().items() if _plain(word) in spelt), "")


def _plain(label: str) -> str:
    return " ".join(re.split(r"[\s_-]+", label.strip().casefold()))
