"""The recording: one labelled stretch of motion-sensor data."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError

Array = NDArray[np.float32]

ACC = ("acc_x", "acc_y", "acc_z")
GYRO = ("gyro_x", "gyro_y", "gyro_z")
LIN_ACC = ("lin_acc_x", "lin_acc_y", "lin_acc_z")
SENSORS = {"acc": ACC, "gyro": GYRO, "lin_acc": LIN_ACC}
"""Channels that one sensor delivers together."""
CHANNELS = (*ACC, *LIN_ACC, *GYRO)
METADATA = ("id", "subject", "session", "label", "device", "case", "placement")
CASES = ("2d", "3d", "")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Also halves of characters: what stands for the bytes of a file's name that is not UTF-8."""
STANDARD_GRAVITY = 9.80665
"""Standard acceleration of gravity in m/s² (ISO 80000-3)."""


class Segment(NamedTuple):
    """What was written or done between two times, in seconds from the start of the recording."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording in internal units: seconds, m/s² with gravity included, rad/s.

    Parameters
    ----------
    id : str
        Unique within its data set.
    data : ndarray of float32, shape (n_channels, n_samples)
        One row a channel; made read-only.
    channels : tuple of str
        Channel names, ``acc_x`` … ``gyro_z``; ``lin_acc_*`` is acceleration without gravity.
    t : ndarray of float64, shape (n_samples,)
        Seconds from the start; never goes back.
    label, subject, session, device, case, placement : str
        What was done, by whom, when, with what, how (``"2d"`` on a flat surface, ``"3d"`` in
        mid-air), and where on the body the device was. Empty where unknown.
    segments : tuple of Segment
        What was written when, in one long recording, by start; empty where unknown.

    Raises
    ------
    InputError
        If shapes disagree, a channel repeats, a value is not finite, time goes back, the case is
        unknown, a segment has no extent or begins before an earlier one, or a text holds a control
        character (names of files, prompts and reports follow from them).
    """

    id: str
    data: Array
    channels: tuple[str, ...]
    t: NDArray[np.float64]
    label: str = ""
    subject: str = ""
    session: str = ""
    device: str = ""
    case: str = ""
    placement: str = ""
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        data = np.array(self.data, dtype=np.float32, order="C")
        t = np.array(self.t, dtype=np.float64)
        # A line break in a name would make two lines of the message.
        where = "recording '{}'".format(self.id.replace("\n", "\\n"))
        if data.ndim != 2 or len(data) != len(self.channels) or data.shape[1:] != t.shape:
            raise InputError(
                f"{where}: data {data.shape}, {len(self.channels)} channels and times {t.shape} "
                "disagree: need (n_channels, n_samples) and (n_samples,)"
            )
        for name in METADATA:
            if _CONTROL.search(text := getattr(self, name)):
                raise InputError(
                    f"{where}: {name} {text!r} holds a control character or no UTF-8: rename it",
                    "a control character in a name",
                )
        if self.case not in CASES:
            raise InputError(f"{where}: case '{self.case}' is unknown: valid: 2d, 3d or empty")
        if len(set(self.channels)) != len(self.channels):
            raise InputError(f"{where}: a channel name repeats in {', '.join(self.channels)}")
        if not t.size:
            raise InputError(f"{where}: has no samples")
        for name, row in zip((*self.channels, "t"), (*data, t), strict=True):
            bad = np.flatnonzero(~np.isfinite(row))
            if bad.size:
                raise InputError(
                    f"{where}: {name} is {row[bad[0]]} at sample {bad[0]} "
                    f"({bad.size} such): drop or interpolate them first",
                    "not a number",
                )
        back = np.flatnonzero(np.diff(t) < 0)
        if back.size:
            raise InputError(
                f"{where}: time goes back from {t[back[0]]:.3f} s to {t[back[0] + 1]:.3f} s "
                f"at sample {back[0] + 1}: sort the rows or split the recording there",
                "time goes back",
            )
        self._check_segments(where)
        data.flags.writeable = t.flags.writeable = False
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "t", t)

    def _check_segments(self, where: str) -> None:
        last = 0.0
        for start, end, label in self.segments:
            if not last <= start < end < np.inf:
                raise InputError(
                    f"{where}: segment '{label}' lasts from {start:g} to {end:g} s: each "
                    "begins at 0 or later, not before an earlier one, and ends after it began"
                )
            if _CONTROL.search(label):
                raise InputError(f"{where}: segment {label!r} holds a control character: rename it")
            last = start

    @property
    def acc(self) -> Array:
        """Acceleration with gravity in m/s², shape (3, n_samples)."""
        return self.select(ACC)

    @property
    def gyro(self) -> Array | None:
        """Rotation rate in rad/s, shape (3, n_samples); None without a gyroscope."""
        return self.select(GYRO) if set(GYRO) <= set(self.channels) else None

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.data.shape[1])

    @property
    def duration(self) -> float:
        """Seconds from the first to the last sample."""
        return float(self.t[-1] - self.t[0])

    @property
    def rate(self) -> float:
        """Mean sampling rate in Hz; 0 when the recording has no extent in time."""
        return (self.n_samples - 1) / self.duration if self.duration > 0 else 0.0

    @property
    def content(self) -> str:
        """What was measured, as a hash: a copy under another name has the same."""
        return hashlib.sha256(self.data.tobytes()).hexdigest()[:16]

    def select(self, channels: tuple[str, ...]) -> Array:
        """Return the named channels in the order asked for, shape (n, n_samples)."""
        missing = [name for name in channels if name not in self.channels]
        if missing:
            raise InputError(
                f"recording '{self.id}': has no {', '.join(missing)}: "
                f"it holds {', '.join(self.channels)}",
                "a channel is missing",
            )
        if channels == self.channels:
            return self.data
        return self.data[[self.channels.index(name) for name in channels]]

    def part(self, first: int, stop: int) -> Recording:
        """Return the samples from `first` to before `stop`, from 0 s on, and what was written then.

        Of a segment that is cut, what is left stays.
        """
        begin, end = (float(self.t[i] - self.t[0]) for i in (first, min(stop, self.n_samples) - 1))
        kept = tuple(
            Segment(max(s.start - begin, 0.0), min(s.end, end) - begin, s.label)
            for s in self.segments
            if min(s.end, end) > max(s.start, begin)
        )
        span = slice(first, stop)
        return self.replace(data=self.data[:, span], t=self.t[span] - self.t[first], segments=kept)

    def replace(self, **changes: Any) -> Recording:
        """Return a copy with some fields changed, checked again."""
        return replace(self, **changes)
