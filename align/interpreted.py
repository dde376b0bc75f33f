"""Windows in words against labels in words, both read by a frozen sentence encoder.

``text-zero-shot`` has learnt from no window at all; ``text-linear`` is a linear classifier on the
same vectors, learnt from the source sets: what is between them is what the words do not say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.models.calibrate import log_posterior
from imuscribe.models.text import Encoder, load_encoder
from imuscribe.prompts.captions.interpret import (
    CATEGORIES,
    label_texts,
    parts_of,
    without_figures,
)
from imuscribe.signals.recording import Recording

Floats = NDArray[np.float64]

_TEMPERATURE = 0.05
"""Cosines of sentences lie close together; a constant, for nothing may be fitted here."""


class Interpreted:
    """Windows as vectors of their interpretations, each made once.

    Parameters
    ----------
    encoder : str
        One of `models.text.ENCODERS`.
    write : callable
        Returns the interpretation of each window.
    figures : bool
        Whether numbers are read, which a sentence encoder hardly does.
    whole : bool
        Read a text at once; else category by category, which keeps apart what seven sentences say.
    """

    def __init__(
        self,
        encoder: str,
        write: Callable[[Sequence[Recording]], Sequence[str]],
        figures: bool = False,
        whole: bool = False,
    ) -> None:
        self.encoder, self.write, self.figures, self.whole = encoder, write, figures, whole
        self._loaded: Encoder | None = None
        self._texts: dict[str, str] = {}
        self._vectors: dict[str, Floats] = {}

    def texts(self, windows: Sequence[Recording]) -> list[str]:
        """Return the interpretation of each window, without figures if they are not read."""
        new = [rec for rec in windows if rec.id not in self._texts]
        for rec, text in zip(new, self.write(new) if new else (), strict=True):
            self._texts[rec.id] = text if self.figures else without_figures(text)
        return [self._texts[rec.id] for rec in windows]

    def vectors(self, windows: Sequence[Recording]) -> Floats:
        """Return one row a window, of length one: of the text, or the mean of its categories."""
        texts = self.texts(windows)
        rows = self.read(texts) if self.whole else self._by_category(texts).mean(axis=1)
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))

    def read(self, texts: Sequence[str]) -> Floats:
        """Return one row a text, of length one or nothing; the same words are read once."""
        if self._loaded is None:
            self._loaded = load_encoder(self.encoder)
        new = [text for text in dict.fromkeys(texts) if text and text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._loaded(new), strict=True))
        nothing = np.zeros_like(next(iter(self._vectors.values()), np.zeros(1)))
        return np.stack([self._vectors.get(text, nothing) for text in texts])

    def zero_shot(self, windows: Sequence[Recording], labels: Sequence[str]) -> Floats:
        """Return log-probabilities from the cosine with what each label looks like.

        A label counts by the centre of its wordings, so their order and number mean nothing. By
        category, the mean is taken over those that every label says something of.
        """
        wordings = label_texts(labels)
        parted = {
            label: [parts for text in wordings[label] if (parts := parts_of(text))]
            for label in labels
        }
        shared = [c for c in CATEGORIES if all(any(c in p for p in parted[a]) for a in labels)]
        if self.whole or not shared:
            rows = self.read(self.texts(windows))
            return log_posterior(rows @ self._centres(list(wordings.values())).T, _TEMPERATURE)
        rows, cosines = self._by_category(self.texts(windows)), []
        for category in shared:
            said = [[p[category] for p in parted[a] if category in p] for a in labels]
            cosines.append(rows[:, CATEGORIES.index(category)] @ self._centres(said).T)
        return log_posterior(np.mean(cosines, axis=0), _TEMPERATURE)

    def linear(
        self, train: Sequence[Recording], windows: Sequence[Recording], labels: Sequence[str]
    ) -> Floats:
        """Return log-probabilities of a linear classifier learnt from labelled windows."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=10, max_iter=2000, class_weight="balanced")
        model.fit(self.vectors(train), [rec.label for rec in train])
        known = model.predict_log_proba(self.vectors(windows))
        scores = np.full((len(windows), len(labels)), np.log(1e-6))
        scores[:, [labels.index(name) for name in model.classes_]] = known
        return log_posterior(scores, 1.0)

    def _centres(self, wordings: Sequence[Sequence[str]]) -> Floats:
        """Return the centre of each label's wordings, of length one."""
        centres = np.stack([self.read(texts).mean(axis=0) for texts in wordings])
        return np.asarray(centres / np.linalg.norm(centres, axis=1, keepdims=True))

    def _by_category(self, texts: Sequence[str]) -> Floats:
        """Return the vector of each category, (n, 7, size); zeros where nothing is said."""
        parts = [parts_of(text) for text in texts]
        said = [found.get(category, "") for found in parts for category in CATEGORIES]
        return self.read(said).reshape(len(texts), len(CATEGORIES), -1)
