"""Recordings for a recipe, and the prompt/completion rows a model learns from."""

from __future__ import annotations

import logging
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.finetune.tokenise import completion_ids, prompt_ids
from imuscribe.prompts.ask.retrieval import Retriever
from imuscribe.prompts.ask.shots import draw_own, draw_places
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from imuscribe.prompts.ask.templates import PromptBuilder, Shot
    from imuscribe.prompts.serialize import Serializer
    from imuscribe.recipes.schema import Recipe

log = logging.getLogger(__name__)

Row = dict[str, Any]


def load_recordings(recipe: Recipe) -> list[Recording]:
    """Read or simulate the recipe's recordings, keep its labels, clean each.

    Recordings that cannot be used are counted by reason in one warning; none goes silently.

    Raises
    ------
    InputError
        If the file cannot be read, holds none of the labels, or nothing usable is left.
    """
    from tqdm.auto import tqdm

    from imuscribe.signals.cleaning import clean
    from imuscribe.signals.motion.frames import writing_motion

    everything = _read(recipe)
    labels = recipe.label_set
    chosen = [rec for rec in everything if rec.label in labels]
    if not chosen:
        found = sorted({rec.label for rec in everything})
        raise InputError(
            f"labels '{recipe.labels}': none of the {len(everything)} recordings in "
            f"'{recipe.data}' has one of them: {nearest(labels[0], found[:50])}"
        )
    if others := len(everything) - len(chosen):
        log.info("%d recordings have labels outside '%s'", others, recipe.labels)
    usable: list[Recording] = []
    refused: dict[str, list[str]] = defaultdict(list)
    for rec in tqdm(chosen, desc="cleaning", unit="rec"):
        try:
            cleaned = clean(rec, recipe.clean)
            if recipe.text.format == "strokes":
                writing_motion(cleaned, recipe.text.frame)  # refused here, not hours later
            usable.append(cleaned)
        except InputError as error:
            reason = str(error).removeprefix(f"recording '{rec.id}': ")
            refused[re.sub(r"\d+(\.\d+)?", "…", reason)].append(f"'{rec.id}' {reason}")
    if refused:
        n_refused = len(chosen) - len(usable)
        reasons = "; ".join(f"{len(hits)} like {hits[0]}" for hits in refused.values())
        summary = f"{n_refused} of {len(chosen)} recordings cannot be used: {reasons}"
        if not usable:
            raise InputError(summary)
        log.warning(summary)
    return usable


def training_people(recordings: Sequence[Recording], recipe: Recipe) -> list[Recording]:
    """Return what `imuscribe train` learns from: the ``given`` training people, else everybody.

    Raises
    ------
    InputError
        If a person named in `split.train` is not in the data.
    """
    if recipe.split.protocol != "given":
        return list(recordings)
    people = {rec.subject for rec in recordings}
    for person in recipe.split.train:
        if person not in people:
            raise InputError(
                f"split.train: '{person}' is not in the data: {nearest(person, sorted(people))}"
            )
    return [rec for rec in recordings if rec.subject in recipe.split.train]


def select(recordings: Sequence[Recording], recipe: Recipe) -> list[Recording]:
    """Return the training recordings, at most `train.max_per_label` of each label.

    Raises
    ------
    InputError
        If a label of the recipe has no recording.
    """
    by_label: dict[str, list[Recording]] = {label: [] for label in recipe.label_set}
    for rec in recordings:
        if rec.label not in by_label:
            raise InputError(
                f"recording '{rec.id}': label '{rec.label}' is not one of '{recipe.labels}': "
                f"{nearest(rec.label, by_label)}"
            )
        by_label[rec.label].append(rec)
    if empty := [label for label, found in by_label.items() if not found]:
        raise InputError(
            f"labels {', '.join(empty)}: no training recording: "
            "take them out of 'labels' or add people who have them"
        )
    most = recipe.train.max_per_label
    if most is None:
        return list(recordings)
    rng = np.random.default_rng(recipe.seed)
    kept = {id(rec) for found in by_label.values() for rec in _draw(found, most, rng)}
    return [rec for rec in recordings if id(rec) in kept]


