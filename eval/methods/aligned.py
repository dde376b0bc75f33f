"""How well an adapter answers questions about the signals of people it has never met."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imuscribe.align import qa
from imuscribe.align.stage import asking, with_signals
from imuscribe.eval.methods.answers import Answered, Blind, gain, judge_answers
from imuscribe.eval.store import Store
from imuscribe.finetune.adapters import weights_hash
from imuscribe.finetune.lineage import check_held_out, read
from imuscribe.finetune.reading import Reader
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Recording

Values = dict[str, Any]


def evaluate(
    recipe: Recipe, recordings: Sequence[Recording], adapter: Path, progress: bool = True
) -> Values:
    """Ask an adapter about test people, judge it beside a blind reader, and write both down.

    Parameters
    ----------
    recipe : Recipe
        `questions` says what is asked, `split.test` of whom, `split.train` teaches the blind.
    recordings : sequence of Recording
        Everything in the data, cleaned, not cut into windows.
    adapter : Path
        Receives ``questions.json`` and ``questions.md``; its answers are kept in ``answers`` and
        not asked for again.
    progress : bool

    Returns
    -------
    dict
        ``reader`` and ``blind`` as `judge_answers`, ``gain``: the paired difference.

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
    reader = Reader(adapter, recipe)
    if reader.sensor is None:
        raise InputError(f"adapter '{adapter}': reads no sensor tokens: make one with align train")
    check_held_out(recipe.model_copy(update={"train": start}), recordings, test)

    asked = with_signals(qa.rows(test, recipe.questions, recipe.seed), recipe)
    prompts = [row["prompt"] for row in asked]
    signals = np.stack([row["signal"] for row in asked])
    truth = [row["completion"] for row in asked]
    settings = recipe.evaluate.max_new_tokens, recipe.model.model_dump(mode="json")
    key = [weights_hash(adapter), settings, prompts, truth, [r["signal_of"].content for r in asked]]
    texts = Store(adapter / "answers").values(
        ["answers"], key, lambda: reader.write(prompts, progress, signals)
    )
    blind = Blind([p.question for p in qa.pairs(train, recipe.questions, recipe.seed)])
    ours, theirs = (
        [
            Answered(row["question"], text, row["subject"])
            for row, text in zip(asked, said, strict=True)
        ]
        for said in (texts, [blind(row["question"]) for row in asked])
    )
    found = {
        "people": sorted({rec.subject for rec in test}),
        "learnt_from": sorted({who for item in read(adapter) or () for who in item["subjects"]}),
        "reader": judge_answers(ours, recipe.seed),
        "blind": judge_answers(theirs, recipe.seed),
        "gain": gain(ours, theirs, recipe.seed),
    }
    write_text(adapter / "questions.json", json.dumps(found, indent=2))
    write_text(adapter / "questions.md", as_text(found))
    return found


def as_text(found: Values) -> str:
    """Return the figures of `evaluate` as a Markdown table with intervals."""
    rows = [("right, averaged over people", "people")]
    rows += [("facts right", "facts"), ("answers with something false", "false")]
    rows += [("ROUGE-1", "rouge1"), ("ROUGE-L", "rougeL"), ("METEOR", "meteor")]
    both = found["reader"], found["blind"]
    lines = [
        f"{both[0]['n']:,} questions about {len(found['people'])} people never seen",
        "(95 % intervals)",
        "",
        "| | reader | blind |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {' | '.join(_said(one[key]) for one in both)} |" for name, key in rows]
    for kind in both[0]["kinds"]:
        lines.append(f"| {kind} right | {' | '.join(_said(one['kinds'][kind]) for one in both)} |")
    return "\n".join([*lines, "", f"Gain over the blind, paired: {_said(found['gain'])}", ""])


def _said(figure: Values) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f} (n {figure['n']})"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}, n {figure['n']})"
