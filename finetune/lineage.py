"""What an adapter says of itself: whom it has learnt from, and its model card.

Nobody it knows may be tested as one whom it does not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imuscribe.finetune.adapters import adapter_path
from imuscribe.finetune.base import PACKAGED, adapter_precision, merged_base
from imuscribe.finetune.rows import Row
from imuscribe.recipes.load import dump
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json, sha256
from imuscribe.signals.recording import Recording

KEY = "learnt_from"
"""Where ``training.json`` says it: a list of ``{"data", "subjects", "recordings"}``, and in those
made since, ``"contents"``: the hashes of what was measured."""

Lineage = list[dict[str, Any]]

_ITEM = {"data", "subjects", "recordings"}
_SIMULATED = "simulated "
_SHOWN = 5
_CARD = Path(__file__).with_name("card.md")
_log = logging.getLogger(__name__)


def lineage(recipe: Recipe, recordings: Sequence[Recording], start: Path | None) -> Lineage | None:
    """Return what an adapter has learnt from, one item a training: its own, then its ancestors'.

    None if it goes on from an adapter, or a merged base, that does not say.
    """
    own = {
        "data": source(recipe),
        "subjects": sorted({rec.subject for rec in recordings}),
        "recordings": sorted(rec.id for rec in recordings),
        "contents": sorted(rec.content for rec in recordings),
    }
    base = merged_base(recipe.model)
    ancestors = [read(folder) for folder in (start, base) if folder is not None]
    if None in ancestors:
        return None
    return [own, *(item for found in ancestors for item in found or ()), *_encoders(recipe)]


def read(adapter: Path) -> Lineage | None:
    """Return what ``training.json`` says the adapter has learnt from; None if it does not."""
    try:
        found = parsed_json((adapter / "training.json").read_text(encoding="utf-8")).get(KEY)
        whole = bool(found) and all(item.keys() >= _ITEM for item in found)
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return found if whole else None


def known_people(adapter: Path, data: Path, recordings: Sequence[Recording]) -> list[str]:
    """Return whom of a file an adapter has learnt from: the file itself, or recordings tell."""
    learnt, here = read(adapter) or [], {rec.id for rec in recordings}
    hashed = sha256(data) if data.is_file() else ""
    known: set[str] = set()
    for training in learnt:
        # A window is called after its recording: r1@12.80.
        ids = {name.rpartition("@")[0] or name for name in training["recordings"]}
        if training["data"] == hashed or not here.isdisjoint(ids):
            known |= set(training["subjects"])
    return sorted(known & {rec.subject for rec in recordings if rec.subject})


def source(recipe: Recipe) -> str:
    """Return what tells one collection of people from another: the data by content, not by name."""
    if recipe.data != "simulated":
        return sha256(recipe.data) if Path(recipe.data).is_file() else recipe.data
    # A seed draws the simulated people; where they follow real pens, the pens' file names them.
    pens = recipe.simulate.strokes
    return _SIMULATED + (f"with seed {recipe.simulate.seed}" if pens is None else sha256(pens))


def check_held_out(
    recipe: Recipe, recordings: Sequence[Recording], test: Sequence[Recording]
) -> None:
    """Refuse an adapter, encoder or merged base to start from that knows somebody who is tested.

    `recordings` is everything in the data, which tells whether the adapter comes from the same
    collection. The InputError names the people or recordings, or the adapter that does not say
    whom it knows.
    """
    start, base = recipe.train.start_from, merged_base(recipe.model)
    begins = [] if start is None else [("train.start_from", start, adapter_path(start), "null")]
    if base is not None:
        begins.append(("model.base", str(base), base, PACKAGED))
    for key, name, folder, other in begins:
        learnt = read(folder)
        if learnt is None:
            raise InputError(
                f"{key} '{name}': its training.json does not say whom it has learnt "
                "from, so nobody can be tested as a stranger: train it again"
            )
        _check(learnt, key, name, recipe, recordings, test, other)
    if encoders := _encoders(recipe):
        assert recipe.sensor is not None and recipe.sensor.pretrained is not None
        where = recipe.sensor.pretrained
        _check(encoders, "sensor.pretrained", where, recipe, recordings, test)


def _encoders(recipe: Recipe) -> Lineage:
    """Return what the pretrained encoder that a recipe names has learnt from."""
    if recipe.sensor is None or recipe.sensor.pretrained is None:
        return []
    from imuscribe.models.sensor.files import about_encoder

    found: Lineage = about_encoder(Path(recipe.sensor.pretrained))[KEY]
    return found


def _check(
    learnt: Lineage,
    key: str,
    start: str,
    recipe: Recipe,
    recordings: Sequence[Recording],
    test: Sequence[Recording],
    other: str = "null",
) -> None:
    """Refuse what has learnt from somebody tested; `key` of the recipe names it as `start`.

    `other` is what may stand there instead.
    """
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
                    "%s '%s' has learnt from other recordings of a %s: if that is "
                    "the same person, nobody is tested as a stranger",
                    key,
                    start,
                    _first(namesakes),
                )
            continue
        people = {rec.subject for rec in test} & set(training["subjects"])
        known = {rec.id for rec in test} & set(training["recordings"])
        if found := sorted(people) or sorted(known):
            raise InputError(
                f"{key} '{start}': has learnt from {_first(found)}, "
                f"tested here as a stranger: test only others, or set {key}={other}"
            )
    contents = {content for training in learnt for content in training.get("contents", ())}
    if copies := [rec.id for rec in test if rec.content in contents]:
        raise InputError(
            f"{key} '{start}': has learnt from {_first(copies)}, whatever they were "
            f"called there: test only others, or set {key}={other}"
        )


def model_card(
    recipe: Recipe,
    recordings: Sequence[Recording],
    steps: int,
    tokens: int,
    loss: float,
    example: Row,
) -> str:
    """Return ``card.md`` with nothing left to fill in.

    The adapter learnt from these recordings, in so many updates and tokens; `loss` is the mean
    over the last tenth of the updates, in nats a completion token; `example` is one row.
    """
    train = recipe.train
    people = sorted({rec.subject for rec in recordings})
    devices = sorted({rec.device for rec in recordings} - {""}) or ["unknown"]
    cases = sorted({rec.case for rec in recordings} - {""}) or ["unknown"]
    origin = "simulated writers" if recipe.data == "simulated" else f"`{recipe.data}`"
    if recipe.data == "simulated" and recipe.simulate.strokes:
        origin += f" of the pen strokes in `{recipe.simulate.strokes}`"
    start = f"`{train.start_from}`" if train.start_from else "a fresh adapter"
    return _CARD.read_text(encoding="utf-8").format(
        recipe=recipe,
        n_labels=len(recipe.label_set),
        n_recordings=len(recordings),
        origin=origin,
        varied="varied afresh each epoch" if train.augment else "as recorded",
        n_people=len(people),
        noun="person" if len(people) == 1 else "people",
        people=", ".join(people),
        devices=", ".join(devices),
        cases=", ".join(cases),
        start=start,
        also=f", and whoever {start} has learnt from" if train.start_from else "",
        precision=adapter_precision(recipe),
        steps=steps,
        tokens=tokens,
        loss=loss,
        example=example["prompt"] + example["completion"],
        yaml=dump(recipe),
    )


def _first(names: Sequence[str]) -> str:
    more = f" … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
