"""The one exception users see, and the nearest valid value to suggest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A mistake in what the user gave: data, options or recipe.

    The message is one line in the order *what was given, why it is wrong, the nearest valid
    value*. The command line prints it without a traceback and exits with status 2.
    """


def nearest(given: str, valid: Iterable[str]) -> str:
    """Return a hint that names the valid value nearest to `given`.

    Parameters
    ----------
    given : str
        What the user wrote.
    valid : iterable of str
        Everything that would have been accepted.

    Returns
    -------
    str
        ``"did you mean 'x'?"`` when one value is close, else ``"valid: a, b, c"``.
    """
    options = [str(option) for option in valid]
    close = difflib.get_close_matches(given.lower(), [o.lower() for o in options], n=1, cutoff=0.6)
    if close:
        match = next(option for option in options if option.lower() == close[0])
        return f"did you mean '{match}'?"
    return "valid: " + ", ".join(options)
