"""Recordings for a recipe, the prompt/completion rows a model learns from, and their token ids."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.models.config import PATCH_SECONDS
from imuscribe.prompts.ask.retrieval import Retriever
from imuscribe.prompts.ask.sensor import PLACE
from imuscribe.prompts.ask.sensor import prompt_ids as placed_ids
from imuscribe.prompts.ask.shots import draw_own, draw_places
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.serialize import Serializer
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.cleaning import without_gyroscope
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.labels import said
from imuscribe.signals.motion.augment import augment
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.motion.views import QUANTITIES, sequence
from imuscribe.signals.recording import ACC, GYRO, Array, Recording
from imuscribe.signals.windows import cut

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


Row = dict[str, Any]


def load_recordings(recipe: Recipe) -> list[Recording]:
    """Read or simulate the recipe's recordings, keep its labels, clean each, cut windows.

    As `signals.load.load_recordings` and `signals.windows.cut`, whose errors it raises.
    """
    from imuscribe.signals.load import load_recordings as load
    from imuscribe.signals.load import same_sensors

    found = load(
        recipe.data,
        recipe.labels,
        recipe.clean,
        recipe.simulate,
        frame_of(recipe),
        recipe.sessions,
    )
    if recipe.windows is None:
        return found
    return cut(same_sensors(found, recipe.data), recipe.windows)


def frame_of(recipe: Recipe) -> FrameConfig | None:
    """Return how the writing frame is found that every recording must have; None: none needs one.

    Windows of activities are not written, so they need none.
    """
    seen = recipe.sensor is not None and recipe.sensor.view in QUANTITIES
    written = (recipe.text.format == "strokes" or seen) and recipe.windows is None
    return recipe.text.frame if written else None


def training_people(recordings: Sequence[Recording], recipe: Recipe) -> list[Recording]:
    """Return what `imuscribe train` learns from: the ``given`` training people, else everybody."""
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

    It is an InputError if a label of the recipe has no recording.
    """
    by_label: dict[str, list[Recording]] = {label: [] for label in recipe.label_set}
    for rec in recordings:
        if rec.label not in by_label:
            raise InputError(
                f"recording '{rec.id}': label '{rec.label}' is not one of '{said(recipe.labels)}': "
                f"{nearest(rec.label, by_label)}"
            )
        by_label[rec.label].append(rec)
    if empty := [label for label, found in by_label.items() if not found]:
        raise InputError(
            f"labels {', '.join(empty)}: no training recording: take them out of 'labels', such as "
            "labels=from-data, or add people who have them"
        )
    most = recipe.train.max_per_label
    if most is None:
        return list(recordings)
    rng = np.random.default_rng(recipe.seed)
    kept = {id(found[i]) for found in by_label.values() for i in rng.permutation(len(found))[:most]}
    return [rec for rec in recordings if id(rec) in kept]


def prompt_builder(recipe: Recipe, tokenizer: Any, reads: bool = True) -> PromptBuilder:
    """Return what asks a recipe's questions; a model that `reads` has its sensor tokens."""
    length = recipe.sensor.length if reads and recipe.sensor is not None else 0
    return PromptBuilder(tokenizer, recipe.label_set, recipe.prompt, length)


def signals_of(recordings: Sequence[Recording], recipe: Recipe) -> Array:
    """Return what the recipe's sensor encoder sees of cleaned recordings, (n, channels, steps).

    It is an InputError if a recording lacks a channel of the view, or is shorter than a patch.
    """
    assert recipe.sensor is not None
    sensor = recipe.sensor

    def seen(rec: Recording) -> Array:
        rec = rec if sensor.gyroscope else without_gyroscope(rec)
        if sensor.encoder == "patch" and rec.n_samples < PATCH_SECONDS * rec.rate:
            raise InputError(
                f"recording '{rec.id}': lasts {rec.duration:.2f} s, less than a patch of "
                f"{PATCH_SECONDS:g} s: give one of {PATCH_SECONDS:g} s or more",
                "shorter than a patch",
            )
        rows = sequence(rec, sensor.view, sensor.steps, recipe.text.frame, sensor.seconds)
        if len(rows) != sensor.channels:
            raise InputError(
                f"recording '{rec.id}': has {', '.join(rec.channels)}, the encoder's "
                f"sensor.view={sensor.view} needs {', '.join((*ACC, *GYRO))}: give a recording "
                "with a gyroscope, or train with sensor.gyroscope=false",
                "no gyroscope",
            )
        return rows

    return np.stack([seen(rec) for rec in recordings])


