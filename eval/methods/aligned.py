"""How well an adapter answers questions about the signals of people it has never met."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.align import qa
from imuscribe.align.stage import asking, with_signals
from imuscribe.eval.methods.answers import Answered, Blind, gain, judge_answers
from imuscribe.eval.report.page import Table
from imuscribe.eval.store import Store
from imuscribe.finetune.adapters import weights_hash
from imuscribe.finetune.lineage import check_held_out, read
from imuscribe.finetune.reading import Reader
from imuscribe.finetune.rows import Row
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

Values = dict[str, Any]


def evaluate(
    recipe: Recipe, recordings: Sequence[Recording], adapter: Path, progress: bool = True
) -> Values:
    """Ask a trained adapter about test people, and judge it beside a blind reader.

    Parameters
    ----------
    recipe : Recipe
        `questions` says what is asked, `split.test` of whom, `split.train` teaches the blind.
    recordings : sequence of Recording
        Everything in the data, cleaned, not cut into windows.
    adapter : Path
        Its answers are kept in ``answers`` and not asked for again.
    progress : bool

    Returns
    -------
    dict
        As `judge`, and ``learnt_from``: the people the adapter knows.

    Raises
    ------
    InputError
        If there is no adapter or it reads no tokens, nobody is tested, or it has learnt from
        somebody who is.
    """
    recipe = asking(recipe)
    test = [rec for rec in recordings if rec.subject in recipe.split.test]
    train = [rec for rec in recordings if rec.subject in recipe.split.train]
    if not test or not train:
        raise InputError(
            "split.train and split.test name nobody in the data to learn from or to be asked "
            "about: set split.protocol=given and both lists"
        )
    start = recipe.train.model_copy(update={"start_from": str(adapter)})
    Reader(adapter, recipe)  # refuses tokens of another shape before anything else is told
    check_held_out(recipe.model_copy(update={"train": start}), recordings, test)
    asked = rows_about(test, recipe)
    settings = recipe.evaluate.max_new_tokens, recipe.model.model_dump(mode="json")
    said = [(row["prompt"], row["completion"], row["signal_of"].content) for row in asked]
    answers = Store(adapter / "answers").values(
        ["answers"],
        [weights_hash(adapter), settings, said],
        lambda: answer(asked, recipe, adapter, progress),
    )
    learnt = sorted({who for item in read(adapter) or () for who in item["subjects"]})
    return judge([(train, asked, answers)], recipe) | {"learnt_from": learnt}


def rows_about(test: Sequence[Recording], recipe: Recipe) -> list[Row]:
    """Return the questions asked about test people, with what the encoder sees."""
    return with_signals(qa.rows(test, recipe.questions, recipe.seed), recipe)


def answer(asked: Sequence[Row], recipe: Recipe, adapter: Path, progress: bool = True) -> Values:
    """Return what an adapter writes to each question, ``texts``, and the ``tokens`` of each."""
    reader = Reader(adapter, recipe)
    if reader.sensor is None:
        raise InputError(f"adapter '{adapter}': reads no sensor tokens: make one with align train")
    signals = np.stack([row["signal"] for row in asked])
    prompts = [row["prompt"] for row in asked]
    texts = reader.write(prompts, progress, signals)
    return {"texts": texts, "tokens": reader.tokens(prompts).tolist()}


def judge(
    folds: Sequence[tuple[Sequence[Recording], Sequence[Row], Values]], recipe: Recipe
) -> Values:
    """Judge what was answered beside a reader who only knows which answers are common.

    Each fold is the recordings of its training people, what was asked about the others, and the
    `answer`.

    Returns
    -------
    dict
        ``people`` who were asked about; ``reader`` and ``blind`` as `judge_answers`; ``gain``: the
        paired difference; ``tokens``: the median of a prompt.
    """
    ours: list[Answered] = []
    theirs: list[Answered] = []
    for train, asked, answers in folds:
        blind = Blind([pair.question for pair in qa.pairs(train, recipe.questions, recipe.seed)])
        for row, text in zip(asked, answers["texts"], strict=True):
            ours.append(Answered(row["question"], text, row["subject"]))
            theirs.append(Answered(row["question"], blind(row["question"]), row["subject"]))
    return {
        "people": sorted({one.subject for one in ours}),
        "reader": judge_answers(ours, recipe.seed),
        "blind": judge_answers(theirs, recipe.seed),
        "gain": gain(ours, theirs, recipe.seed),
        "tokens": float(np.median([n for *_, answers in folds for n in answers["tokens"]])),
    }


def table(found: Values) -> Table:
    """Return the figures of `judge` with intervals."""
    rows = [("right, averaged over people", "people"), ("facts right", "facts")]
    rows += [("answers with something false", "false"), ("nothing could be read", "silent")]
    rows += [("ROUGE-1", "rouge1"), ("ROUGE-L", "rougeL"), ("METEOR", "meteor")]
    both = found["reader"], found["blind"]
    lines = [[name, *(_said(one[key]) for one in both)] for name, key in rows]
    lines += [[kind, *(_said(one["kinds"][kind]) for one in both)] for kind in both[0]["kinds"]]
    lines.append(["gain over the blind, paired", _said(found["gain"]), ""])
    title = f"{both[0]['n']:,} questions about {len(found['people'])} people never seen"
    return Table(("", "reader", "blind"), lines, title)


def _said(figure: Values) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f} (n {figure['n']})"
    return f"{figure['value']:.3f} ({figure['low']:.3f} – {figure['high']:.3f}, n {figure['n']})"
