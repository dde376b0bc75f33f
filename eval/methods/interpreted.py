"""Windows in words against labels in words, both read by a frozen sentence encoder.

``text-zero-shot`` has learnt from no window at all; ``text-linear`` is a linear classifier on the
same vectors, learnt from the source sets: what is between them is what the words do not say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imuscribe.models.calibrate import log_posterior
from imuscribe.models.text import Encoder, load_encoder
from imuscribe.prompts.captions.interpret import RuleInterpreter, label_texts
from imuscribe.signals.recording import Recording

Floats = NDArray[np.float64]

_TEMPERATURE = 0.05
"""Cosines of sentences lie close together; a constant, for nothing may be fitted here."""
_FIGURES = re.compile(r"[-+−]?\b\d+(?:\.\d+)?(?:\s?(?:m/s[²³]|rad/s|steps/min|Hz|rad|s|°))?(?!\w)")
_BRACKETS = re.compile(r"\s*\[(?:ACC|GYRO|SYNC)\]|\s*\([^)\w]*\)")


class Interpreted:
    """Windows as vectors of their interpretations, each made once.

    `encoder` is one of `models.text.ENCODERS`; without `figures` numbers are left out, which a
    sentence encoder hardly reads.
    """

    def __init__(self, encoder: str, figures: bool = False, seed: int = 0) -> None:
        self.encoder, self.figures, self.seed = encoder, figures, seed
        self._loaded: Encoder | None = None
        self._known: dict[str, Floats] = {}

    def vectors(self, windows: Sequence[Recording]) -> Floats:
        """Return one row a window, of length one."""
        new = [rec for rec in windows if rec.id not in self._known]
        if new:
            texts = [RuleInterpreter().interpret(rec).text for rec in new]
            rows = self._read(texts if self.figures else list(map(without_figures, texts)))
            self._known.update(zip((rec.id for rec in new), rows, strict=True))
        return np.stack([self._known[rec.id] for rec in windows])

    def zero_shot(self, windows: Sequence[Recording], labels: Sequence[str]) -> Floats:
        """Return log-probabilities from the cosine with what each label looks like.

        A label counts by the centre of its wordings, so their order and number mean nothing.
        """
        wordings = label_texts(labels)
        centres = np.stack([self._read(wordings[label]).mean(axis=0) for label in labels])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        return log_posterior(self.vectors(windows) @ centres.T, _TEMPERATURE)

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

    def _read(self, texts: Sequence[str]) -> Floats:
        if self._loaded is None:
            self._loaded = load_encoder(self.encoder)
        return self._loaded(texts)


def without_figures(text: str) -> str:
    """Return an interpretation in words alone."""
    return " ".join(_BRACKETS.sub("", _FIGURES.sub("", text)).split())
