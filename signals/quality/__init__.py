"""What is wrong with a recording, and what is in a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.motion.plausible import (
    FACE_DOWN,
    NO_GRAVITY,
    OUT_OF_REACH,
    doubts,
    face_down,
    without_gravity,
)
from imuscribe.signals.motion.turning import Verdict, judge, misfits
from imuscribe.signals.quality.channels import clipping, fresh, reach_of, repeats, stuck
from imuscribe.signals.quality.problem import CLIPPING, DISAGREE, KINDS, STUCK, Problem
from imuscribe.signals.recording import STANDARD_GRAVITY, Recording
from imuscribe.signals.units import Quantity, counts_of_gravity, units_that_fit

# Hz. Slower than any motion recording, faster than any motion sensor.
_PLAUSIBLE_RATES = (2.0, 20_000.0)
# Seconds between samples that make another unit of time worth a hint: 10 to 1,000 Hz.
_USUAL_STEPS = (1e-3, 0.1)
_CLOCK_SPREAD = 0.05
_GAP_STEPS = 5
# Beyond a factor 3 from gravity at the median no writing or walking explains the reading.
_PLAUSIBLE_ACC = (STANDARD_GRAVITY / 3, STANDARD_GRAVITY * 3)
# Half of the time above 20 rad/s is three turns a second throughout; 70 rad/s, 4000 deg/s, is as
# far as gyroscopes reach.
_PLAUSIBLE_GYRO, _GYRO_REACH = 20.0, 70.0
# A hand that accelerates by 2 m/s² turns by more than 0.4 rad/s at some time: the least of 19,000
# such recordings in five public data sets is 0.68. What slides may not: it is told, not refused.
_MOVING, _TURNING = 2.0, 0.4
# Windows of one person with one device whose axes are judged together, and of a whole data set.
_OF_PERSON, _OF_ALL = 24, 600


def inspect(rec: Recording, reach: Mapping[str, float] | None = None) -> list[Problem]:
    """Look, before cleaning, for what it must handle or nothing can mend, in the order of `KINDS`.

    `reach` is the largest magnitude that each sensor (``"acc"``, ``"gyro"``) of this device ever
    delivered, by default in this recording: what lies well below it is no clipping.
    """
    impossible = [Problem(kind, detail) for kind, detail in _impossible(rec)]
    if any(problem.kind == OUT_OF_REACH for problem in impossible):
        return impossible  # nothing else can be computed from such numbers
    new = fresh(rec)
    return [
        *impossible,
        *stuck(rec, new),
        *repeats(new),
        *_clock(rec),
        *clipping(rec, new, reach or reach_of(rec)),
        *_little_rotation(rec),
        *_short(rec),
    ]


def check_units(rec: Recording, units: Mapping[Quantity, str] | None = None) -> Recording:
    """Return the recording, or refuse it when its units cannot be what they are said to be.

    `units` are those it was read in, where they are known: no hint names one that is in use.
    """
    for kind, detail in _impossible(rec, units):
        raise InputError(f"recording '{rec.id}': {detail}", kind, rec.subject)
    return rec


def keep_usable(
    recordings: Sequence[Recording], where: str = "", most: float = 0.0
) -> list[Recording]:
    """Return recordings that can be what they say; a share `most` of them may be left out.

    One recording is judged by `check_units`; whether a person's have gravity is clear in many.
    `where` is what they are from. Who is left out is told in a warning; it is an InputError if more
    than `most` cannot be used, or all.
    """
    lacking = without_gravity(recordings)

    def checked(rec: Recording) -> Recording:
        check_units(rec)
        if said := lacking.get(rec.subject):
            raise InputError(f"recording '{rec.id}': {said}", NO_GRAVITY, rec.subject)
        return rec

    return usable(recordings, checked, where, most)


def axes(recordings: Sequence[Recording]) -> tuple[Verdict, dict[tuple[str, str], str]]:
    """Judge whether acceleration and rotation rate can be of one device, over all recordings.

    Returns what all of them say together, and what contradicts by (device, subject); a device that
    contradicts as a whole does so for each of its people.
    """
    groups: dict[tuple[str, str], list[Recording]] = {}
    for rec in recordings:
        if rec.gyro is not None:
            groups.setdefault((rec.device, rec.subject), []).append(rec)
    each = max(1, min(_OF_PERSON, _OF_ALL // max(1, len(groups))))
    costs = {group: _windows(found, each) for group, found in groups.items()}
    contradict: dict[tuple[str, str], str] = {}
    for device in {device for device, _ in groups}:
        mine = [group for group in groups if group[0] == device]
        whole = judge(np.concatenate([costs[group] for group in mine])).contradiction
        for group in mine:
            if said := judge(costs[group]).contradiction or whole:
                contradict[group] = said
    everything = judge(np.concatenate([*costs.values()])) if costs else judge(np.empty((0, 2)))
    return everything, contradict


def faults(recordings: Sequence[Recording]) -> list[str]:
    """Say which recordings have an axis that is stuck or clipped: how many, and the worst."""
    reach = _reach(recordings)
    found: dict[str, list[tuple[Problem, str]]] = {}
    for rec in recordings:
        new = fresh(rec)
        for problem in (*stuck(rec, new), *clipping(rec, new, reach[rec.device])):
            found.setdefault(problem.kind, []).append((problem, rec.id))
    return [
        f"{kind}: {finding['recordings']:,} of {len(recordings):,} recordings, such as "
        f"{finding['example']}"
        for kind in (STUCK, CLIPPING)
        if kind in found
        for finding in [_finding(found[kind])]
    ]


def summarise(
    recordings: Sequence[Recording], refused: Sequence[InputError] = (), progress: bool = False
) -> dict[str, Any]:
    """Count who, what and how in a data set of one or more recordings, and its problems.

    `refused` are the errors of rows that could not become recordings, reported as ``"unusable"``.
    Returns plain values: how many `recordings`; how many of each of the `people`, `labels`,
    `sessions`, `devices`, `cases`, `placements`, `segments` (by label) and `channels`; minimum,
    median and maximum of `rate`, `duration` and `samples`; of the `axes` of acceleration and
    rotation rate how many windows were compared and whether they agree; and by kind of `problems`
    how many recordings have it, in what `share` of their samples at the median, how many at each of
    the clipping `limits`, and an `example`, the worst.
    """
    from tqdm import tqdm

    found: dict[str, list[tuple[Problem, str]]] = {}
    reach = _reach(recordings)
    lacking = without_gravity(recordings)
    verdict, contradict = axes(recordings)
    down = face_down(recordings)
    for rec in tqdm(recordings, desc="inspect", unit="rec", disable=not progress):
        for problem in inspect(rec, reach[rec.device]):
            found.setdefault(problem.kind, []).append((problem, rec.id))
    for rec in recordings:
        if said := lacking.get(rec.subject):
            found.setdefault(NO_GRAVITY, []).append((Problem(NO_GRAVITY, said), rec.id))
        if said := contradict.get((rec.device, rec.subject)):
            found.setdefault(DISAGREE, []).append((Problem(DISAGREE, said), rec.id))
        if said := down.get((rec.device, rec.subject)):
            found.setdefault(FACE_DOWN, []).append((Problem(FACE_DOWN, said), rec.id))
    problems = {kind: _finding(found[kind]) for kind in KINDS if kind in found}
    if refused:
        about = {"share": 1.0, "limits": {}, "example": str(refused[0])}
        problems["unusable"] = {"recordings": len(refused), **about}
    return {
        "recordings": len(recordings),
        "people": _count(rec.subject for rec in recordings),
        "labels": _count(rec.label for rec in recordings),
        "sessions": _count(rec.session for rec in recordings),
        "devices": _count(rec.device for rec in recordings),
        "cases": _count(rec.case for rec in recordings),
        "placements": _count(rec.placement for rec in recordings),
        "segments": _count(part.label for rec in recordings for part in rec.segments),
        "channels": _count(name for rec in recordings for name in rec.channels),
        "rate": _spread([rec.rate for rec in recordings]),
        "duration": _spread([rec.duration for rec in recordings]),
        "samples": _spread([rec.n_samples for rec in recordings]),
        "axes": {"compared": verdict.windows, "agree": verdict.agrees and not contradict},
        "problems": problems,
    }


def _reach(recordings: Sequence[Recording]) -> dict[str, dict[str, float]]:
    """Return the largest magnitude that each sensor of each device ever delivered."""
    reach: dict[str, dict[str, float]] = {}
    for rec in recordings:
        ever = reach.setdefault(rec.device, {})
        for sensor, magnitude in reach_of(rec).items():
            ever[sensor] = max(magnitude, ever.get(sensor, 0.0))
    return reach


def _windows(recordings: Sequence[Recording], most: int) -> NDArray[np.float64]:
    """Return the misfits of at most so many windows, taken evenly from all recordings."""
    chosen = recordings[:: max(1, len(recordings) // most)][:most]
    of_each = max(1, most // len(chosen))
    return np.concatenate([misfits(rec, of_each) for rec in chosen])


def _impossible(
    rec: Recording, units: Mapping[Quantity, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield what no device can have recorded: its kind, and figures."""
    found = [*doubts(rec)]
    if any(kind == OUT_OF_REACH for kind, _ in found):
        yield from found
        return
    said = [("implausible units", detail) for detail in _units(rec, units)]
    yield from said or found  # acceleration in g seems to lack gravity