def training_rows(
    recordings: Sequence[Recording],
    recipe: Recipe,
    builder: PromptBuilder,
    serializer: Serializer,
    epochs: int | None = None,
    progress: bool = True,
) -> list[Row]:
    """Return every row the model will see, in that order, one epoch after the other.

    All epochs are made before training: each recording is varied afresh in each (with a generator
    seeded by the recipe, the epoch and the recording), the order is shuffled within each, and a
    trainer that reads the rows from front to back resumes exactly where it stopped. A row holds
    ``id``, ``label``, ``subject``, ``epoch``, ``prompt`` and ``completion``, and with a ``sensor``
    section ``signal``, what its encoder sees.

    It is an InputError if a label has no recording, or a prompt exceeds its token budget.
    """
    from tqdm.auto import tqdm

    chosen = select(recordings, recipe)
    epochs = recipe.train.epochs if epochs is None else epochs
    retriever = None
    if recipe.prompt.retrieve is not None:
        retriever = Retriever(chosen, recipe.prompt.retrieve, recipe.text.frame)
    rows: list[Row] = []
    signals = None
    bar = tqdm(total=epochs * len(chosen), desc="writing prompts", unit="row", disable=not progress)
    with bar:
        for epoch in range(epochs):
            varied = [_vary(rec, recipe, epoch) for rec in chosen]
            texts = _texts(varied, recipe, serializer, epoch)
            if recipe.sensor is not None and (signals is None or recipe.train.augment is not None):
                signals = signals_of(varied, recipe)
            if retriever is not None:
                texts = _with_neighbours(texts, varied, chosen, retriever, recipe, epoch)
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
                if signals is not None:
                    rows[-1]["signal"] = signals[i]
                bar.update()
    return rows


def tokenised(
    rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, sensor_tokens: int = 0
) -> list[Row]:
    """Return ``input_ids`` and ``labels`` of every row; only the completion is learnt.

    The end token closes every completion, so that a generating model stops after its answer and
    "walk" differs from the beginning of "walking".
    """
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    prompts = prompt_ids(tokenizer, [row["prompt"] for row in rows], sensor_tokens)
    completions = completion_ids(tokenizer, [row["completion"] for row in rows])
    return [
        {"input_ids": p + c + end, "labels": [-100] * len(p) + c + end}
        for p, c in zip(prompts, completions, strict=True)
    ]


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], sensor_tokens: int = 0
) -> list[list[int]]:
    """Return the ids of prompts, with the start token where the tokenizer adds one.

    Where a signal's tokens stand there are so many times `prompts.ask.sensor.SENSOR_ID`.
    """
    if sensor_tokens:
        return [placed_ids(tokenizer, prompt, sensor_tokens) for prompt in prompts]
    return _ids(tokenizer, prompts, special=True)


def completion_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of what follows a prompt: no start token, no end token.

    Tokenised apart from the prompt, because a generating model cannot join tokens across that
    boundary either.
    """
    return _ids(tokenizer, texts, special=False)


def padded(
    rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu"
) -> dict[str, torch.Tensor]:
    """Pad rows at the front, so that all of them end together, and return what a model takes.

    Each tensor is int64 of shape (n_rows, longest). Positions count from the first real token, so
    padding changes no result.
    """
    import torch

    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, longest - len(row) :] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    found = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    return {name: tensor.to(device) for name, tensor in found.items()}


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return an id to pad with; which one does not matter, padding is masked by position."""
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int):
            return candidate
    return 0


def _ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], special: bool
) -> list[list[int]]:
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=special, verbose=False)
    return [list(row) for row in encoded["input_ids"]]


def _texts(
    recordings: Sequence[Recording], recipe: Recipe, serializer: Serializer, epoch: int
) -> list[str]:
    """Return what stands in the prompts for signals: text, the place of their tokens, or both."""
    sensor = recipe.sensor
    if sensor is not None and not sensor.text:
        return [PLACE] * len(recordings)
    written = serializer.encode([serializer.features(rec) for rec in recordings])
    if sensor is None:
        return written
    drawn = [_rng(recipe, epoch, rec, stream=3).random() for rec in recordings]
    return [
        text if x < sensor.drop else PLACE if x >= 1 - sensor.drop else f"{PLACE}\n{text}"
        for text, x in zip(written, drawn, strict=True)
    ]


def _vary(rec: Recording, recipe: Recipe, epoch: int) -> Recording:
    if recipe.train.augment is None:
        return rec
    rng = _rng(recipe, epoch, rec)
    return augment(rec, rng, recipe.train.augment, recipe.text.frame, recipe.clean)


def _shots(
    i: int, chosen: Sequence[Recording], texts: Sequence[str], recipe: Recipe, epoch: int
) -> list[Shot]:
    """Draw `prompt.shots` examples among the other recordings, of as many labels as there are."""
    rng = _rng(recipe, epoch, chosen[i], stream=1)
    drawn = draw_places([rec.label for rec in chosen], recipe.prompt.shots, rng, skip=i)
    return [Shot(texts[j], chosen[j].label) for j in drawn]


def _with_neighbours(
    texts: Sequence[str],
    queries: Sequence[Recording],
    chosen: Sequence[Recording],
    retriever: Retriever,
    recipe: Recipe,
    epoch: int,
) -> list[str]:
    """Add the line about neighbours to the texts that are to have one."""
    by_person: dict[str, list[Recording]] = defaultdict(list)
    for rec in chosen:
        by_person[rec.subject].append(rec)
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
