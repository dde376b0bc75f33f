"""What models of signals and captions answer about people they have not learnt from."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.align import space
from imuscribe.align.search import PROMPTS, Model, label_vectors
from imuscribe.align.sensorlm import train
from imuscribe.align.space import Shape, prepared
from imuscribe.eval.methods.baselines import Baseline, Views
from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.report.page import Columns, Page, Table, counts, interval, only, optional
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Values
from imuscribe.models.calibrate import log_posterior
from imuscribe.prompts.captions.hierarchy import captions, hard_negative
from imuscribe.prompts.captions.hierarchy.stated import check_stated
from imuscribe.prompts.serialize import TextConfig, build_serializer
from imuscribe.recipes.retrieval import RetrievalRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from imuscribe.models.sensorlm.network import SensorLM

Floats = NDArray[np.float64]
WITHIN = (1, 5, 10)
_TEMPERATURE = 0.1
"""Of a writer's surprise, nats a token; a constant, for nothing may be fitted here."""


class Answerer:
    """Answers about the windows of test people; a model is trained, and loaded, when it is asked.

    Parameters
    ----------
    recipe : RetrievalRecipe
    folder : callable
        Where the model of a fold and a variant lies.
    """

    def __init__(
        self, recipe: RetrievalRecipe, folder: Callable[[str, str], Path], progress: bool = True
    ) -> None:
        self.recipe, self.folder, self.progress = recipe, folder, progress
        self.shape = Shape(recipe.windows.seconds, recipe.clean.rate)
        self.views = Views(build_serializer(TextConfig()))  # nobody reads text here
        self._open: tuple[str, Model] | None = None
        self._known: dict[str, dict[str, Array]] = {}

    # Models ---------------------------------------------------------------------------------------

    def train(self, fold: Fold, variant: str, key: str) -> Values:
        """Train the model of a fold, unless it is there, and say what it has learnt from."""
        loss, share = self.recipe.variants[variant]
        out = self.folder(fold.name, variant)
        if not _is(out, key):
            people = sorted({rec.subject for rec in fold.train})
            order = np.random.default_rng(self.recipe.seed).permutation(people)
            chosen = set(order[: max(2, round(share * len(people)))].tolist())
            train(
                [rec for rec in fold.train if rec.subject in chosen],
                self.shape,
                self.recipe.align.model_copy(update={"loss": loss}),
                self.recipe.captions,
                self.recipe.seed,
                out,
                {"key": key},
                self.progress,
            )
        said = space.about(out)
        return {"people": len(said["subjects"]), "windows": said["windows"]} | {
            "loss": said["loss_by_epoch"],
            "weights": sum(weight.numel() for weight in self.opened(fold, variant).parameters()),
        }

    def opened(self, fold: Fold, variant: str) -> SensorLM:
        """Return the network of a fold and a variant; the last one asked for stays loaded."""
        return self._model(fold, variant).network

    def _model(self, fold: Fold, variant: str) -> Model:
        name = f"{fold.name}/{variant}"
        if self._open is None or self._open[0] != name:
            self._open = name, Model(self.folder(fold.name, variant))
        return self._open[1]

    def vectors(self, fold: Fold, variant: str, windows: Sequence[Recording]) -> Array:
        """Return embeddings of windows, each made once by a model."""
        known = self._known.setdefault(f"{fold.name}/{variant}", {})
        if new := [rec for rec in windows if rec.id not in known]:
            given = prepared(new, self.shape)
            found = self.opened(fold, variant).embed(given.x, given.seen)
            known.update(zip((rec.id for rec in given.windows), found, strict=True))
        return np.stack([known[rec.id] for rec in windows])

    # Labels ---------------------------------------------------------------------------------------

    def zero_shot(
        self, fold: Fold, variant: str, test: Sequence[Recording], classes: Sequence[str]
    ) -> Predictions:
        """Answer by the words of the labels alone."""
        network = self.opened(fold, variant)

        def answers() -> Floats:
            if network.reader is None:
                given = prepared(test, self.shape)
                texts = [PROMPTS[1].format(label=label) for label in classes]
                said = network.surprise(given.x, given.seen, texts)
                return log_posterior(-said.astype(np.float64), _TEMPERATURE)
            seen = self.vectors(fold, variant, test)
            alike = seen @ label_vectors(self._model(fold, variant), classes).T
            return log_posterior(alike.astype(np.float64), 1 / float(network.scale.detach().exp()))

        found, seconds = timed(answers, len(test))
        return Predictions.of(test, classes, found, seconds=seconds)

    def probe(
        self,
        fold: Fold,
        variant: str,
        test: Sequence[Recording],
        classes: Sequence[str],
        shots: int,
    ) -> Predictions:
        """Answer by a linear classifier on embeddings, learnt from so many windows a class."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        shown = few(fold.train, classes, shots, self.recipe.seed)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        model.fit(self.vectors(fold, variant, shown), [rec.label for rec in shown])
        x = self.vectors(fold, variant, test)
        known, seconds = timed(lambda: model.predict_log_proba(x), len(test))
        scores = np.full((len(test), len(classes)), np.log(1e-6))
        scores[:, [list(classes).index(name) for name in model.classes_]] = known
        return Predictions.of(test, classes, log_posterior(scores, 1.0), seconds=seconds)

    def trees(
        self,
        fold: Fold,
        test: Sequence[Recording],
        classes: Sequence[str],
        shots: int | None = None,
    ) -> Predictions:
        """Answer by ExtraTrees, which learn from the same windows, or from all."""
        shown = [rec for rec in fold.train if rec.label in classes]
        if shots is not None:
            shown = few(fold.train, classes, shots, self.recipe.seed)
        model = Baseline("extra-trees", self.views, classes, self.recipe.seed).fit(shown)
        model.represent(test)
        found, seconds = timed(lambda: model.log_proba(test), len(test))
        return Predictions.of(test, classes, found, seconds=seconds, fit_seconds=model.fit_seconds)

    # Captions -------------------------------------------------------------------------------------

    def find(self, fold: Fold, variant: str) -> Values:
        """Return at which rank each window of a gallery is found by its caption, and the other way.

        Every window is of another recording. Captions tell all levels, with numbers and in words
        alone; `order` says which windows are nearer to their caption than to one whose events have
        changed places.
        """
        windows = gallery(fold.test, self.recipe.evaluate.gallery, self.recipe.seed)
        model, seen = self._model(fold, variant), self.vectors(fold, variant, windows)
        ranks: dict[str, list[float]] = {}
        order: list[bool | None] = []
        for numbers in (True, False):
            change = {"numbers": numbers, "seed": self.recipe.seed}
            told = captions(windows, self.recipe.captions.model_copy(update=change))
            alike = seen @ model.texts([one.text for one in told]).T
            how = "numbers" if numbers else "words"
            ranks[f"{how}, text to window"] = ranked(alike.T)
            ranks[f"{how}, window to text"] = ranked(alike)
            if numbers:
                rng = np.random.default_rng(self.recipe.seed)
                turned = [hard_negative(one, rng) for one in told]
                against = [one.text if one else "none" for one in turned]
                wrong = (seen * model.texts(against)).sum(axis=1)
                order = [
                    bool(alike[i, i] > wrong[i]) if turned[i] else None for i in range(len(windows))
                ]
        return {"people": [rec.subject for rec in windows], "ranks": ranks, "order": order}

    def describe(self, fold: Fold, variant: str) -> Values:
        """Return captions that a model writes of windows, beside those that are computed."""
        from rouge_score.rouge_scorer import RougeScorer

        windows = gallery(fold.test, self.recipe.evaluate.written, self.recipe.seed)
        given = prepared(windows, self.shape)
        written = self.opened(fold, variant).write(given.x, given.seen)
        config = self.recipe.captions.model_copy(update={"seed": self.recipe.seed})
        told = captions(given.windows, config)
        scorer = RougeScorer(["rougeL"])
        rouge = [
            scorer.score(one.text, text)["rougeL"].fmeasure
            for one, text in zip(told, written, strict=True)
        ]
        checked = [
            check_stated(text, one.found.figures) for one, text in zip(told, written, strict=True)
        ]
        return {
            "figures": [list(one) for one in checked],
            "people": [rec.subject for rec in given.windows],
            "ids": [rec.id for rec in given.windows],
            "written": written,
            "rouge": rouge,
        }


def few(
    windows: Sequence[Recording], classes: Sequence[str], shots: int, seed: int
) -> list[Recording]:
    """Draw so many windows of every class, of as many people as there are."""
    rng = np.random.default_rng([seed, shots, *map(zlib.crc32, map(str.encode, classes))])
    found: list[Recording] = []
    for label in classes:
        mine = [windows[i] for i in rng.permutation(len(windows)) if windows[i].label == label]
        count: dict[str, int] = {}
        turn = []
        for rec in mine:
            count[rec.subject] = count.get(rec.subject, 0) + 1
            turn.append(count[rec.subject])
        found += [mine[i] for i in np.argsort(turn, kind="stable")[:shots]]
    if len({rec.label for rec in found}) < 2:
        raise InputError(
            f"classes {', '.join(classes)}: fewer than two are learnt from: name others"
        )
    return found


def gallery(windows: Sequence[Recording], most: int, seed: int) -> list[Recording]:
    """Draw windows, each of another recording, so that none competes with its own neighbour."""
    kept: dict[str, Recording] = {}
    for i in np.random.default_rng(seed).permutation(len(windows)):
        kept.setdefault(recording_of(windows[i].id), windows[i])
    return list(kept.values())[:most]


@cache
def recording_of(name: str) -> str:
    """Return the recording that a window is of."""
    whole, at, _ = name.rpartition("@")
    return whole if at else name


def ranked(alike: NDArray[Any]) -> list[float]:
    """Return the rank of each row's own column, from 1; half of those that tie come before it."""
    own = np.diagonal(alike)[:, None]
    # Two texts alike differ in the last digits where their batches do.
    above = (alike > own + 1e-6).sum(axis=1)
    ties = (np.abs(alike - own) <= 1e-6).sum(axis=1) - 1
    found: list[float] = (1 + above + ties / 2).tolist()
    return found