def training_rows(
    recordings: Sequence[Recording],
    recipe: Recipe,
    builder: PromptBuilder,
    serializer: Serializer,
    epochs: int | None = None,
) -> list[Row]:
    """Return every row the model will see, in that order, one epoch after the other.

    All epochs are made before training: each recording is varied afresh in each (with a generator
    seeded by the recipe, the epoch and the recording), the order is shuffled within each, and a
    trainer that reads the rows from front to back resumes exactly where it stopped.

    Parameters
    ----------
    recordings : sequence of Recording
        Cleaned.
    epochs : int, optional
        `train.epochs` when not given.

    Returns
    -------
    list of dict
        ``id``, ``label``, ``subject``, ``epoch``, ``prompt``, ``completion``.

    Raises
    ------
    InputError
        If a label has no recording, or a prompt exceeds its token budget.
    """
    from tqdm.auto import tqdm

    chosen = select(recordings, recipe)
    epochs = recipe.train.epochs if epochs is None else epochs
    retriever = None
    if recipe.prompt.retrieve is not None:
        retriever = Retriever(chosen, recipe.prompt.retrieve, recipe.text.frame)
    by_person: dict[str, list[Recording]] = defaultdict(list)
    for rec in chosen:
        by_person[rec.subject].append(rec)
    rows: list[Row] = []
    with tqdm(total=epochs * len(chosen), desc="writing prompts", unit="row") as bar:
        for epoch in range(epochs):
            varied = [_vary(rec, recipe, epoch) for rec in chosen]
            texts = serializer.encode([serializer.features(rec) for rec in varied])
            texts = _with_neighbours(texts, varied, retriever, by_person, recipe, epoch)
            for i in np.random.default_rng([recipe.seed, epoch]).permutation(len(chosen)):
                rec = varied[i]
                shots = _shots(int(i), chosen, texts, recipe, epoch)
                rows.append(
                    {
                        "id": rec.id,
                        "label": rec.label,
                        "subject": rec.subject,
                        "epoch": epoch,
                        "prompt": builder.prompt(texts[i], shots),
                        "completion": builder.completion(rec.label, _reasoning(rec, recipe)),
                    }
                )
                bar.update()
    return rows


def tokenised(rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """Return ``input_ids`` and ``labels`` of every row; only the completion is learnt.

    The end token closes every completion, so that a generating model stops after its answer and
    "walk" differs from the beginning of "walking".
    """
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    prompts = prompt_ids(tokenizer, [row["prompt"] for row in rows])
    completions = completion_ids(tokenizer, [row["completion"] for row in rows])
    return [
        {"input_ids": p + c + end, "labels": [-100] * len(p) + c + end}
        for p, c in zip(prompts, completions, strict=True)
    ]


def _read(recipe: Recipe) -> list[Recording]:
    if recipe.data == "simulated":
        from imuscribe.signals.simulate import simulate

        return simulate(recipe.simulate, progress=True)
    from imuscribe.signals.readers.parquet import load

    return load(recipe.data)


def _draw(found: list[Recording], most: int, rng: np.random.Generator) -> list[Recording]:
    return [found[i] for i in rng.permutation(len(found))[:most]]


def _vary(rec: Recording, recipe: Recipe, epoch: int) -> Recording:
    if recipe.train.augment is None:
        return rec
    from imuscribe.signals.motion.augment import augment

    rng = _rng(recipe, epoch, rec)
    return augment(rec, rng, recipe.train.augment, recipe.text.frame)


def _shots(
    i: int, chosen: Sequence[Recording], texts: Sequence[str], recipe: Recipe, epoch: int
) -> list[Shot]:
    """Draw `prompt.shots` examples among the other recordings, of as many labels as there are."""
    from imuscribe.prompts.ask.templates import Shot

    rng = _rng(recipe, epoch, chosen[i], stream=1)
    drawn = draw_places([rec.label for rec in chosen], recipe.prompt.shots, rng, skip=i)
    return [Shot(texts[j], chosen[j].label) for j in drawn]


def _with_neighbours(
    texts: Sequence[str],
    queries: Sequence[Recording],
    retriever: Retriever | None,
    by_person: Mapping[str, Sequence[Recording]],
    recipe: Recipe,
    epoch: int,
) -> list[str]:
    """Add the line about neighbours to the texts that are to have one."""
    if retriever is None:
        return list(texts)
    shares = retriever.config
    rngs = [_rng(recipe, epoch, rec, stream=2) for rec in queries]
    drawn = [rng.random() for rng in rngs]
    own = [
        draw_own(by_person[rec.subject], rng, without=rec.id) if x >= 1 - shares.own_share else []
        for rec, rng, x in zip(queries, rngs, drawn, strict=True)
    ]
    lines = retriever.lines(queries, own)
    return [
        text if x < shares.plain_share else f"{text}\n{line}"
        for text, line, x in zip(texts, lines, drawn, strict=True)
    ]


def _reasoning(rec: Recording, recipe: Recipe) -> str:
    if recipe.train.loss == "label":
        return ""
    from imuscribe.prompts.captions.explain import explain

    return explain(rec).reasoning


def _rng(recipe: Recipe, epoch: int, rec: Recording, stream: int = 0) -> np.random.Generator:
    """Return a generator of this recording's own, so that one does not disturb the others."""
    return np.random.default_rng([recipe.seed, epoch, zlib.crc32(rec.id.encode()), stream])
