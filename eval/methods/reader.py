"""A trained adapter asked about cleaned recordings; what it answers is kept in the run's store."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.store import Store
from imuscribe.finetune.adapters import weights_hash
from imuscribe.finetune.reading import Reader
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array, Recording


class KeptReader:
    """Reads with an adapter that knows these labels; texts answered before are not asked again."""

    def __init__(
        self, adapter: str | Path, labels: Sequence[str], store: Store, progress: bool = True
    ) -> None:
        self._reader = Reader(adapter)
        self.recipe, known = self._reader.recipe, self._reader.labels
        if unknown := [label for label in labels if label not in known]:
            raise InputError(
                f"adapter '{adapter}': does not know label '{unknown[0]}': it reads "
                f"{', '.join(known)}"
            )
        self.identity = weights_hash(adapter)
        self._labels, self._store, self._progress = labels, store, progress

    def read(
        self, names: Sequence[str], asked: Sequence[Recording], shown: Sequence[Recording]
    ) -> Predictions:
        """Return answers about the recordings `asked`, read off those `shown` in their places.

        The latter are cleaned, and at the rate that the adapter has learnt from; `names`, a fold
        and what is shown, say where the answers are kept.
        """
        rate = self.recipe.clean.rate
        for rec in shown:
            if abs(rec.rate - rate) > 0.02 * rate:
                raise InputError(
                    f"recording '{rec.id}': is at {rec.rate:.1f} Hz, the adapter reads "
                    f"{rate:g} Hz: set clean.rate={rate:g}"
                )
        texts, signals = self._reader.texts(shown), self._reader.signals(shown)
        key: list[object] = [self.identity, list(self._labels), [rec.id for rec in asked], texts]
        seen = None if signals is None else [signal.tobytes() for signal in signals]
        if seen is not None:
            key.append(sha256(b"".join(seen)).hexdigest())
        unlike = list(zip(texts, seen or texts, strict=True))
        answers = partial(self._answers, asked, texts, signals, unlike)
        return self._store.predictions(names, key, asked, answers)

    def _answers(
        self,
        asked: Sequence[Recording],
        texts: Sequence[str],
        signals: Array | None,
        unlike: Sequence[Hashable],
    ) -> Predictions:
        """Ask about every different text, or text and signal, once."""
        from scipy.special import log_softmax

        first: dict[Hashable, int] = {}
        for i, what in enumerate(unlike):
            first.setdefault(what, i)
        once, place = list(first.values()), {what: row for row, what in enumerate(first)}
        prompts = self._reader.prompts([texts[i] for i in once])
        few = None if signals is None else signals[once]
        read, seconds = timed(
            lambda: self._reader.score(prompts, self._progress, few), len(prompts)
        )
        # Rounded, so that which prompts are scored together changes no figure.
        scores = read.astype(np.float64).round(5)
        rows = [place[what] for what in unlike]
        columns = [self._reader.labels.index(label) for label in self._labels]
        log_probs = log_softmax(scores[rows][:, columns], axis=1)
        tokens = self._reader.tokens(prompts)[rows]
        return Predictions.of(asked, self._labels, log_probs, tokens, seconds)
