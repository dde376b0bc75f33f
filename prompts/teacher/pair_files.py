"""Pairs on disk: JSONL or Parquet written as they come, a list of what is missing, a data card."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from imuscribe.prompts.teacher.pairs import Row, check_row, read_jsonl, write_jsonl
from imuscribe.prompts.teacher.teach import SetAside, Taught
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, write_text

_GROUP = 512
"""Rows a Parquet row group; they are all that is held in memory."""


class Writer(Protocol):
    """Takes one row after the other."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        ...


@contextmanager
def open_pairs(path: str | os.PathLike[str]) -> Iterator[Writer]:
    """Open a file of pairs for writing, Parquet where its name ends so, else JSONL.

    It appears whole, at the end, or not at all.
    """
    with atomic_path(path) as temporary:
        writer = _Parquet(temporary) if _is_parquet(path) else _Jsonl(temporary)
        try:
            yield writer
        finally:
            writer.close()


def read_pairs(path: str | os.PathLike[str]) -> list[Row]:
    """Read pairs from JSONL or Parquet.

    Raises
    ------
    InputError
        If the file is missing, unreadable, or holds something else.
    """
    if not _is_parquet(path):
        return read_jsonl(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    for number, row in enumerate(rows, start=1):
        check_row(row, f"{path} row {number}")
    return rows


def companion(path: str | os.PathLike[str], ending: str) -> Path:
    """Return the file that lies beside a file of pairs: ``pairs.card.md`` for ``pairs.jsonl``."""
    return Path(path).with_suffix(ending)


class Account:
    """Counts what came of every recording, for the card.

    Parameters
    ----------
    n_recordings : int
        How many were to be taught.
    """

    def __init__(self, n_recordings: int) -> None:
        self.n_recordings = n_recordings
        self.set_aside: list[SetAside] = []
        self.n_pairs = 0
        self.n_taught = 0
        self._scores: Counter[str] = Counter()
        self._rounds: Counter[int] = Counter()
        self._people: dict[str, Counter[str]] = {}

    def add(self, taught: Taught) -> None:
        """Count one recording."""
        self.set_aside += taught.set_aside
        self.n_pairs += len(taught.rows)
        for row in taught.rows[:1]:
            self.n_taught += 1
            self._rounds[row["round"]] += 1
            self._scores.update({key: row[key] for key in _SCORES})
        subjects = [row["subject"] for row in taught.rows]
        for subject in subjects + [item.subject for item in taught.set_aside]:
            self._people.setdefault(subject, Counter())
        for subject in subjects[:1]:
            self._people[subject].update(recordings=1, pairs=len(subjects))
        for item in taught.set_aside:
            self._people[item.subject]["set aside"] += 1

    def reasons(self) -> Counter[str]:
        """Return how often each reason set a recording or a pair aside."""
        return Counter(item.reason for item in self.set_aside)

    def write(self, path: str | os.PathLike[str], about: Mapping[str, object]) -> None:
        """Write the card and the list of what was set aside beside a file of pairs.

        Parameters
        ----------
        path : path-like
            The file of pairs.
        about : mapping
            What the card says first: teacher, settings, tokens.
        """
        write_jsonl([asdict(item) for item in self.set_aside], companion(path, ".set-aside.jsonl"))
        write_text(companion(path, ".card.md"), self.card(Path(path).name, about))

    def card(self, name: str, about: Mapping[str, object]) -> str:
        """Return the data card as Markdown."""
        blocks = [
            f"# {name}\n\nInstruction–answer pairs made from labelled motion-sensor recordings by "
            "imuscribe.\nThe teacher saw the true label of every recording: test on other people.",
            _table(("", ""), about.items()),
            "## What came of the recordings",
            _table(
                ("", "n"),
                [
                    ("recordings", self.n_recordings),
                    ("with pairs", self.n_taught),
                    ("pairs", self.n_pairs),
                    ("set aside, recordings or single pairs", len(self.set_aside)),
                ],
            ),
        ]
        if self.set_aside:
            blocks += ["## Why some were set aside", _table(("reason", "n"), _ranked(self))]
        if self._scores["claims"]:
            blocks += ["## The explanations, checked", _table(("", "n"), self._checked())]
        people = [
            (name or "unknown", n["recordings"], n["pairs"], n["set aside"])
            for name, n in sorted(self._people.items())
        ]
        header = ("person", "recordings with pairs", "pairs", "set aside")
        blocks += ["## People", _table(header, people)]
        return "\n\n".join(blocks) + "\n"

    def _checked(self) -> list[tuple[str, object]]:
        rows: list[tuple[str, object]] = [(key, self._scores[key]) for key in _SCORES]
        for number, n in sorted(self._rounds.items()):
            plural = "" if number == 1 else "s"
            rows.append((f"explanations accepted after {number} correction{plural}", n))
        return rows


_SCORES = ("claims", "supported", "contradicted", "unchecked")


def _ranked(account: Account) -> list[tuple[str, int]]:
    return account.reasons().most_common()


def _table(header: tuple[str, ...], rows: Any) -> str:
    cells = [header, ("---",) * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells
    )


def _is_parquet(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix == ".parquet"


class _Jsonl:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = ("id", "label", "subject", "prompt", "completion", "system", "user", "teacher")
        fields = [(key, pa.string()) for key in (*text, "prompts")]
        fields += [(key, pa.int32()) for key in ("paraphrase", "round", *_SCORES)]
        self._schema = pa.schema([*fields, ("history", pa.list_(pa.int32()))])
        self._table = pa.Table
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Mapping[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write_table(self._table.from_pylist(self._rows, self._schema))
        self._rows = []
