"""How people record: when they start and stop, where the device is, how the arm moves it.

Networks that know one habit are lost with the next (a phone in the hand, cut to the letter; a
sensor strapped on, a window of three seconds). Habits are drawn once for a person and device, and
again, about that, for every recording. They change a `Movement`, simulated or real, so what the
sensor reads afterwards is a possible reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from imuscribe.signals.config import Config
from imuscribe.signals.recording import STANDARD_GRAVITY, Array
from imuscribe.signals.simulate.movement import Movement, Reach
from imuscribe.signals.simulate.sensor import BMI055, JITTER, Part, readings, sample_times, six

Float = NDArray[np.float64]
Begins = Literal["late", "lead", ""]
Site = Literal["hand", "finger", "wrist", "forearm", "pen", "wand"]


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"{list(limits)} falls: the smaller one comes first")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""From and to; a person has one value between."""
Metres = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=10)]

_SITES: dict[str, tuple[float, float, float]] = {
    "hand": (-0.02, 0.03, 1.0),
    "finger": (0.05, 0.11, 1.3),
    "wrist": (-0.10, -0.06, 0.85),
    "forearm": (-0.22, -0.14, 0.8),
    "pen": (0.02, 0.12, 1.4),
    "wand": (0.08, 0.28, 1.6),
}
"""Metres from the hand along the arm, from and to, and how far it turns relative to the hand."""
_BEGINS: tuple[Begins, ...] = ("late", "lead")
_LEVER = (0.3, 0.6)  # metres from the pivot of an arm to the hand
_QUICKEST = 0.2  # seconds: no move to or from rest is shorter
_REACH = 0.2  # metres that such a move covers in a `tempo`; others take time ∝ length^⅓
_TEMPO = (0.36, 0.56)  # seconds, as of simulated writers
_JOIN = (-0.12, 0.08)  # seconds by which a move runs into the letter; before it, the hand stops
_LEAST = 0.5  # share of a letter that a late start leaves


