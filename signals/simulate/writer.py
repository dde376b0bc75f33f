"""A person with a stable hand, the letters they write, and what a sensor in that hand reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.recording import ACC, GYRO, Recording, Segment
from imuscribe.signals.simulate import hand
from imuscribe.signals.simulate.glyphs import characters, glyph, n_variants
from imuscribe.signals.simulate.habits import HabitConfig, Habits
from imuscribe.signals.simulate.movement import Movement
from imuscribe.signals.simulate.pen import PenSample
from imuscribe.signals.simulate.sensor import Trajectory, readings, sample_times, zero_offsets

Float = NDArray[np.float64]
Case = Literal["2d", "3d"]

_CASES: tuple[Case, ...] = ("2d", "3d")
_FLAT = np.array([[1.0], [1.0], [0.0]])
_RIGHT_UP_FORWARD = [0, 2, 1]
# What a random stream is for; the key keeps streams apart however many others are drawn.
_STYLE, _HABIT, _SESSION, _REPETITION, _RECORDER, _RECORDED = range(6)


@dataclass(frozen=True)
class Writer:
    """One person's style; `Writer.draw` makes up a person."""

    name: str  # the subject of the recordings
    index: int  # with the seed: the person's letter habits and how the device is held
    seed: int
    heights: Mapping[str, float]  # of a capital by case, metres
    slant: float  # of the letters to the right, radians
    aspect: float  # width relative to the templates
    tempo: float  # seconds for a movement of 0.2 m
    fluency: float  # overlap of the lognormal movements
    skew: float  # their σ
    lever: float  # distance of the hand from the arm's pivot, metres
    elevation: float  # of the arm above the horizontal, radians
    wrist: float  # what the wrist adds to the forearm's yaw and pitch, as a share
    roll: float  # a radian of yaw
    lift: float  # of pen-up moves, or how far they are drawn back in mid-air, metres
    tremor: float  # root mean square at 8–12 Hz, metres
    sway: float  # and below 1 Hz
    variability: float  # how much repetitions differ; about 1
    strokes: Mapping[str, tuple[PenSample, ...]] = field(default_factory=dict, repr=False)
    """Recorded strokes by label; they replace templates and habits of forming letters."""
    habits: Habits | None = field(default=None, repr=False)
    """Of recording: how one starts, holds the device, moves the arm; none is the study's way."""

    @classmethod
    def draw(
        cls,
        index: int,
        seed: int = 0,
        name: str | None = None,
        strokes: Mapping[str, tuple[PenSample, ...]] | None = None,
        habits: HabitConfig | None = None,
    ) -> Writer:
        """Make up the person number `index` of the world `seed`."""
        rng = _stream(seed, _STYLE, index)
        return cls(
            name=name or f"sim-{index + 1:03d}",
            index=index,
            seed=seed,
            heights={
                "2d": float(np.exp(rng.uniform(np.log(0.04), np.log(0.2)))),
                "3d": float(rng.uniform(0.14, 0.3)),
            },
            slant=float(np.radians(rng.normal(6, 7))),
            aspect=float(np.exp(0.15 * rng.standard_normal())),
            tempo=float(rng.uniform(0.36, 0.56)),
            fluency=float(rng.uniform(0.7, 1.1)),
            skew=float(rng.uniform(0.2, 0.32)),
            lever=float(rng.uniform(0.3, 0.6)),
            elevation=float(np.radians(rng.uniform(-25, 10))),
            wrist=float(rng.uniform(0.0, 0.3)),
            roll=float(rng.normal(0, 0.15)),
            lift=float(rng.uniform(0.004, 0.015)),
            tremor=float(rng.uniform(2e-5, 8e-5)),
            sway=float(rng.uniform(0.0005, 0.002)),
            variability=float(rng.uniform(0.7, 1.3)),
            strokes=strokes or {},
            habits=None if habits is None else Habits.draw(habits, _stream(seed, _RECORDER, index)),
        )

    def writes(self, char: str) -> bool:
        """Whether there are strokes for this character."""
        return char in (self.strokes or characters())

    def stream(self, char: str, case: Case, repetition: int) -> np.random.Generator:
        """Return the random stream of one recording, whatever else is drawn."""
        place = (self.index, _CASES.index(case), repetition)
        return _stream(self.seed, _REPETITION, *place, *char.encode())

    def recorded(self, label: str, case: Case, repetition: int) -> np.random.Generator:
        """Return the random stream of what habits do to one recording."""
        place = (self.index, _CASES.index(case), repetition)
        return _stream(self.seed, _RECORDED, *place, *label.encode())

    def drawn(self, char: str, case: Case, repetition: int, rng: np.random.Generator) -> hand.Plane:
        """Write a character that the person `writes`, from its first to its last stroke.

        The repetition picks among recorded strokes; `rng` is what differs from one to the next.
        """
        height = self.heights[case]
        tempo = self.tempo * np.exp(0.06 * self.variability * rng.standard_normal())
        habit = _stream(self.seed, _HABIT, self.index, *char.encode())
        bend = 0.03 * self.variability * rng.standard_normal((5, 2))
        if self.strokes:
            group = self.strokes[char]
            sample = group[repetition % len(group)]
            pieces = None if sample.rate else hand.cut(sample.strokes)
        else:
            pieces = _habitual(char, habit)
            bend += 0.06 * habit.standard_normal((5, 2))
        if pieces is None:
            plane = hand.replay(sample.strokes, sample.rate, height, tempo)
        else:
            jitter = 0.12 * self.variability
            plane = hand.sigma_lognormal(
                pieces, height, tempo, self.fluency, self.skew, jitter, rng
            )
        plane[:2] += _warp(plane[:2], bend)
        if not self.strokes:
            plane[0] = self.aspect * plane[0] + np.tan(self.slant) * plane[1]
        return plane