def _is(folder: Path, key: str) -> bool:
    """Whether a folder holds the model that a key describes."""
    try:
        return bool(space.about(folder).get("key") == key) and bool(space.key_of(folder))
    except InputError:
        return False


# Page ---------------------------------------------------------------------------------------------


def retrieval_page(values: Values, facts: Values) -> Page:
    """Return a table of labels for each set, of captions, and of what was learnt from."""
    labels = [_labels_table(name, values) for name in values["labels"]]
    rows = [
        (variant, what, one)
        for variant, found in values["found"].items()
        for what, one in found["ranks"].items()
    ]
    columns: Columns = {"model": lambda r: r[0], "from": lambda r: r[1]}

    def within(k: int) -> Columns:
        return {f"R@{k}": lambda r: interval(r[2][f"R@{k}"])}

    for k in WITHIN:
        columns |= within(k)
    columns |= {"median rank": lambda r: f"{r[2]['median']:g}", "n": lambda r: f"{r[2]['n']:,}"}
    size = max((one["gallery"] for one in values["found"].values()), default=0)
    found = Table.of(
        rows,
        columns,
        "Windows by captions, captions by windows",
        f"Among at most {size:,} windows of the test people of a fold, each of another "
        "recording; half of what ties comes first. Captions tell the label too. Averaged over "
        "people, 95 % bootstrap interval over them.",
    )
    order = [
        f"{variant}: nearer to its caption than to one whose events changed places, "
        f"{interval(one['order'])} (chance 0.5)"
        for variant, one in values["found"].items()
        if one["order"] is not None
    ]
    written = Table.of(
        values["written"].items(),
        {
            "model": lambda one: one[0],
            "ROUGE-L": lambda one: interval(one[1]["rouge"]),
            "false figures": lambda one: interval(one[1]["false"]),
            "off by a tenth": lambda one: interval(one[1]["far"]),
            "figures": lambda one: f"{one[1]['figures']:,}",
            "n": lambda one: f"{one[1]['n']:,}",
            "for example": lambda one: one[1]["examples"][0],
        },
        "Captions that models write",
        "Beside the computed caption of the same window. Figures: mean, deviation, least and "
        "greatest of a channel; false: off by more than its last digit's half.",
    )
    people = {name for fold in values["folds"] for name in fold["test_people"]}
    return Page(
        values["name"],
        f"Windows of {values['windows']} and captions in one space, {values['protocol']}: "
        f"{counts(len(people), 'person', 'people')} tested, none of whom was learnt from. Seed "
        f"{values['seed']}, {facts['date']}.",
        only(
            *labels, found if rows else None, written if values["written"] else None, _folds(values)
        ),
        [*labels, *([found] if rows else [])],
        order,
    )


