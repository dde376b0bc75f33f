"""A trained adapter asked about cleaned recordings; what it answers is kept in the run's store."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.store import Store
from imuscribe.finetune.adapters import weights_hash
from imuscribe.finetune.reading import Reader
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording


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
                f"{self.recipe.labels}"
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
        texts = self._reader.texts(shown)
        key = [self.identity, list(self._labels), [rec.id for rec in asked], texts]
        return self._store.predictions(names, key, asked, partial(self._answers, asked, texts))

    def _answers(self, asked: Sequence[Recording], texts: Sequence[str]) -> Predictions:
        """Ask about every different text once."""
        from scipy.special import log_softmax

        place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        prompts = self._reader.prompts(list(place))
        read, seconds = timed(lambda: self._reader.score(prompts, self._progress), len(prompts))
        # Rounded, so that which prompts are scored together changes no figure.
        scores = read.astype(np.float64).round(5)
        rows = [place[text] for text in texts]
        columns = [self._reader.labels.index(label) for label in self._labels]
        log_probs = log_softmax(scores[rows][:, columns], axis=1)
        tokens = self._reader.tokens(prompts)[rows]
        return Predictions.of(asked, self._labels, log_probs, tokens, seconds)
