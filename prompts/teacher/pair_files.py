"""Pairs on disk: JSONL or Parquet written as they come, what is missing, a data card, exports."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import atomic_path, parsed_json, write_text

Row = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

_TEXTS = ("prompt", "completion", "system", "user")
SCORES = ("claims", "supported", "contradicted", "unchecked")
_GROUP = 512
"""Rows a Parquet row group; they are all that is held in memory."""


def write_pairs(rows: Iterable[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write pairs as they come, as Parquet where the name ends so, else as JSONL.

    The file appears whole, at the end, or not at all.
    """
    if Path(path).suffix != ".parquet":
        write_jsonl(rows, path)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = ("id", "label", "subject", *_TEXTS, "teacher", "prompts")
    fields = [(key, pa.string()) for key in texts]
    fields += [(key, pa.int32()) for key in ("paraphrase", "round", *SCORES)]
    schema = pa.schema([*fields, ("history", pa.list_(pa.int32()))])
    left = iter(rows)
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as file,
    ):
        while group := list(islice(left, _GROUP)):
            file.write_table(pa.Table.from_pylist(group, schema))


def read_pairs(path: str | os.PathLike[str]) -> list[Row]:
    """Read pairs from JSONL or Parquet.

    Raises
    ------
    InputError
        If the file is missing or unreadable, or holds something else; the message names the line.
    """
    if Path(path).suffix != ".parquet":
        return _read_jsonl(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    for number, row in enumerate(rows, start=1):
        _check_row(row, f"{path} row {number}")
    return rows


def write_jsonl(rows: Iterable[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write one JSON object a line, the whole file or nothing."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read_jsonl(path: str | os.PathLike[str]) -> list[Row]:
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read {path}: {reason}") from error
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parsed_json(line)
        except ValueError as error:
            raise InputError(f"{path} line {number}: is not JSON ({error})") from error
        _check_row(row, f"{path} line {number}")
        rows.append(row)
    return rows


def _check_row(row: Any, where: str) -> None:
    """Refuse what is no pair, naming the texts that are missing."""
    given = row if isinstance(row, dict) else {}
    missing = [key for key in _TEXTS if not isinstance(given.get(key), str)]
    if missing:
        raise InputError(
            f"{where}: has no {', '.join(missing)}: give a file that 'imuscribe pairs build' wrote"
        )


# What came of the recordings ---------------------------------------------------------------------


@dataclass(frozen=True)
class SetAside:
    """A recording, or one of its pairs, that nothing can be learnt from, and why."""

    id: str
    label: str
    subject: str
    number: int
    """Which of its pairs; -1 for all."""
    reason: str
    """A few words, the same for all such cases."""
    detail: str


class DataCard:
    """Counts what came of every recording, and says so beside the file of pairs."""

    def __init__(self, n_recordings: int) -> None:
        self.n_recordings = n_recordings
        self.set_aside: list[SetAside] = []
        self.n_pairs = 0
        self.n_taught = 0
        self._scores: Counter[str] = Counter()
        self._rounds: Counter[int] = Counter()
        self._people: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, rows: Sequence[Row], set_aside: Sequence[SetAside]) -> None:
        """Count one recording: its pairs, and what is missing of it."""
        self.set_aside += set_aside
        self.n_pairs += len(rows)
        for row in rows[:1]:
            self.n_taught += 1
            self._rounds[row["round"]] += 1
            self._scores.update({key: row[key] for key in SCORES})
            self._people[row["subject"]].update(recordings=1, pairs=len(rows))
        for item in set_aside:
            self._people[item.subject]["set aside"] += 1

    def reasons(self) -> list[tuple[str, int]]:
        """Return why recordings or pairs were set aside and how often, the commonest first."""
        return Counter(item.reason for item in self.set_aside).most_common()

    def write(self, pairs: Path, about: Mapping[str, object]) -> None:
        """Write the list of what was set aside, and the card, which begins with `about`."""
        aside = [asdict(item) for item in self.set_aside]
        write_jsonl(aside, pairs.with_suffix(".set-aside.jsonl"))
        write_text(pairs.with_suffix(".card.md"), self._text(pairs.name, about))

    def _text(self, name: str, about: Mapping[str, object]) -> str:
        counts = {
            "recordings": self.n_recordings,
            "with pairs": self.n_taught,
            "pairs": self.n_pairs,
            "set aside, recordings or single pairs": len(self.set_aside),
        }
        blocks = [
            f"# {name}\n\nInstruction–answer pairs made from labelled motion-sensor recordings by "
            "imuscribe.\nThe teacher saw the true label of every recording: test on other people.",
            _table(("", ""), about.items()),
            "## What came of the recordings",
            _table(("", "n"), counts.items()),
        ]
        if self.set_aside:
            blocks += ["## Why some were set aside", _table(("reason", "n"), self.reasons())]
        if self._scores["claims"]:
            checked = [(key, self._scores[key]) for key in SCORES]
            for number, n in sorted(self._rounds.items()):
                plural = "" if number == 1 else "s"
                checked.append((f"explanations accepted after {number} correction{plural}", n))
            blocks += ["## The explanations, checked", _table(("", "n"), checked)]
        header = ("person", "recordings with pairs", "pairs", "set aside")
        people = [
            (name or "unknown", n["recordings"], n["pairs"], n["set aside"])
            for name, n in sorted(self._people.items())
        ]
        blocks += ["## People", _table(header, people)]
        return "\n\n".join(blocks) + "\n"


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    cells = [header, ("---",) * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells
    )


# Exports -----------------------------------------------------------------------------------------


def to_trl(rows: Rows) -> list[Row]:
    """Keep what TRL trains on: plain ``prompt`` and ``completion``, and where they come from."""
    return [{k: v for k, v in row.items() if k not in ("system", "user")} for row in rows]


def to_chat(rows: Rows) -> list[Row]:
    """Return TRL's conversational form: the trainer applies the model's own chat template."""
    return [
        {
            "prompt": [_message("system", row["system"]), _message("user", row["user"])],
            "completion": [_message("assistant", row["completion"].strip())],
        }
        for row in rows
    ]


def to_hosted_chat(rows: Rows) -> list[Row]:
    """Return the chat form that hosted fine-tuning services read: one list of messages a row."""
    return [{"messages": [*row["prompt"], *row["completion"]]} for row in to_chat(rows)]


EXPORTS = {"trl": to_trl, "chat": to_chat, "hosted": to_hosted_chat}


def export(rows: Rows, form: str) -> list[Row]:
    """Return `rows` in one of the forms of `EXPORTS`; InputError if there is no such form."""
    if form not in EXPORTS:
        raise InputError(f"form '{form}' is unknown: {nearest(form, EXPORTS)}")
    return EXPORTS[form](rows)


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
