"""LanHAR on a fold: learnt from the source alone, or further from the target without its labels.

What a fold's people teach is kept in the run's folder, and found again under the same key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imuscribe.eval.methods.baselines import Views
from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.splits import Fold
from imuscribe.models.text import load_encoder
from imuscribe.recipes.transfer import TransferRecipe
from imuscribe.signals.files import inside
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.align.lanhar.model import Aligned
    from imuscribe.align.lanhar.words import SentenceReader, Windows


MODELS = "lanhar"
"""Folder of a run with what its sets teach: one file each, named after the sets."""


class Lanhar:
    """Answers by ``lanhar``, ``lanhar-names`` and ``lanhar-transductive``.

    `views` sees windows ``upright``; `folder` is the run's.
    """

    def __init__(self, recipe: TransferRecipe, views: Views, folder: Path, progress: bool) -> None:
        self.recipe, self.views, self.folder, self.progress = recipe, views, folder, progress
        self._reader: SentenceReader | None = None

    def answer(self, method: str, fold: Fold, classes: Sequence[str]) -> Predictions:
        """Learn from the source, answer the windows of the target, which have no labels yet."""
        from imuscribe.align.lanhar.model import adapt
        from imuscribe.align.lanhar.words import LabelWords

        names_alone = method == "lanhar-names"
        model, seconds = timed(lambda: self._learnt(fold, names_alone), 1)
        target = self._seen(fold.test)
        labels = LabelWords.made(self.reader, classes, self.recipe.evaluate.texts, names_alone)
        if method == "lanhar-transductive":
            source, seed = self._seen(fold.train), self.recipe.seed
            _, more = timed(lambda: adapt(model, source, target, seed, labels, self.progress), 1)
            seconds += more
        found, each = timed(lambda: model.log_proba(target, labels), len(fold.test))
        return Predictions.of(fold.test, classes, found, seconds=each, fit_seconds=seconds)

    @property
    def reader(self) -> SentenceReader:
        """What reads sentences, each once."""
        from imuscribe.align.lanhar.words import SentenceReader

        if self._reader is None:
            self._reader = SentenceReader(load_encoder(self.recipe.evaluate.encoder))
        return self._reader

    def _seen(self, windows: Sequence[Recording]) -> Windows:
        from imuscribe.align.lanhar.words import Windows

        return Windows.of(windows, self.views.sequences(windows), self.reader)

    def _learnt(self, fold: Fold, names_alone: bool) -> Aligned:
        """Return what a fold's source teaches, learnt or found."""
        from imuscribe.align.lanhar.model import align, load, save

        evaluate, seed = self.recipe.evaluate, self.recipe.seed
        about = [(rec.id, rec.content, rec.label, rec.subject) for rec in fold.train]
        settings = evaluate.model_dump(mode="json", include={"lanhar", "texts", "encoder", "steps"})
        made_of = [settings, seed, names_alone, about]
        key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
        # Not named after the fold: what a set teaches is the same whoever is tested.
        sets = "+".join(sorted({rec.id.partition(":")[0] for rec in fold.train}))
        path = inside(self.folder / MODELS, f"{sets}-{key[:8]}.safetensors")
        model = load(path, key)
        if model is None:
            source = self._seen(fold.train)
            model = align(source, evaluate.lanhar, seed, names_alone, evaluate.texts, self.progress)
            about_it = {
                "encoder": evaluate.encoder,
                "clean": self.recipe.clean.model_dump_json(),
                "windows": self.recipe.windows.model_dump_json(),
            }
            save(model, path, key, about_it)
        return model
