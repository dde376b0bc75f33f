"""Long recordings cut into labelled windows or what was written in them, each one of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.recording import Recording


class WindowConfig(Config):
    """How recordings are cut into windows of equal length."""

    seconds: float = Field(default=2.56, gt=0, allow_inf_nan=False)
    """Length of a window. 2.56 s at 50 Hz are the 128 samples of UCI-HAR."""
    stride: float = Field(default=1.28, gt=0, allow_inf_nan=False)
    """From the start of one window to that of the next."""
    last: Literal["align", "drop"] = "align"
    """What is left at the end: one more window that ends with the recording, or nothing."""
    short: Literal["keep", "refuse", "drop"] = "drop"
    """A recording shorter than a window is one window as it is, an error, or left out and told."""


def cut(recordings: Sequence[Recording], config: WindowConfig = WindowConfig()) -> list[Recording]:
    """Cut recordings into windows; none reaches over two recordings.

    Parameters
    ----------
    recordings : sequence of Recording
        Each at a fixed rate, as cleaning leaves them.
    config : WindowConfig
        A recording of m samples gives ``(m - n) // s + 1`` windows of n samples, s apart; one more
        where samples are left at the end and `config.last` is ``"align"``.

    Returns
    -------
    list of Recording
        In order. The window that begins 12.8 s after the start of ``r1`` is ``r1@12.80``; it starts
        at 0 s and keeps label, person and all else that is known of the recording.

    Raises
    ------
    InputError
        If a recording has no rate, is shorter than a window and may not be, or nothing is left.
    """

    def windows(rec: Recording) -> list[Recording]:
        n = round(config.seconds * rec.rate)
        if n < 1:
            raise InputError(
                f"recording '{rec.id}': a window of {config.seconds:g} s holds no sample at "
                f"{rec.rate:g} Hz: raise windows.seconds"
            )
        if rec.n_samples < n:
            if config.short == "keep":
                return [_window(rec, 0, rec.n_samples)]
            raise InputError(
                f"recording '{rec.id}': lasts {rec.n_samples / rec.rate:.2f} s, less than a window "
                f"of {config.seconds:g} s: set windows.short=keep or windows.short=drop",
                "shorter than a window",
            )
        last = rec.n_samples - n
        starts = list(range(0, last + 1, max(1, round(config.stride * rec.rate))))
        if config.last == "align" and starts[-1] < last:
            starts.append(last)
        return [_window(rec, start, n) for start in starts]

    if config.short == "refuse":
        found = [windows(rec) for rec in recordings]
    else:
        found = usable(recordings, windows, "windows")
    return [window for several in found for window in several]


def segments(recordings: Sequence[Recording], margin: float = 0.0) -> list[Recording]:
    """Cut recordings into what was written in them, where they say so (`Recording.segments`).

    Parameters
    ----------
    recordings : sequence of Recording
        With segments or without; a recording without any gives none.
    margin : float
        Seconds kept before and after each; never beyond the middle of the pause to the next.

    Returns
    -------
    list of Recording
        In order. The third segment of ``r1`` is ``r1#3``, has its label and lies in `segments`.

    Raises
    ------
    InputError
        If no recording has segments.
    """
    found = [_segment(rec, i, margin) for rec in recordings for i in range(len(rec.segments))]
    if not found:
        raise InputError(
            f"{len(recordings)} recordings: none says what was written when: give seg_start, "
            "seg_end and seg_label, or cut into windows"
        )
    return found


def _segment(rec: Recording, i: int, margin: float) -> Recording:
    one, t = rec.segments[i], rec.t - rec.t[0]
    before = rec.segments[i - 1].end if i else -math.inf
    after = rec.segments[i + 1].start if i + 1 < len(rec.segments) else math.inf
    begin = max(one.start - margin, min((before + one.start) / 2, one.start))
    end = min(one.end + margin, max((one.end + after) / 2, one.end))
    first = min(int(np.searchsorted(t, begin)), rec.n_samples - 1)
    stop = max(int(np.searchsorted(t, end, side="right")), first + 1)
    cut = rec.replace(segments=(one,)).part(first, stop)
    return cut.replace(id=f"{rec.id}#{i + 1}", label=one.label)


def _window(rec: Recording, start: int, n: int) -> Recording:
    begins = float(rec.t[start] - rec.t[0])
    # As many digits as tell neighbouring samples apart, so that no two ids are alike.
    digits = max(2, math.ceil(math.log10(max(1.0, round(rec.rate, 6)))))
    return rec.part(start, start + n).replace(id=f"{rec.id}@{begins:.{digits}f}")
