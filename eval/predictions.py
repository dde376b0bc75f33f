"""What a method answered for the test recordings of a fold, and the file it is kept in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.files import atomic_path, parsed_json
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "log_prob:"
"""Opens the names of the columns that hold one log-probability a label."""
_META = b"imuscribe"
T = TypeVar("T")


@dataclass(frozen=True)
class Predictions:
    """Answers of one method on one fold.

    Parameters
    ----------
    labels : tuple of str
        Columns of `log_probs`.
    ids, subjects, cases, truth : tuple of str
        One a recording: its id, person, case and true label.
    log_probs : ndarray of float64, shape (n, n_labels)
        As `eval.metrics.evaluate` takes them: −inf for labels a generated answer does not name,
        a whole row of it for an answer that could not be parsed.
    tokens : ndarray of int64, shape (n,)
        Tokens of each prompt; 0 where no language model reads.
    seconds : float
        To answer one recording once its signals are prepared.
    fit_seconds : float
        To fit or fine-tune; 0 where nothing is learnt.
    note : str
        Provenance of examples, what was left out.
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    subjects: tuple[str, ...]
    cases: tuple[str, ...]
    truth: tuple[str, ...]
    log_probs: NDArray[np.float64]
    tokens: NDArray[np.int64]
    seconds: float
    fit_seconds: float = 0.0
    note: str = ""

    @classmethod
    def of(
        cls,
        recordings: Sequence[Recording],
        labels: Sequence[str],
        log_probs: NDArray[np.float64],
        tokens: Sequence[int] | NDArray[np.int64] | int = 0,
        seconds: float = 0.0,
        fit_seconds: float = 0.0,
        note: str = "",
    ) -> Self:
        """Return the answers about these recordings; one number of tokens is every prompt's."""
        return cls(
            labels=tuple(labels),
            ids=tuple(rec.id for rec in recordings),
            subjects=tuple(rec.subject for rec in recordings),
            cases=tuple(rec.case for rec in recordings),
            truth=tuple(rec.label for rec in recordings),
            log_probs=np.asarray(log_probs, dtype=np.float64),
            tokens=np.array(np.broadcast_to(tokens, len(recordings)), dtype=np.int64),
            seconds=seconds,
            fit_seconds=fit_seconds,
            note=note,
        )

    @classmethod
    def parsed(
        cls,
        recordings: Sequence[Recording],
        labels: Sequence[str],
        texts: Sequence[str],
        tokens: Sequence[int] | NDArray[np.int64],
        seconds: float,
        fit_seconds: float = 0.0,
        note: str = "",
    ) -> Self:
        """Return what generated texts say: the order of the labels they name is all there is."""
        from imuscribe.prompts.ask.answers import parse_answer

        scores = np.full((len(texts), len(labels)), -np.inf)
        for row, text in zip(scores, texts, strict=True):
            for rank, label in enumerate(parse_answer(text, labels).ranked):
                row[labels.index(label)] = -rank
        return cls.of(recordings, labels, scores, tokens, seconds, fit_seconds, note)

    @classmethod
    def pooled(cls, found: Sequence[Self]) -> Self:
        """Return what several methods say together of the recordings that all of them answered.

        Their log-probabilities are averaged and brought to a sum of one again (a geometric mean of
        the probabilities); nothing is fitted. It costs what they cost together.
        """
        rows = [{name: i for i, name in enumerate(each.ids)} for each in found]
        first = found[0]
        kept = [i for i, name in enumerate(first.ids) if all(name in row for row in rows)]
        at = [[row[first.ids[i]] for i in kept] for row in rows]
        mean = np.mean([each.log_probs[i] for each, i in zip(found, at, strict=True)], axis=0)
        total = np.logaddexp.reduce(mean, axis=1, keepdims=True)
        return cls(
            labels=first.labels,
            ids=tuple(first.ids[i] for i in kept),
            subjects=tuple(first.subjects[i] for i in kept),
            cases=tuple(first.cases[i] for i in kept),
            truth=tuple(first.truth[i] for i in kept),
            log_probs=mean - np.where(np.isfinite(total), total, 0.0),
            tokens=np.sum([each.tokens[i] for each, i in zip(found, at, strict=True)], axis=0),
            seconds=sum(each.seconds for each in found),
            fit_seconds=sum(each.fit_seconds for each in found),
        )

    @property
    def top1(self) -> list[str]:
        """The likeliest label of each recording; empty where an answer could not be parsed."""
        best = np.array(self.labels, dtype=object)[self.log_probs.argmax(axis=1)]
        return list(np.where(np.isfinite(self.log_probs).any(axis=1), best, ""))

    @property
    def correct(self) -> list[bool]:
        """Whether each recording's likeliest label is the true one."""
        return [found == true for found, true in zip(self.top1, self.truth, strict=True)]

    def frame(self, fold: str, method: str) -> pd.DataFrame:
        """Return one row a recording: who, truth, first answer, a column a label, cost."""
        import pandas as pd

        columns = {
            "id": self.ids,
            "subject": self.subjects,
            "case": self.cases,
            "label": self.truth,
            "fold": fold,
            "method": method,
            "top1": self.top1,
            **{f"{PREFIX}{c}": self.log_probs[:, i] for i, c in enumerate(self.labels)},
            "tokens": self.tokens,
            "seconds": self.seconds,
        }
        return pd.DataFrame(columns, index=range(len(self.ids)))


def timed(answer: Callable[[], T], n: int) -> tuple[T, float]:
    """Return what a call returns, and the seconds it took for each of n recordings."""
    begin = time.perf_counter()
    found = answer()
    return found, (time.perf_counter() - begin) / n


def save(predictions: Predictions, path: Path, fold: str, method: str, key: str) -> None:
    """Write predictions with the key of what produced them, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(predictions.frame(fold, method), preserve_index=False)
    meta = {"key": key, "fit_seconds": predictions.fit_seconds, "note": predictions.note}
    table = table.replace_schema_metadata({_META: json.dumps(meta).encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def load(path: Path, key: str, asked: Sequence[Recording]) -> Predictions | None:
    """Read predictions back; None when there are none or something else produced them.

    Answers about recordings that are not asked are not used: a split may draw differently than when
    they were given.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
        meta = parsed_json((table.schema.metadata or {}).get(_META, b"{}"))
        if meta.get("key") != key:
            return None
        frame = table.to_pandas()
        known = {rec.id: rec for rec in asked}
        if not known.keys() >= set(frame["id"]):
            return None
        scored = [name for name in frame.columns if name.startswith(PREFIX)]
        return Predictions.of(
            [known[i] for i in frame["id"]],
            [name.removeprefix(PREFIX) for name in scored],
            frame[scored].to_numpy(dtype=np.float64),
            frame["tokens"].to_numpy(dtype=np.int64),
            float(frame["seconds"].iloc[0]),
            meta["fit_seconds"],
            meta["note"],
        )
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # damaged: it is made again
