"""Instruction–answer pairs: what a language model is fine-tuned on.

The air-writing study made its pairs with three language models: one explains a labelled signal,
one puts the reasoning before the conclusion, one paraphrases the instruction. Here a grounded
explainer does the first two and a table of wordings the third; any `Explainer` may take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imuscribe.prompts.ask.shots import draw_places
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.captions.explain import Explanation, explain
from imuscribe.prompts.serialize.text import Serializer
from imuscribe.prompts.teacher.pair_files import Row
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Explainer = Callable[[Recording, str], Explanation]
"""Whatever can reason about a recording, with its label in the conclusion only."""


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
    """Refuse more pairs a recording than there are wordings."""
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
    """Put a question and its answer into one row; InputError if the question is too long."""
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
