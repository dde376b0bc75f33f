"""A timeline of a long recording that nobody labelled, by an adapter that has learnt activities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imuscribe.ask.data.smooth import from_windows
from imuscribe.ask.timeline import Timeline
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.finetune.reading import Reader


def read_timeline(
    rec: Recording, reader: Reader, seed: int = 0, progress: bool = False
) -> Timeline:
    """Read a recording window by window and smooth what was read.

    Parameters
    ----------
    rec : Recording
        As recorded; the timeline begins with it and has no dates.
    reader : Reader
        With an adapter that has learnt windows.
    seed : int
        Of the timelines drawn from the probabilities.

    Raises
    ------
    InputError
        If the adapter reads whole recordings, or the recording cannot be used.
    """
    windows = reader.recipe.windows
    if windows is None:
        raise InputError(
            f"the adapter reads whole recordings as one of {len(reader.labels)} labels: give one "
            "that has learnt windows, as 'imuscribe train activities' makes it"
        )
    parts = reader.parts(rec)
    starts = [float(part.id.rpartition("@")[2] or 0) if "@" in part.id else 0.0 for part in parts]
    texts = reader.prompts(reader.texts(parts))
    log_probs = reader.score(texts, progress, reader.signals(parts))
    # The last window is moved back to end with the recording.
    rows = [i for i, at in enumerate(starts) if i == 0 or at - starts[i - 1] > 0.5 * windows.stride]
    return from_windows(
        [starts[i] for i in rows], log_probs[rows], reader.labels, windows.stride, seed=seed
    )