def _units(rec: Recording, units: Mapping[Quantity, str] | None = None) -> Iterator[str]:
    """Compare with gravity: a still device must read about 9.81 m/s² in total."""
    units = units or {}
    median = float(np.median(np.linalg.norm(rec.acc, axis=0)))
    low, high = _PLAUSIBLE_ACC
    if not low <= median <= high:
        guess = "is the unit mg?"
        if median < STANDARD_GRAVITY:
            guess = "was gravity removed, or is the unit g?"
        if used := units.get("acceleration"):
            fitting = units_that_fit(median, used, "acceleration", low, high)
            if not fitting and median > high:
                fitting = [f"'{counts_of_gravity(median, used)}'"]
            guess = f"is the unit {' or '.join(fitting)}, not {used}?" if fitting else ""
            if median < low:
                guess = f"was gravity removed{', or ' + guess if guess else '?'}"
        yield f"median acceleration is {median:.3g} m/s², a still device reads 9.81: {guess}"
    slow, fast = _PLAUSIBLE_RATES
    if rec.rate and not slow <= rec.rate <= fast:
        used, step = units.get("time", "s"), 1 / rec.rate
        low, high = _USUAL_STEPS if rec.rate < slow else (1 / fast, 1 / slow)
        fitting = units_that_fit(step, used, "time", low, high)
        guess = f"is the time unit {' or '.join(fitting)}, not {used}?"
        guess = guess if fitting else "check the times, or the rate"
        if gap := _hole(rec, slow, fast):
            guess = f"{gap}: --split gap:SECONDS makes recordings there"
        bound = f"slower than {slow:g} Hz" if rec.rate < slow else f"faster than {fast:g} Hz"
        yield f"rate is {rec.rate:.3g} Hz, {bound}, which no motion recording is: {guess}"
    if rec.gyro is not None:
        speed = np.linalg.norm(rec.gyro, axis=0)
        median, most = float(np.median(speed)), float(speed.max())
        if median > _PLAUSIBLE_GYRO or most > _GYRO_REACH:
            guess = "is the unit deg/s?"
            if used := units.get("rotation"):
                fitting = units_that_fit(most, used, "rotation", _TURNING, _GYRO_REACH)
                guess = f"is the unit {' or '.join(fitting) or 'another'}, not {used}?"
            reading = f"{median:.3g} rad/s at the median, {most:.3g} at most"
            yield f"rotation rate is {reading}: {guess}"