def write_letter(
    writer: Writer,
    char: str,
    case: Case,
    rng: np.random.Generator,
    repetition: int = 0,
    rate: float = 200.0,
) -> tuple[Recording, Trajectory]:
    """Let a person write one character with a sensor in the hand.

    Parameters
    ----------
    writer : Writer
        Who writes.
    char : str
        What: a template, or a label of the writer's recorded strokes.
    case : {"2d", "3d"}
        On a flat surface or in mid-air.
    rng : numpy.random.Generator
        Everything that differs from one repetition to the next.
    repetition : int
        Number of the repetition, for the id.
    rate : float
        Sampling rate in Hz.

    Returns
    -------
    recording, trajectory
        Six channels as the sensor reports them, and the truth at the same times.

    Raises
    ------
    InputError
        If the character or the case is unknown.
    """
    _check(writer, char, case)
    plane = writer.drawn(char, case, repetition, rng)
    return _sensed(writer, plane, case, char, repetition, rng, rate)[:2]


def write_word(
    writer: Writer,
    word: str,
    case: Case,
    rng: np.random.Generator,
    repetition: int = 0,
    rate: float = 200.0,
) -> tuple[Recording, Float]:
    """Let a person write a word without stopping between its letters.

    Letters are joined by pen-up moves (minimum jerk) that begin before a letter ends and go on
    while the next begins, and now and then by a short pause. On a surface they stand side by side,
    in mid-air one on top of the other, as people do who write words there.

    Habits of recording are those of letters alone. Parameters and errors as for `write_letter`.
    Returns a recording labelled with the word, and the
    seconds (n_letters, 2) when each letter's movement begins and ends; the move to the next lies
    between.
    """
    if not word:
        raise InputError("an empty word cannot be written: give one letter or more")
    for char in word:
        _check(writer, char, case)
    writer = replace(writer, habits=None)
    if case == "2d":
        writer = replace(writer, heights={**writer.heights, "2d": min(writer.heights["2d"], 0.05)})
    letters = [writer.drawn(char, case, repetition + i, rng) for i, char in enumerate(word)]
    pace = writer.tempo * np.cbrt(writer.heights[case] / hand.REFERENCE)
    plane, spans = hand.join(letters, pace, writer.fluency, case == "2d", rng)
    recording, _, before = _sensed(writer, plane, case, word, repetition, rng, rate)
    return recording, spans + before


def _check(writer: Writer, char: str, case: Case) -> None:
    if not writer.writes(char):
        known = tuple(writer.strokes) or characters()
        raise InputError(f"no strokes for '{char}' from {writer.name}: {nearest(char, known)}")
    if case not in _CASES:
        raise InputError(f"unknown case '{case}': {nearest(case, _CASES)}")


def _sensed(
    writer: Writer,
    plane: hand.Plane,
    case: Case,
    label: str,
    repetition: int,
    rng: np.random.Generator,
    rate: float,
) -> tuple[Recording, Trajectory, float]:
    """Return what the sensor in the hand reads, the truth behind it, and the seconds of rest."""
    n_letter = plane.shape[1]
    plane, before = hand.rest(plane, rng)
    position, angles = _in_world(writer, plane, case, rng)

    session = _stream(writer.seed, _SESSION, writer.index, _CASES.index(case))
    grip = _held(case, session, rng)
    offsets = zero_offsets(session)

    recorded = partial(
        Recording,
        id=f"{writer.name}-{case}-{label}-{repetition:02d}",
        channels=(*ACC, *GYRO),
        label=label,
        subject=writer.name,
        session=f"{writer.name}-{case}",
        device="simulated",
        case=case,
    )
    if writer.habits is not None:
        movement = _movement(position, angles, grip)
        then = writer.recorded(label, case, repetition)
        span = (before, before + n_letter / hand.GRID)
        movement, span = writer.habits.perform(movement, span, then, case == "2d")
        t, truth, data = writer.habits.sensed(movement, rate, then)
        trajectory = Trajectory(
            t, truth.position, truth.acceleration, truth.orientation, truth.rotation_rate
        )
        written = (Segment(*span, label),)
        return recorded(data=data, t=t, segments=written), trajectory, span[0]
    grid = np.arange(position.shape[1]) / hand.GRID
    t = sample_times(float(grid[-1]), rate, rng)
    acceleration = np.diff(position, 2, axis=1) * hand.GRID**2
    rates = np.gradient(angles, axis=1) * hand.GRID
    orientation, rotation_rate = hand.turn(_at(t, grid, angles), _at(t, grid, rates))
    trajectory = Trajectory(
        t,
        _at(t, grid, position - position[:, :1])[_RIGHT_UP_FORWARD],
        _at(t, grid[1:-1], acceleration)[_RIGHT_UP_FORWARD],
        (orientation @ grip)[:, _RIGHT_UP_FORWARD],
        grip.T @ rotation_rate,
    )
    data = readings(trajectory.force, trajectory.rotation_rate, rate, offsets, rng)
    return recorded(data=data, t=t), trajectory, before


