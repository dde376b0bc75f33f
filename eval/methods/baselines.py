"""Baselines: classical classifiers on the same split, from the same cleaned recordings.

Each reads one view of a recording: ``sequences`` (channels × steps), ``table`` (those and summary
figures), ``texts`` (the very text the language model reads), ``decoded`` (that text read back to
numbers, so that a classifier sees what the text still says), ``gravity`` (figures along gravity
and across it, for activities), or ``relative`` (few of them, most of them ratios, which
mean the same on a chest and in a pocket).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from imuscribe.models.calibrate import fit_temperature, log_posterior
from imuscribe.models.estimators import NearestByWarping, ResidualCNN, SmallCNN
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.motion.gravity import features
from imuscribe.signals.motion.statistics import relative
from imuscribe.signals.motion.views import View as Signals
from imuscribe.signals.motion.views import sequence
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from imuscribe.prompts.serialize import Serializer

View = Literal["sequences", "movement", "table", "texts", "decoded", "gravity", "relative"]


@dataclass(eq=False)
class Views:
    """What the baselines see of a recording, computed once for each.

    `signals` are a view of `signals.motion.views`, brought to `steps` samples, or made by a
    function.
    """

    serializer: Serializer
    signals: Signals | Callable[[Recording], Array] = "writing"
    steps: int = 64
    frame: FrameConfig = field(default_factory=FrameConfig)

    def __post_init__(self) -> None:
        # Forgotten with the recording, so that varied copies do not pile up.
        self._known: WeakKeyDictionary[Recording, Array] = WeakKeyDictionary()
        self._texts: WeakKeyDictionary[Recording, str] = WeakKeyDictionary()
        self._figures: WeakKeyDictionary[Recording, Array] = WeakKeyDictionary()
        self._ratios: WeakKeyDictionary[Recording, Array] = WeakKeyDictionary()

    def sequences(self, recordings: Sequence[Recording]) -> Array:
        """Return equally long sequences, shape (n, n_channels, steps).

        Except in ``physical`` every quantity is divided by its root mean square over the
        recording: size and speed of writing are personal, direction is not. Without gyroscopes
        there is no rotation rate; it is an InputError if only some have one.
        """
        for rec in recordings:
            if rec not in self._known:
                self._known[rec] = self._sequence(rec)
        rows = [self._known[rec] for rec in recordings]
        if len({len(row) for row in rows}) > 1:
            bare = next(rec for rec in recordings if rec.gyro is None)
            raise InputError(
                f"recording '{bare.id}': has no gyroscope, others have: clean.gyroscope=false "
                "reads all of them by their accelerometers alone",
                "no gyroscope",
            )
        return np.stack(rows)

    def movement(self, recordings: Sequence[Recording]) -> Array:
        """Return `sequences`, in the writing frame without the rotation rate."""
        if self.signals != "writing":
            return self.sequences(recordings)
        return np.stack([sequence(rec, "movement", self.steps, self.frame) for rec in recordings])

    def table(self, recordings: Sequence[Recording]) -> Array:
        """Return one row a recording: its sequence, per-channel summaries, and log duration."""
        x = self.sequences(recordings)
        duration = np.log([[rec.duration] for rec in recordings])
        summaries = [
            x.mean(-1),
            x.std(-1),
            x.min(-1),
            x.max(-1),
            x.argmin(-1) / self.steps,
            x.argmax(-1) / self.steps,
            np.abs(np.diff(x)).mean(-1),
        ]
        return np.hstack([x.reshape(len(x), -1), *summaries, duration]).astype(np.float32)

    def texts(self, recordings: Sequence[Recording]) -> NDArray[np.object_]:
        """Return the serialised recordings, as the language model reads them."""
        new = [rec for rec in recordings if rec not in self._texts]
        written = self.serializer.encode([self.serializer.features(rec) for rec in new])
        self._texts.update(zip(new, written, strict=True))
        return np.array([self._texts[rec] for rec in recordings], dtype=object)

    def decoded(self, recordings: Sequence[Recording]) -> Array:
        """Return what the texts say as numbers, one row a recording.

        Every array of a text is brought to `steps` means over equal times and divided by its root
        mean square.
        """
        rows = []
        for text in self.texts(recordings):
            read = [_equal_means(array, self.steps) for array in self.serializer.decode(text)]
            rows.append(
                np.concatenate([(x / (np.sqrt(np.mean(x**2)) + 1e-9)).ravel() for x in read])
            )
        return np.stack(rows).astype(np.float32)

    def gravity(self, recordings: Sequence[Recording]) -> Array:
        """Return figures along gravity and across it in physical units, one row a recording."""
        for rec in recordings:
            if rec not in self._figures:
                self._figures[rec] = features(rec)
        return np.stack([self._figures[rec] for rec in recordings])

    def relative(self, recordings: Sequence[Recording]) -> Array:
        """Return `signals.motion.statistics.RELATIVE` figures, one row a recording."""
        for rec in recordings:
            if rec not in self._ratios:
                self._ratios[rec] = relative(rec)
        return np.stack([self._ratios[rec] for rec in recordings])

    def _sequence(self, rec: Recording) -> Array:
        if callable(self.signals):
            return self.signals(rec)
        return sequence(rec, self.signals, self.steps, self.frame)


class Baseline:
    """A classifier that answers with log-probabilities over a fixed label set.

    Margins and distances become probabilities through a softmax with one temperature, fitted on
    training people that the classifier was not fitted on (two halves, each predicting the other).
    `name` is a key of `BASELINES`; `views` may be shared, so that every recording is prepared once.
    """

    def __init__(self, name: str, views: Views, labels: Sequence[str], seed: int = 0) -> None:
        view, self._build = BASELINES[name]
        self.represent: Callable[[Sequence[Recording]], Any] = getattr(views, view)
        self.labels = tuple(labels)
        self.seed = seed
        self.temperature = 1.0

    def fit(self, recordings: Sequence[Recording], copies: Sequence[Recording] = ()) -> Self:
        """Learn from training recordings and, if given, varied copies of them.

        Sets `fit_seconds`, and `temperature` where the classifier has no probabilities.
        """
        begin = time.perf_counter()
        self._model = self._build(self.seed)
        x = self.represent([*recordings, *copies])
        y = np.array([self.labels.index(rec.label) for rec in [*recordings, *copies]])
        if not hasattr(self._model, "predict_proba"):
            n = len(recordings)
            subjects = np.array([rec.subject for rec in recordings])
            self.temperature = self._fit_temperature(x[:n], y[:n], subjects)
        self._model.fit(x, y)
        self.fit_seconds = time.perf_counter() - begin
        return self

    def log_proba(self, recordings: Sequence[Recording]) -> NDArray[np.float64]:
        """Return log-probabilities, shape (n, n_labels); every row sums to one, none is −inf."""
        x = self.represent(recordings)
        return log_posterior(self._scores(self._model, x), self.temperature)

    def _scores(self, model: Any, x: Any) -> NDArray[np.float64]:
        """Return scores for all labels; those the model never saw get the row's lowest."""
        if hasattr(model, "predict_proba"):
            # A forest is often sure: 1 % is shared by all labels so that the logarithm exists.
            known = np.log(0.99 * model.predict_proba(x) + 0.01 / len(self.labels))
        else:
            known = model.decision_function(x)
            if known.ndim == 1:  # scikit-learn's short form for two classes
                known = np.stack([-known, known], axis=1)
        scores = np.repeat(known.min(axis=1, keepdims=True), len(self.labels), axis=1)
        scores[:, model.classes_] = known
        return np.asarray(scores, dtype=np.float64)

    def _fit_temperature(self, x: Any, y: NDArray[Any], subjects: NDArray[Any]) -> float:
        from sklearn.model_selection import GroupKFold, KFold

        # One training person leaves no other choice than to divide that person's recordings.
        if len(set(subjects)) == 1:
            halves = KFold(2, shuffle=True, random_state=self.seed).split(x, y)
        else:
            halves = GroupKFold(2).split(x, y, subjects)
        scores = np.zeros((len(y), len(self.labels)))
        for fitted, held_out in halves:
            if len(set(y[fitted])) < 2:
                return 1.0  # too few recordings to hold any out
            model = self._build(self.seed).fit(x[fitted], y[fitted])
            scores[held_out] = self._scores(model, x[held_out])
        return fit_temperature(scores, y.tolist(), (-6, 6))


