"""What a question may be asked about: a table of spans, or recordings read by an adapter."""

from __future__ import annotations

from pathlib import Path

from imuscribe.ask.data.readings import read_timeline
from imuscribe.ask.data.tables import chosen, is_spans, read_timelines
from imuscribe.ask.timeline import Timeline, timeline_of
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.recording import Recording


def timeline_and_recording(
    path: Path, user: str | None = None, adapter: str | None = None
) -> tuple[Timeline, Recording | None]:
    """Return the timeline of a file, and the recording that it was read from, if there is one.

    A recording's own segments are taken where no adapter reads it.

    Parameters
    ----------
    path : Path
    user : str, optional
        Whose spans, or which recording (by id or by person); needed where there are several.
    adapter : str, optional
        Reads recordings.

    Raises
    ------
    InputError
        If the file cannot be read or it isn't clear who is meant.
    """
    if path.suffix.lower() != ".parquet" or is_spans(path):  # only Parquet holds recordings
        if adapter is not None:
            raise InputError(f"--adapter: {path.name} holds labels already: leave it out")
        return chosen(read_timelines(path), user), None
    from imuscribe.signals.load import read

    recordings = read(path)
    mine = [rec for rec in recordings if user in (None, rec.id, rec.subject)]
    if not mine:
        known = sorted({rec.subject for rec in recordings})
        raise InputError(f"--user '{user}': {nearest(str(user), known)}")
    if len(mine) > 1:
        some = ", ".join(rec.id for rec in mine[:3])
        raise InputError(f"{path.name}: {len(mine)} recordings: name one, such as --user {some}")
    if adapter is None and mine[0].segments:
        return timeline_of((*segment, 1.0) for segment in mine[0].segments), mine[0]
    if adapter is None:
        raise InputError(
            f"{path.name}: has neither spans nor labelled segments: give a table with start, end "
            "and label, or say with --adapter who reads recordings"
        )
    from imuscribe.finetune.reading import Reader

    reader = Reader(adapter)
    return read_timeline(mine[0], reader, progress=True), mine[0]