def _movement(position: Float, angles: Float, grip: Float) -> Movement:
    """Return what a hand at `hand.GRID` does with a device held in it."""
    velocity = np.gradient(position, axis=1) * hand.GRID
    acceleration = np.diff(position, 2, axis=1) * hand.GRID**2
    acceleration = np.pad(acceleration, ((0, 0), (1, 1)), mode="edge")
    orientation, rate = hand.turn(angles, np.gradient(angles, axis=1) * hand.GRID)
    spin = np.einsum("nij,jn->in", orientation, rate)
    return Movement(
        dt=1 / hand.GRID,
        position=(position - position[:, :1])[_RIGHT_UP_FORWARD],
        velocity=velocity[_RIGHT_UP_FORWARD],
        acceleration=acceleration[_RIGHT_UP_FORWARD],
        orientation=(orientation @ grip)[:, _RIGHT_UP_FORWARD],
        spin=spin[_RIGHT_UP_FORWARD],
    )


def _habitual(char: str, habit: np.random.Generator) -> tuple[hand.Piece, ...]:
    """Choose how a writer makes a letter: mostly the common way, seldom one of nobody else's."""
    if habit.random() < 0.1:
        strokes = glyph(char)
        first, *others = (strokes[i] for i in habit.permutation(len(strokes)))
        return hand.cut([first[::-1], *others])
    variants = n_variants(char)
    odd = variants > 1 and habit.random() < 0.35
    return hand.template(char, int(habit.integers(1, variants)) if odd else 0)


def _in_world(
    writer: Writer, plane: hand.Plane, case: Case, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Place the written plane in the world: position (3, n) and angles (3, n) as `hand.mid_air`."""
    xy = plane[:2]
    middle = (xy.min(axis=1) + xy.max(axis=1))[:, None] / 2
    xy = (xy - middle) * writer.heights[case]
    n = plane.shape[1]
    back = writer.lift * plane[2]
    tremor = writer.tremor * hand.wander(rng, n, 8, 12)
    sway = hand.wander(rng, n, 0.1, 0.8)
    wobble = hand.wander(rng, n, 0.1, 0.8)
    if case == "3d":
        position, angles = hand.mid_air(xy, back, writer.lever, writer.elevation)
        angles *= 1 + writer.wrist
        angles[2] += writer.roll * angles[0]
        return position + tremor + writer.sway * sway, angles + np.radians(0.5) * wobble
    # Up the letter is forward, and the forearm turns about the elbow. The surface carries the hand:
    # it trembles less, and it cannot move vertically.
    still = np.zeros(n)
    angles = np.stack([-xy[0] / (2 * writer.lever), still, still])
    return np.stack([*xy, back]) + 0.3 * tremor * _FLAT, angles + np.radians(0.1) * wobble


def _held(case: Case, session: np.random.Generator, rng: np.random.Generator) -> Float:
    """Return device axes to hand, (3, 3), a few degrees off each time.

    In mid-air a device is held in any way. On a surface it lies flat, its x axis to the right
    give or take the writer's habit, as in the study (z reads about 9.8 m/s²).
    """
    from scipy.spatial.transform import Rotation

    if case == "3d":
        grip = Rotation.from_quat(session.standard_normal(4))
    else:
        grip = Rotation.from_rotvec(np.radians(10) * session.standard_normal(3))
    shift = Rotation.from_rotvec(np.radians(4) * rng.standard_normal(3))
    return np.asarray((shift * grip).as_matrix())


def _warp(xy: Float, bend: Float) -> Float:
    """Displace points by a quadratic of their place in the letter: smooth, different each time."""
    u, v = 2 * xy[0] - 0.6, 2 * xy[1] - 1
    return np.asarray(bend.T @ np.stack([u, v, u * u, u * v, v * v]))


def _at(t: Float, grid: Float, rows: Float) -> Float:
    return np.stack([np.interp(t, grid, row) for row in rows])


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
