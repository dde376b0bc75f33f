"""Instruction–answer pairs: what a language model is fine-tuned on, one JSON object a line.

The air-writing study made its pairs with three language models: one explains a labelled signal,
one puts the reasoning before the conclusion, one paraphrases the instruction. Here a grounded
explainer does the first two and a table of wordings the third; any `Explainer` may take its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from imuscribe.prompts.ask.shots import draw_places
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.captions.explain import Explanation, explain
from imuscribe.prompts.serialize.text import Serializer
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import atomic_path
from imuscribe.signals.recording import Recording

Row = dict[str, Any]

_TEXTS = ("prompt", "completion", "system", "user")


class Explainer(Protocol):
    """Whatever can reason about a recording; a language model that knows the label included."""

    def __call__(self, rec: Recording, label: str, /) -> Explanation:
        """Return reasoning about `rec`, with `label` in the conclusion only."""
        ...


def build_pairs(
    recordings: Sequence[Recording],
    serializer: Serializer,
    builder: PromptBuilder,
    paraphrases: int = 1,
    seed: int = 0,
    explainer: Explainer = explain,
    progress: bool = False,
) -> list[Row]:
    """Pair every recording with its answer, once for each of several wordings.

    Parameters
    ----------
    recordings : sequence of Recording
        Cleaned, each with a label the builder knows.
    serializer : Serializer
        Writes a recording as text.
    builder : PromptBuilder
        Asks the question; its configuration says whether the answer reasons first and how many
        examples, drawn from the other recordings, stand before the question.
    paraphrases : int
        Different wordings of the instruction per recording (the study: 3), drawn without
        repetition.
    seed : int
        For the wordings and the examples. A recording keeps its wordings wherever it stands.
    explainer : Explainer
        Gives the reasoning, when the builder asks for it.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    list of dict
        Per pair ``id``, ``label``, ``subject``, ``paraphrase`` (which wording), ``prompt`` and
        ``completion`` as the trainer needs them, and ``system`` and ``user``, the same question
        before any chat template.

    Raises
    ------
    InputError
        If there are not so many wordings, or a recording does not fit; the message names its id.
    """
    from tqdm.auto import tqdm

    check_paraphrases(paraphrases, builder)
    texts = serializer.encode([serializer.features(rec) for rec in recordings])
    labels = [rec.label for rec in recordings]
    rows: list[Row] = []
    for i, rec in enumerate(tqdm(recordings, desc="pairs", unit="rec", disable=not progress)):
        rng = np.random.default_rng([seed, *rec.id.encode()])
        chosen = draw_places(labels, builder.config.shots, rng, skip=i)
        shots = [Shot(texts[j], labels[j]) for j in chosen]
        try:
            reasoning = explainer(rec, rec.label).reasoning if builder.config.reasoning else ""
            completion = builder.completion(rec.label, reasoning)
            for wording in rng.permutation(builder.n_paraphrases)[:paraphrases]:
                question = Question(texts[i], shots, int(wording))
                rows.append(pair(rec, question, completion, builder))
        except InputError as error:
            named = f"recording '{rec.id}': "
            raise InputError(named + str(error).removeprefix(named)) from error
    return rows


def check_paraphrases(paraphrases: int, builder: PromptBuilder) -> None:
    """Refuse more pairs a recording than there are wordings.

    Raises
    ------
    InputError
        Naming how many there are.
    """
    if not 1 <= paraphrases <= builder.n_paraphrases:
        hint = "" if builder.config.style == "study" else "; more need prompt.style=study"
        raise InputError(
            f"paraphrases is {paraphrases}: style '{builder.config.style}' has "
            f"{builder.n_paraphrases} wording(s), choose 1 to {builder.n_paraphrases}{hint}"
        )


@dataclass(frozen=True)
class Question:
    """What a prompt is made of: the signal's text, examples, and which wording or the words."""

    text: str
    shots: Sequence[Shot] = ()
    wording: int | str = 0


def pair(rec: Recording, question: Question, completion: str, builder: PromptBuilder) -> Row:
    """Put a question and its answer into one row.

    Raises
    ------
    InputError
        If the question does not fit into the builder's budget.
    """
    asked = question.text, question.shots, question.wording
    system, user = (message["content"] for message in builder.messages(*asked))
    return {
        "id": rec.id,
        "label": rec.label,
        "subject": rec.subject,
        "paraphrase": question.wording,
        "prompt": builder.prompt(*asked),
        "completion": completion,
        "system": system,
        "user": user,
    }


def to_trl(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Keep what TRL trains on: plain ``prompt`` and ``completion``, and where they come from."""
    return [{k: v for k, v in row.items() if k not in ("system", "user")} for row in rows]


def to_chat(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return TRL's conversational form: the trainer applies the model's own chat template."""
    return [
        {
            "prompt": [_message("system", row["system"]), _message("user", row["user"])],
            "completion": [_message("assistant", row["completion"].strip())],
        }
        for row in rows
    ]


def to_hosted_chat(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the chat form that hosted fine-tuning services read: one list of messages a row."""
    return [{"messages": [*row["prompt"], *row["completion"]]} for row in to_chat(rows)]


EXPORTS: dict[str, Callable[[Sequence[Mapping[str, Any]]], list[Row]]] = {
    "trl": to_trl,
    "chat": to_chat,
    "hosted": to_hosted_chat,
}


def export(rows: Sequence[Mapping[str, Any]], form: str) -> list[Row]:
    """Return `rows` in one of the forms of `EXPORTS`.

    Raises
    ------
    InputError
        If the form is unknown.
    """
    if form not in EXPORTS:
        raise InputError(f"form '{form}' is unknown: {nearest(form, EXPORTS)}")
    return EXPORTS[form](rows)


def write_jsonl(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write one JSON object a line, the whole file or nothing."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_jsonl(path: str | os.PathLike[str]) -> list[Row]:
    """Read pairs that `build_pairs` made.

    Raises
    ------
    InputError
        If the file is missing, or a line is not JSON or lacks a text; the message names the line.
    """
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
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path} line {number}: is not JSON ({error})") from error
        check_row(row, f"{path} line {number}")
        rows.append(row)
    return rows


def check_row(row: Any, where: str) -> None:
    """Refuse what is no pair.

    Raises
    ------
    InputError
        Naming the texts that are missing.
    """
    given = row if isinstance(row, dict) else {}
    missing = [key for key in _TEXTS if not isinstance(given.get(key), str)]
    if missing:
        raise InputError(
            f"{where}: has no {', '.join(missing)}: give a file that 'imuscribe pairs build' wrote"
        )


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