def _hole(rec: Recording, slow: float, fast: float) -> str:
    """Name the longest pause of a recording that is sampled well but for its pauses."""
    steps = np.diff(rec.t)
    if not 1 / fast <= float(np.median(steps)) <= 1 / slow or rec.rate > slow:
        return ""
    at = int(steps.argmax())
    return f"it pauses for {steps[at]:.4g} s at {rec.t[at]:.3f} s"


def _little_rotation(rec: Recording) -> Iterator[Problem]:
    """Find a gyroscope that hardly turns while the device moves, as deg/s would that are rad/s."""
    if rec.gyro is None or np.linalg.norm(rec.acc.std(axis=1)) < _MOVING:
        return
    most = float(np.linalg.norm(rec.gyro, axis=0).max())
    if most < _TURNING:
        detail = f"rotation rate is {most:.3g} rad/s at most though the device moves"
        yield Problem("little rotation", f"{detail}: is the unit rad/s?")


def _clock(rec: Recording) -> Iterator[Problem]:
    dt = np.diff(rec.t)
    steps = dt[dt > 0]
    if not steps.size:
        return
    median = float(np.median(steps))
    spread = float(dt.std() / dt.mean())
    if spread > _CLOCK_SPREAD:
        low, high = np.percentile(dt, [25, 75])
        quartiles = f"quartiles {low * 1000:.1f} to {high * 1000:.1f} ms"
        detail = f"steps vary by {spread:.0%} (standard deviation over mean): {quartiles}"
        yield Problem("irregular clock", detail, spread)
    gaps = dt > _GAP_STEPS * median
    if gaps.any():
        longest = (
            f"longest {dt.max() * 1000:.0f} ms against a median step of {median * 1000:.0f} ms"
        )
        yield Problem("gap", f"{gaps.sum()} gaps, {longest}", float(dt[gaps].sum() / dt.sum()))
    if len(steps) < len(dt):
        share = 1 - len(steps) / len(dt)
        detail = f"{share:.1%} of samples have the time of the one before"
        yield Problem("zero steps", detail, share)


def _short(rec: Recording) -> Iterator[Problem]:
    least = CleanConfig().min_duration
    if rec.duration < least:
        yield Problem("short", f"{rec.duration:.3f} s, {rec.n_samples} samples: under {least} s")


def _finding(found: list[tuple[Problem, str]]) -> dict[str, Any]:
    worst, worst_id = max(found, key=lambda item: item[0].share)
    limits = Counter(limit for problem, _ in found for limit in problem.limits)
    return {
        "recordings": len({rec_id for _, rec_id in found}),
        "share": float(np.median([problem.share for problem, _ in found])),
        "limits": dict(limits.most_common()),
        "example": f"{worst_id}: {worst.detail}",
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return float(min(values)), float(np.median(values)), float(max(values))