def _labels_table(name: str, values: Values) -> Table:
    methods = values["labels"][name]
    n = len(values["classes"][name])
    return Table.of(
        methods.items(),
        {
            "method": lambda one: one[0],
            "macro AUROC [95 %]": lambda one: interval(one[1]["auroc"]),
            "macro F1 [95 %]": lambda one: interval(one[1]["f1"]),
            "accuracy [95 %]": lambda one: interval(one[1]["accuracy"]),
            "n": lambda one: f"{one[1]['n']:,}",
            "ms a window": lambda one: optional(1000 * one[1]["seconds"], ".2f"),
        },
        f"{name}: {n} activities",
        f"{', '.join(values['classes'][name])}. zero-shot: by the labels' words; probe k, "
        "extra-trees k: from k labelled windows a class, the same. Intervals over people; chance "
        f"{1 / n:.3f}.",
    )


def _folds(values: Values) -> Table:
    rows = []
    for variant, each in values["trained"].items():
        for fold, one in zip(values["folds"], each, strict=True):
            learnt = f"{one['windows']:,} by {one['people']:,} people"
            tested = f"{fold['n_test']:,} by {len(fold['test_people']):,} people"
            losses = f"{one['loss'][0]:.2f} to {one['loss'][-1]:.2f}"
            rows.append([variant, fold["name"], learnt, tested, losses, f"{one['weights']:,}"])
    return Table(("model", "fold", "learnt from", "tested", "loss", "weights"), rows, "Training")