def _random_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=300, n_jobs=-1, random_state=seed)


def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=500, n_jobs=-1, random_state=seed)


def _balanced_trees(seed: int) -> Any:
    # How often an activity occurs is a habit of the data set.
    return _extra_trees(seed).set_params(class_weight="balanced")


def _svm(seed: int) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=10, random_state=seed))


def _minirocket(seed: int) -> Any:
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        MiniRocket(random_state=seed),
        StandardScaler(),
        RidgeClassifierCV(alphas=np.logspace(-1, 5, 7)),
    )


def _text_ngram(seed: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(
        ngram_range=(1, 4), token_pattern=r"\S+", lowercase=False, sublinear_tf=True
    )
    return make_pipeline(words, LinearSVC(random_state=seed))


BASELINES: dict[str, tuple[View, Callable[[int], Any]]] = {
    "random-forest": ("table", _random_forest),
    "svm": ("table", _svm),
    "extra-trees": ("gravity", _extra_trees),
    "relative-trees": ("relative", _balanced_trees),
    "dtw-1nn": ("sequences", lambda seed: NearestByWarping(seed=seed)),
    "minirocket": ("sequences", _minirocket),
    "cnn": ("sequences", lambda seed: SmallCNN(seed=seed)),
    "resnet": ("movement", lambda seed: ResidualCNN(seed=seed)),
    "text-ngram": ("texts", _text_ngram),
    "text-svm": ("decoded", _svm),
}
"""Name → the view it reads and how it is built from a seed. The n-grams are of words between
spaces: right for `strokes`, but `digits` has one word a channel, which only `text-svm` can read."""


def _equal_means(values: Array, steps: int) -> NDArray[np.float64]:
    """Average over `steps` equal times a signal that is constant within each of its own steps."""
    n = values.shape[1]
    area = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    edges = np.linspace(0, n, steps + 1)
    until = np.stack([np.interp(edges, np.arange(n + 1), row) for row in area])
    return np.asarray(np.diff(until, axis=1) * (steps / n))
