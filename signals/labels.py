"""Label sets written shortly, ``A-Z0-9`` or ``walking,sitting``, and recordings evenly of each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json

if TYPE_CHECKING:
    from imuscribe.signals.recording import Recording

_RANGES = re.compile(r"(?:[A-Za-z0-9]-[A-Za-z0-9])+")


def parse_labels(text: str | Sequence[str]) -> tuple[str, ...]:
    """Expand a label set; the labels come in the order written.

    `text` holds items separated by commas: chains of ranges (``A-Z``, ``A-Z0-9``) or labels as they
    stand (``A``, ``walking``, ``stand-up``). A sequence, or a JSON list as a command line has it,
    holds labels as they stand, such as ``"walking, fast"``. An empty item, a range that runs
    backwards or across kinds, and a label that repeats are refused.
    """
    labels: list[str] = []
    for item in _items(text):
        if not item:
            raise InputError(
                f"labels '{said(text)}': an item is empty: write 'A-Z' or 'walking,sitting'"
            )
        if isinstance(text, str) and not _is_list(text) and _RANGES.fullmatch(item):
            for start in range(0, len(item), 3):
                labels += _expand(item[start : start + 3])
        else:
            labels.append(item)
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise InputError(f"labels '{said(text)}': '{twice[0]}' occurs twice: name each label once")
    return tuple(labels)


def said(labels: str | Sequence[str]) -> str:
    """Return a label set as one text, for people to read."""
    return labels if isinstance(labels, str) else ", ".join(labels)


def balanced(recordings: list[Recording], most: int | None, seed: int) -> list[Recording]:
    """Keep at most `most` recordings a label, evenly over people and their cases, in order."""
    if most is None:
        return recordings
    import numpy as np

    rng = np.random.default_rng(seed)
    turn: dict[tuple[str, str, str], int] = defaultdict(int)
    drawn: dict[tuple[str, str], list[tuple[int, str, int]]] = defaultdict(list)
    for i in rng.permutation(len(recordings)):
        rec = recordings[i]
        # A person's cases take turns,
        place = turn[rec.label, rec.subject, rec.case]
        drawn[rec.label, rec.subject].append((place, rec.case, int(i)))
        turn[rec.label, rec.subject, rec.case] += 1
    candidates: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for (label, subject), found in drawn.items():
        # and everybody's first recording of a label comes before anybody's second.
        candidates[label] += [(n, subject, i) for n, (_, _, i) in enumerate(sorted(found))]
    kept = {i for found in candidates.values() for _, _, i in sorted(found)[:most]}
    return [rec for i, rec in enumerate(recordings) if i in kept]


def _is_list(text: str) -> bool:
    return text.lstrip().startswith("[")


def _items(text: str | Sequence[str]) -> list[str]:
    if not isinstance(text, str):
        return [item.strip() for item in text]
    if not _is_list(text):
        return [item.strip() for item in text.split(",")]
    try:
        return [str(item).strip() for item in parsed_json(text)]
    except ValueError:
        raise InputError(
            f"labels '{text}': is no list: write '[\"walking, fast\", \"sitting\"]'"
        ) from None


def _expand(item: str) -> list[str]:
    first, last = item[0], item[2]
    kinds = (str.isupper, str.islower, str.isdigit)
    if not any(kind(first) and kind(last) for kind in kinds):
        raise InputError(f"labels '{item}': a range joins two of one kind: valid: A-Z, a-z, 0-9")
    if first > last:
        raise InputError(f"labels '{item}': runs backwards: did you mean '{last}-{first}'?")
    return [chr(code) for code in range(ord(first), ord(last) + 1)]
