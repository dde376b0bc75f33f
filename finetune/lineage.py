"""Whom an adapter has learnt from, so that nobody it knows is ever tested as a stranger."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.finetune.adapters import adapter_path
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import sha256
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.recipes.schema import Recipe

KEY = "learnt_from"
"""Where ``training.json`` says it: a list of ``{"data", "subjects", "recordings"}``, and in those
made since, ``"contents"``: the hashes of what was measured."""

Lineage = list[dict[str, Any]]

_ITEM = {"data", "subjects", "recordings"}
_SIMULATED = "simulated "
_SHOWN = 5
_log = logging.getLogger(__name__)


def lineage(recipe: Recipe, recordings: Sequence[Recording], start: Path | None) -> Lineage | None:
    """Return what an adapter has learnt from, one item a training: its own, then its ancestors'.

    None if it goes on from an adapter that does not say.
    """
    own = {
        "data": source(recipe),
        "subjects": sorted({rec.subject for rec in recordings}),
        "recordings": sorted(rec.id for rec in recordings),
        "contents": sorted(rec.content for rec in recordings),
    }
    ancestors = [] if start is None else read(start)
    return None if ancestors is None else [own, *ancestors]


def read(adapter: Path) -> Lineage | None:
    """Return what ``training.json`` says the adapter has learnt from; None if it does not."""
    path = adapter / "training.json"
    found = json.loads(path.read_text(encoding="utf-8")).get(KEY) if path.is_file() else None
    whole = isinstance(found, list) and all(item.keys() >= _ITEM for item in found)
    return found if found and whole else None


def source(recipe: Recipe) -> str:
    """Return what tells one collection of people from another: the data by content, not by name."""
    if recipe.data != "simulated":
        return sha256(recipe.data) if Path(recipe.data).is_file() else recipe.data
    # A seed draws the simulated people; where they follow real pens, the pens' file names them.
    pens = recipe.simulate.strokes
    return _SIMULATED + (f"with seed {recipe.simulate.seed}" if pens is None else sha256(pens))


def check_strangers(
    recipe: Recipe, recordings: Sequence[Recording], test: Sequence[Recording]
) -> None:
    """Refuse to start from an adapter that has learnt from somebody who is to be tested.

    Parameters
    ----------
    recipe : Recipe
        Its `train.start_from` is the adapter.
    recordings : sequence of Recording
        Everything in the data, which tells whether the adapter comes from the same collection.
    test : sequence of Recording
        What is tested in any fold.

    Raises
    ------
    InputError
        Naming the people or recordings, or the adapter that does not say whom it knows.
    """
    start = recipe.train.start_from
    if start is None:
        return
    learnt = read(adapter_path(start))
    if learnt is None:
        raise InputError(
            f"train.start_from '{start}': its training.json does not say whom it has learnt from, "
            "so nobody can be tested as a stranger: train it again"
        )
    here = source(recipe)
    ids = {rec.id for rec in recordings}
    for training in learnt:
        same = training["data"] == here
        # Every seed's people are called sim-001 … and their recordings alike: equal names mean
        # nothing between two simulations. Other data may be an old or partial copy of this, which
        # shared ids give away; without any, a "p001" there is another person than here.
        if not same and training["data"].startswith(_SIMULATED) and here.startswith(_SIMULATED):
            continue
        if not same and ids.isdisjoint(training["recordings"]):
            if namesakes := sorted({rec.subject for rec in test} & set(training["subjects"])):
                _log.warning(
                    "train.start_from '%s' has learnt from other recordings of a %s: if that is "
                    "the same person, nobody is tested as a stranger",
                    start,
                    _first(namesakes),
                )
            continue
        people = {rec.subject for rec in test} & set(training["subjects"])
        known = {rec.id for rec in test} & set(training["recordings"])
        if found := sorted(people) or sorted(known):
            raise InputError(
                f"train.start_from '{start}': has learnt from {_first(found)}, "
                "tested here as a stranger: test only others, or set train.start_from=null"
            )
    contents = {content for training in learnt for content in training.get("contents", ())}
    if copies := [rec.id for rec in test if rec.content in contents]:
        raise InputError(
            f"train.start_from '{start}': has learnt from {_first(copies)}, whatever they were "
            "called there: test only others, or set train.start_from=null"
        )


def _first(names: Sequence[str]) -> str:
    more = f" … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