class HabitConfig(Config):
    """What habits there are, and how far they go; as it stands, none.

    A single figure is the most there may be of something, or its spread; two are a person's limits.
    """

    late: Seconds = 0.0
    """Seconds of the letter that are missing because the recording started late, at most half."""
    idle: Seconds = 0.0
    """Seconds of rest, before the first move and after the last."""
    lead: Metres = 0.0
    """Metres from where the hand rests before a letter to where the letter begins. A person who has
    this habit doesn't start late: where both are on, half the people have each."""
    trail: Metres = 0.0
    """Metres from a letter's end to where the hand sinks to rest."""
    swing: float = Field(default=0.0, ge=0, le=180)
    """Degrees (standard deviation) that the wrist turns on the way, beside what the arm turns."""
    pause: Seconds = 0.0
    """Seconds that the hand stops inside a letter, where it is slow anyway, at most twice."""
    window: PositiveFloat | None = None
    """Seconds that every recording lasts, whether the hand has come to rest by then or not."""
    slope: Range = (0.0, 0.0)
    """Degrees that the writing plane leans forward: 0 is upright, 90 level."""
    arm: Range = (1.0, 1.0)
    """Times that the hand turns as far as it would; 0 moves without turning, below 0 the hand turns
    against its movement."""
    left: float = Field(default=0.0, ge=0, le=1)
    """Share of people who write with the left hand: they roll it the other way and rest it on the
    other side."""
    sites: tuple[Site, ...] = ("hand",)
    """Where the device may be: in the hand, on a finger, the wrist or the forearm, on a pen, or on
    a wand."""
    mount: bool = False
    """The device is fastened in any way round, but always the same."""
    slip: float = Field(default=0.0, ge=0, le=45)
    """Degrees (standard deviation) that it sits otherwise from one recording to the next."""
    size: Range = (1.0, 1.0)
    """Times as large as the person writes."""
    tempo: Range = (1.0, 1.0)
    """Times as long as the person takes."""
    rate: Range | None = None
    """Hz of the sensor; null leaves it."""
    jitter: float = Field(default=JITTER, ge=0, le=0.3)
    """Standard deviation of a sample's time, as a share of the sampling period."""
    hold: Seconds = 0.0
    """Seconds that a sensor repeats its last value, on a clock slower than the recording's."""
    acc_range: tuple[PositiveFloat, ...] = ()
    """g at which acceleration is clipped, such as 2, 4, 8; a device has one. Empty: 4 g."""
    gyro_range: tuple[PositiveFloat, ...] = ()
    """Degrees a second at which rotation is clipped, such as 250, 500, 2000. Empty: 2000."""
    bits: tuple[Annotated[int, Field(ge=6, le=24)], ...] = ()
    """Bits of a reading over the whole range. Empty: 12 over 4 g, 16 over 2000 °/s."""
    acc_noise: float = Field(default=0.0, ge=0, le=1)
    """m/s², root mean square, of an accelerometer's noise beside that of a good part."""
    gyro_noise: float = Field(default=0.0, ge=0, le=10)
    """Degrees a second of a gyroscope's."""
    acc_bias: float = Field(default=0.0, ge=0, le=2)
    """m/s² (standard deviation) of an accelerometer's zero offset."""
    gyro_bias: float = Field(default=0.0, ge=0, le=20)
    """Degrees a second of a gyroscope's."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.sites:
            raise ValueError(f"'sites' is empty: name one or more of {', '.join(_SITES)}")
        for name, least, most in (("slope", -30, 120), ("arm", -2, 2), ("size", 0.2, 5)):
            low, high = getattr(self, name)
            if low < least or high > most:
                raise ValueError(f"'{name}' is [{low:g}, {high:g}]: between {least} and {most}")
        for name, low, high in (("tempo", 0.2, 5), ("rate", 10, 1000)):
            limits = getattr(self, name) or (low, high)
            if limits[0] < low or limits[1] > high:
                raise ValueError(f"'{name}' is {list(limits)}: between {low} and {high}")
        return self


EVERY = HabitConfig(
    late=0.5,
    idle=1.0,
    lead=0.3,
    trail=0.3,
    swing=20,
    pause=0.3,
    slope=(0, 90),
    arm=(-0.6, 1.1),
    left=0.1,
    sites=get_args(Site),
    mount=True,
    slip=3,
    size=(0.6, 1.3),
    tempo=(0.7, 1.5),
    rate=(20, 200),
    jitter=0.1,
    hold=0.03,
    acc_range=(2, 4, 8, 16),
    gyro_range=(250, 500, 1000, 2000),
    bits=(10, 12, 16),
    acc_noise=0.1,
    gyro_noise=0.5,
    acc_bias=0.1,
    gyro_bias=1,
)
"""Every habit; a fixed window is one for itself (`window=3`)."""


@dataclass(frozen=True, eq=False)
class Habits:
    """The habits of one person with one device; `Habits.draw` makes them up."""

    config: HabitConfig
    begins: Begins
    rests: tuple[Float, Float]  # where before and after a letter, from its ends, metres (3,)
    turns: tuple[Float, Float]  # of the wrist between rest and letter, radians (3,)
    lever: float
    tempo: float
    arm: float
    rolled: float  # times the hand rolls as it would: below 0 with the left hand
    slope: float
    follows: float  # radians that the device leans with the plane
    offset: Float  # of the sensor from the hand to the right, up, forward, metres (3,)
    mount: Float
    size: float
    pace: float
    rate: float | None
    part: Part
    offsets: Float  # (6,)
    hold: float

    @classmethod
    def draw(cls, config: HabitConfig, rng: np.random.Generator) -> Habits:
        """Make up a person with a device."""
        from scipy.spatial.transform import Rotation

        had: list[Begins] = [name for name in _BEGINS if getattr(config, name)]
        begins: Begins = had[rng.integers(len(had))] if had else ""
        left = rng.random() < config.left
        side = -1.0 if left else 1.0
        near, far, turns = _SITES[config.sites[rng.integers(len(config.sites))]]
        arm = rng.uniform(*config.arm) * (1.0 if config.sites == ("hand",) else turns)
        slope = np.radians(rng.uniform(*config.slope))
        along = rng.uniform(near, far) * (config.sites != ("hand",))
        turn = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
        return cls(
            config=config,
            begins=begins,
            rests=(_resting(config.lead, side, rng), _resting(config.trail, side, rng)),
            turns=(_twist(config, rng), _twist(config, rng)),
            lever=rng.uniform(*_LEVER),
            tempo=rng.uniform(*_TEMPO),
            arm=arm,
            rolled=side * arm,
            slope=slope,
            follows=slope * rng.random(),
            offset=along * np.array([*rng.normal(0, 0.2, 2), 1.0]),
            mount=turn if config.mount else np.eye(3),
            size=_between(config.size, rng),
            pace=_between(config.tempo, rng),
            rate=_between(config.rate, rng) if config.rate else None,
            part=_part(config, rng),
            offsets=rng.standard_normal(6)
            * six(config.acc_bias, float(np.radians(config.gyro_bias)))[:, 0],
            hold=rng.uniform(0, config.hold),
        )

    def perform(
        self,
        movement: Movement,
        span: tuple[float, float],
        rng: np.random.Generator,
        flat: bool = False,
    ) -> tuple[Movement, tuple[float, float]]:
        """Return one recording's movement under these habits, and when its letter is written.

        `span` are the seconds between which the given movement writes; outside it is at rest. A
        `flat` surface stays level, and no hand rests below it.
        """
        from scipy.spatial.transform import Rotation

        pace = self.pace * np.exp(rng.normal(0, 0.05)) if self.pace != 1 else 1.0
        done = movement.scaled(self.size, pace)
        start, end = (pace * second for second in span)
        for _ in range(int(rng.integers(3)) if self.config.pause else 0):
            seconds = rng.uniform(0, self.config.pause)
            done = done.slowed(_calm(done, start, end, rng), seconds)
            end += seconds
        if (self.arm, self.rolled) != (1.0, 1.0):
            done = done.swung(self.arm, self.rolled)
        if self.slope and not flat:
            done = done.leaning(self.slope, self.follows)
        done, start, end = self._begun_and_ended(done, start, end, rng, flat)
        if self.offset.any():
            done = done.shifted(done.orientation[done.n // 2].T @ self.offset)
        slipped = Rotation.from_rotvec(rng.normal(0, self.config.slip, 3), degrees=True)
        return done.mounted(slipped.as_matrix() @ self.mount), (start, end)

    def sensed(
        self, movement: Movement, rate: float, rng: np.random.Generator
    ) -> tuple[Float, Movement, Array]:
        """Return when samples were taken, the truth then, and what the sensor reads, (6, n).

        `rate` in Hz is the sensor's where its own is not a habit.
        """
        rate = self.rate or rate
        t = sample_times(float(movement.t[-1]), rate, rng, self.config.jitter)
        fresh = t
        if self.hold * rate > 1:
            phase = rng.uniform(0, self.hold)
            fresh = np.clip(np.floor((t + phase) / self.hold) * self.hold - phase, 0, None)
        measured, row = np.unique(fresh, return_inverse=True)
        truth = movement.at(measured)
        pull = truth.acceleration + np.array([[0.0], [STANDARD_GRAVITY], [0.0]])
        force = np.einsum("nij,in->jn", truth.orientation, pull)
        more = six(self.config.acc_noise, float(np.radians(self.config.gyro_noise)))
        part = replace(self.part, noise=np.hypot(self.part.noise, more / np.sqrt(rate / 2)))
        read = readings(force, truth.rotation_rate, rate, self.offsets, rng, part)
        return t, movement.at(t), read[:, row]

    def _begun_and_ended(
        self, done: Movement, start: float, end: float, rng: np.random.Generator, flat: bool
    ) -> tuple[Movement, float, float]:
        """Add what comes before and after the letter, or cut it off."""
        config, window = self.config, self.config.window
        first, stop = 0.0, done.n * done.dt
        reaches: list[Reach | None] = [None, None]
        if self.begins == "late":
            first = start + rng.uniform(0, min(config.late, _LEAST * (end - start)))
        elif config.lead or config.idle:
            first = max(0.0, start - rng.uniform(*_JOIN)) if config.lead else 0.0
            reaches[0] = self._reach(0, rng, flat)
        if config.trail or config.idle or window:
            stop = min(stop, end + rng.uniform(*_JOIN)) if config.trail else stop
            reaches[1] = self._reach(1, rng, flat)
        i, j = round(first / done.dt), round(stop / done.dt)
        done = done.cut(i, max(j, i + 10))
        start, end = max(0.0, start - first), end - first
        n = done.n
        done = done.extended(*reaches)
        if reaches[0]:
            before = done.n - n - (_samples(reaches[1], done.dt) if reaches[1] else 0)
            start, end = start + before * done.dt, end + before * done.dt
        if window:
            length = round(window / done.dt)
            # Where everything doesn't fit, the rest before the letter goes first.
            late = max(0.0, min(start, end - window))
            begin = round(late / done.dt)
            done = done.cut(begin, begin + length)
            start, end = start - begin * done.dt, min(end - begin * done.dt, window)
        return done, start, min(end, float(done.t[-1]))

    def _reach(self, side: int, rng: np.random.Generator, flat: bool) -> Reach:
        place = self.rests[side] * np.exp(rng.normal(0, 0.2, 3))
        if flat:
            place[1] = abs(place[1])
        length = float(np.linalg.norm(place))
        seconds = max(_QUICKEST, self.tempo * self.pace * np.cbrt(length / _REACH))
        # An arm turns the hand as it moves it: right is a negative turn about up.
        right, up, _ = -place / self.lever
        swung = np.array([up * self.arm, -right * self.arm, 0.0])
        twist = self.turns[side] * np.exp(rng.normal(0, 0.2))
        idle = rng.uniform(0, self.config.idle)
        return Reach(place, swung + twist, seconds, idle, _trembling(rng))


def _samples(reach: Reach, dt: float) -> int:
    return max(2, round(reach.seconds / dt)) + round(reach.idle / dt)


def _resting(most: float, side: float, rng: np.random.Generator) -> Float:
    """Draw where a hand rests: below the letter, to its own side, nearer to the body."""
    toward = np.array(
        [side * rng.uniform(-0.3, 0.7), rng.uniform(-1.0, -0.2), rng.uniform(-0.7, 0)]
    )
    return np.asarray(most * rng.uniform(0.3, 1.0) * toward / np.linalg.norm(toward))


def _twist(config: HabitConfig, rng: np.random.Generator) -> Float:
    return np.asarray(np.radians(config.swing) * rng.standard_normal(3))


def _between(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a factor or a rate: doubling is as likely from 1 as from 2."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def _part(config: HabitConfig, rng: np.random.Generator) -> Part:
    def of(given: tuple[float, ...], else_: float) -> float:
        return float(given[rng.integers(len(given))]) if given else else_

    limit = BMI055.limit * six(of(config.acc_range, 4) / 4, of(config.gyro_range, 2000) / 2000)
    bits = of(config.bits, 0)
    step = 2 * limit / 2**bits if bits else BMI055.step
    return Part(BMI055.noise, limit, step)


def _calm(movement: Movement, start: float, end: float, rng: np.random.Generator) -> float:
    """Return a time inside a letter at which the hand is slow, drawn among its slowest."""
    speed = np.linalg.norm(movement.velocity, axis=0)
    inside = (movement.t > start + 0.15 * (end - start)) & (movement.t < end - 0.15 * (end - start))
    dips = (
        np.flatnonzero(inside[1:-1] & (speed[1:-1] <= speed[:-2]) & (speed[1:-1] < speed[2:])) + 1
    )
    if not dips.size:
        return (start + end) / 2
    slowest = dips[np.argsort(speed[dips])[:4]]
    return float(movement.t[rng.choice(slowest)])


def _trembling(rng: np.random.Generator) -> Any:
    """Return oscillations of a waiting hand: (n, seconds a sample) → unit power, (3, n)."""
    frequency = rng.uniform(0.5, 10, (3, 3, 1))
    phase = rng.uniform(0, 2 * np.pi, (3, 3, 1))

    def tremble(n: int, dt: float) -> Float:
        waves = np.sin(2 * np.pi * frequency * np.arange(n) * dt + phase)
        return np.asarray(waves.sum(axis=1) * np.sqrt(2 / 3))

    return tremble
