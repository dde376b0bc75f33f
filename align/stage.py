"""The alignment stage: a language model learns to answer questions about a sensor's tokens.

SensorLLM's first stage (arXiv 2410.10624). What it makes is an adapter like any other, from which
training on labels goes on (`train.start_from`). There is no second training loop: questions are
rows, and `finetune.sft.train` learns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imuscribe.align import qa
from imuscribe.finetune import sft
from imuscribe.finetune.rows import Row, signals_of
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording


def train(recipe: Recipe, recordings: Sequence[Recording], out: Path, resume: bool = True) -> Path:
    """Teach a language model `recipe.questions` about recordings, and save the adapter.

    Parameters
    ----------
    recipe : Recipe
        With a `sensor` section. Signals are not varied: an answer is true of what was measured.
        Labels are not learnt either: neither warm-up nor the auxiliary head takes part.
    recordings : sequence of Recording
        Of training people, cleaned, not cut into windows.
    out : Path
        Receives ``adapter``, ``train-log.jsonl`` and, until the end, ``checkpoints``.
    resume : bool
        As `finetune.sft.train`.

    Returns
    -------
    Path
        The adapter's folder, for `train.start_from`.

    Raises
    ------
    InputError
        If there is no sensor section, no recording can be asked about, or as `finetune.sft.train`.
    """
    recipe = asking(recipe)
    config, epochs = recipe.questions, recipe.train.epochs
    rows = with_signals(qa.rows(recordings, config, recipe.seed, epochs), recipe)
    return sft.train(recipe, recordings, out, resume, rows)


def asking(recipe: Recipe) -> Recipe:
    """Return a recipe as this stage trains and asks by it; InputError if it cannot be used here."""
    if recipe.sensor is None:
        raise InputError("'sensor' is null: there are no tokens to ask about: set sensor={}")
    if recipe.questions.channels:
        raise InputError(
            "'questions.channels' names some: the encoder sees all channels: set "
            "questions.channels=[]"
        )
    sensor = recipe.sensor.model_copy(update={"vary": None})
    values = recipe.model_dump(include=set(Recipe.model_fields) - {"kind"})
    return Recipe.model_validate(values | {"sensor": sensor, "windows": None})


def with_signals(rows: Sequence[Row], recipe: Recipe) -> list[Row]:
    """Return rows of questions with what the encoder sees of each segment, and no label to learn.

    A row's label is the question's kind, which no head knows.
    """
    signals = signals_of([row["signal_of"] for row in rows], recipe)
    return [
        row | {"signal": signal, "label": f"question: {row['question'].kind}"}
        for row, signal in zip(rows, signals, strict=True)
    ]
