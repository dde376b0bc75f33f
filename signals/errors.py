"""The one exception users see, the nearest valid value, and what becomes of refused recordings."""

from __future__ import annotations

import difflib
import logging
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_SHOWN = 10
_PEOPLE = 40
_LONGEST = 280
"""Characters of a line of a message; the command line puts its name before."""
_log = logging.getLogger(__name__)


class InputError(ValueError):
    """A mistake in what the user gave: data, options or recipe.

    The message is one line in the order *what was given, why it is wrong, the nearest valid
    value*. The command line prints it without a traceback and exits with status 2. Whatever was
    given, a line stays under 300 characters (its middle goes) and holds no control character.

    `reason` is what is wrong in two or three words, such as ``"too short"``: recordings that are
    left out are counted by it. `who` is the person whose recording it is, where known.
    """

    def __init__(self, message: str, reason: str = "unusable", who: str = "") -> None:
        super().__init__("\n".join(map(_line, message.split("\n"))))
        self.reason = reason
        self.who = who


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` where a valid value is close, else ``"valid: a, b, c"``."""
    options = [str(option) for option in valid]
    close = difflib.get_close_matches(given.lower(), [o.lower() for o in options], n=1, cutoff=0.6)
    if close:
        match = next(option for option in options if option.lower() == close[0])
        return f"did you mean '{match}'?"
    return "valid: " + ", ".join(options)


def _line(text: str) -> str:
    """Return one line that any terminal shows: control and direction marks escaped, not too long.

    What is wrong stands at the end and what was given before it, so the middle is what goes.
    """
    text = "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c
        for c in text
    )
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2 - 2
    return f"{text[:half]} … {text[-half:]}"


def usable(
    items: Iterable[Item],
    make: Callable[[Item], Made],
    where: str = "",
    most: float = 1.0,
    progress: str = "",
    refused: Sequence[InputError] = (),
) -> list[Made]:
    """Return what `make` returns for each item; leave out, count and report those it refuses.

    This is how every reader, command and experiment leaves out recordings.

    Parameters
    ----------
    items : iterable
        Recordings, or what becomes one.
    make : callable
        Raises `InputError` for an item that cannot be used.
    where : str
        What the items are from, such as a file's name; opens the report.
    most : float
        Share of the items that may be left out with a warning; of more, or all, the report is an
        error.
    progress : str
        Title of a progress bar on standard error; empty for none.
    refused : sequence of InputError
        What was refused before, to be counted too.
    """
    from tqdm import tqdm

    made: list[Made] = []
    refused = list(refused)
    for item in tqdm(items, progress, unit="rec", disable=not progress):
        try:
            made.append(make(item))
        except InputError as error:
            refused.append(error)
    total = len(made) + len(refused)
    if len(refused) == total == 1:
        raise refused[0]
    if not refused:
        return made
    counts = Counter(error.reason for error in refused).most_common()
    reasons = ", ".join(f"{reason} ({n:,})" for reason, n in counts)
    shown = f"{where}: " if where else ""
    shown += f"{len(refused):,} of {total:,} recordings"
    if not made or len(refused) > most * total:
        raise InputError(f"{shown} cannot be used: {reasons}: {refused[0]}", refused[0].reason)
    lines = [f"{shown} left out: {reasons}"]
    if people := Counter(error.who for error in refused if error.who):
        lines.append("of " + ", ".join(f"{who} ({n:,})" for who, n in people.most_common(_PEOPLE)))
    lines += map(str, refused[:_SHOWN])
    if len(refused) > _SHOWN:
        lines.append(f"… and {len(refused) - _SHOWN:,} more")
    _log.warning("%s", "\n  ".join(lines))
    return made
