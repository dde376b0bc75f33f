"""A trained adapter asked about recordings, its answers kept; and the letters words are spelt from.

Letters with known truth are read off runs, or simulated and read now.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial, reduce
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.environment import data_facts
from imuscribe.eval.predictions import PREFIX, Predictions, timed
from imuscribe.eval.store import Store
from imuscribe.finetune.adapters import weights_hash
from imuscribe.finetune.reading import Reader
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import parsed_json
from imuscribe.signals.recording import Array, Recording
from imuscribe.words.channel import LetterPool
from imuscribe.words.letters import Float, log_softmax

if TYPE_CHECKING:
    import pandas as pd

    from imuscribe.recipes.words import AdaptRecipe, WordsRecipe

_FLOOR = -30.0


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


def load_pool(recipe: WordsRecipe | AdaptRecipe, store: Store, progress: bool = True) -> LetterPool:
    """Return the letters a word recipe names; what simulated ones were read as is kept."""
    if recipe.letters == ("simulated",):
        pool = _simulated(recipe, store, progress)
    else:
        folders = [Path(folder) for folder in recipe.letters]
        frames = [frame for folder in folders for frame in _predictions(folder)]
        pool = pool_of_frames(frames, recipe.method, " + ".join(map(str, folders)))
    if len(pool.people) < 2:
        raise InputError(
            f"letters of {', '.join(pool.people)} alone: the channel is learnt from other people: "
            "give runs with at least two"
        )
    return pool


def pool_of_frames(frames: Sequence[pd.DataFrame], methods: Sequence[str], name: str) -> LetterPool:
    """Return the letters of prediction tables, one row a recording and method."""
    import pandas as pd

    columns, *others = ([c for c in frame.columns if c.startswith(PREFIX)] for frame in frames)
    if any(other != columns for other in others):
        raise InputError(f"{name}: the runs have other labels: give runs of one experiment")
    table = pd.concat(frames)
    parts = []
    for method in methods:
        part = table[table["method"] == method].set_index("id")
        if part.empty:
            known = sorted(table["method"].unique())
            raise InputError(f"method '{method}': not in {name}: {nearest(method, known)}")
        if part.index.has_duplicates:
            raise InputError(
                f"{name}: recording {part.index[part.index.duplicated()][0]} is predicted twice by "
                f"{method}: give each fold once"
            )
        parts.append(part)
    common = reduce(pd.Index.intersection, [part.index for part in parts])
    readings = np.stack([_normalised(part.loc[common, columns].to_numpy()) for part in parts], 1)
    labels = tuple(c.removeprefix(PREFIX) for c in columns)
    first = parts[0].loc[common]
    return LetterPool(
        labels,
        common.to_numpy(dtype=np.str_),
        first["subject"].to_numpy(dtype=np.str_),
        np.array([labels.index(c) for c in first["label"]]),
        readings,
        f"{name}, read by {' × '.join(methods)}",
    )


def _predictions(folder: Path) -> list[pd.DataFrame]:
    import pandas as pd
    import pyarrow as pa

    whole = folder / "predictions.parquet"
    files = [whole] if whole.is_file() else sorted(folder.glob("folds/*/*.parquet"))
    if not files:
        raise InputError(f"letters '{folder}': no predictions there: give a run's folder")
    found = []
    for file in files:
        try:
            found.append(pd.read_parquet(file))
        except (pa.ArrowException, OSError, ValueError):
            raise InputError(f"{file}: is damaged: run it again") from None
        if missing := {"id", "subject", "label", "method"} - set(found[-1].columns):
            raise InputError(f"{file}: is no table of predictions: it has no {min(missing)}")
    return found


def _simulated(recipe: WordsRecipe | AdaptRecipe, store: Store, progress: bool) -> LetterPool:
    """Let simulated people write and the recipe's adapter read what they wrote."""
    from imuscribe.finetune.adapters import adapter_path, weights_hash
    from imuscribe.finetune.lineage import read
    from imuscribe.signals.labels import parse_labels
    from imuscribe.signals.simulate import simulate

    if recipe.simulate.people < 2:
        raise InputError("simulate.people is 1: the channel is learnt from other people: set 2")
    people = f"simulated with seed {recipe.simulate.seed}"
    learnt = read(adapter_path(recipe.adapter))
    if learnt is None or any(item["data"] == people for item in learnt):
        raise InputError(
            f"adapter '{recipe.adapter}': has learnt from people {people}, or does not say from "
            "whom: set another simulate.seed"
        )
    reader = Reader(recipe.adapter)
    labels = reader.labels
    if unread := set(parse_labels(recipe.simulate.labels)) - set(labels):
        raise InputError(
            f"simulate.labels has '{min(unread)}', which the adapter '{recipe.adapter}' does not "
            f"read: it reads {', '.join(labels)}"
        )
    recordings = simulate(recipe.simulate, progress)

    def read_them() -> Predictions:
        log_probs = reader.log_probs(recordings, progress).astype(np.float64)
        return Predictions.of(recordings, labels, log_probs)

    key = [recipe.simulate.model_dump(mode="json"), weights_hash(recipe.adapter)]
    found = store.predictions(("letters", "read"), key, recordings, read_them)
    return LetterPool(
        labels,
        np.array(found.ids),
        np.array(found.subjects),
        np.array([labels.index(label) for label in found.truth]),
        _normalised(found.log_probs[:, None]),
        f"people {people}, read by the adapter {recipe.adapter}",
    )


def letters_source(recipe: WordsRecipe | AdaptRecipe) -> dict[str, dict[str, Any]]:
    """Return the data file whose recordings are the letters: the runs', where runs read them."""
    if recipe.letters == ("simulated",):
        return {"data": {"path": "simulated", "sha256": ""}}
    found = []
    for folder in recipe.letters:
        path = Path(folder) / "environment.json"
        if path.is_file():
            try:
                about = parsed_json(path.read_text(encoding="utf-8"))["data"]
                found.append({"path": str(about["path"]), "sha256": str(about["sha256"])})
            except (ValueError, LookupError, TypeError):
                raise InputError(
                    f"{path}: does not say which data the run read: run it again"
                ) from None
        else:  # somebody else's answers
            found.append(data_facts(str(Path(folder) / "predictions.parquet")))
    if odd := [one for one in found if one["sha256"] != found[0]["sha256"]]:
        raise InputError(
            f"letters: the runs read different files, {found[0]['path']} and {odd[0]['path']}: "
            "give runs of one experiment"
        )
    return {"data": found[0]}


def _normalised(log_probs: Float) -> Float:
    """Return rows that sum to one; what ranks without probabilities gets some, no answer none."""
    finite = np.where(np.isnan(log_probs), -np.inf, log_probs)
    high = finite.max(axis=-1, keepdims=True)
    return log_softmax(np.maximum(finite - np.where(np.isfinite(high), high, 0.0), _FLOOR))
