"""The explainer tells what a recording shows, and every number in its text is the recording's."""

import re
from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from imuscribe.prompts.captions.explain import COMPASS, ExplainConfig, compass, explain
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

RATE = 100.0
DEVICE = ExplainConfig(frame=FrameConfig(heading="device"))
STEPS = {"right": (1, 0), "up": (0, 1), "left": (-1, 0), "down": (0, -1)}


def reach(distance, seconds=0.5):
    """Return the acceleration of a minimum-jerk reach over `distance` metres."""
    s = np.linspace(0, 1, int(seconds * RATE), endpoint=False)
    return distance / seconds**2 * (60 * s - 180 * s**2 + 120 * s**3)


def written(steps, before=0.3, pause=0.0, after=0.3, gyro=True, scale=1.0):
    """Return a recording of straight steps (right, up) in mid-air, device upright and not turned.

    Device x points right, y up, z back to the writer.
    """
    parts = [np.zeros((2, int(before * RATE)))]
    for right, up in steps:
        parts += [np.stack([reach(scale * right), reach(scale * up)])]
        parts += [np.zeros((2, int(pause * RATE)))]
    parts += [np.zeros((2, int(after * RATE)))]
    plane = np.concatenate(parts, axis=1)
    acc = np.vstack([plane[0], plane[1] + STANDARD_GRAVITY, np.zeros(plane.shape[1])])
    data = np.vstack([acc, np.zeros_like(acc)]) if gyro else acc
    t = np.arange(plane.shape[1]) / RATE
    return Recording("made", data, ACC + GYRO if gyro else ACC, t, case="3d")


def turned(rec, rotation):
    """Return the recording of the same movement with the device held differently."""
    data = np.vstack([rotation.apply(rows.T).T for rows in (rec.acc, rec.gyro)])
    return rec.replace(data=data)


def moves(explanation):
    return [phase for phase in explanation.phases if phase.kind == "movement"]


@pytest.mark.parametrize("direction", STEPS)
def test_a_single_reach_is_told_as_it_was(direction):
    right, up = STEPS[direction]
    made = explain(written([(0.2 * right, 0.2 * up)]), config=DEVICE)
    (move,) = moves(made)
    assert move.direction == direction
    assert move.length == pytest.approx(0.2, rel=0.02)
    assert move.peak == pytest.approx(1.875 * 0.2 / 0.5, rel=0.02)  # minimum jerk: 15/8 mean speed
    assert move.start == pytest.approx(0.3, abs=0.1)
    assert move.end == pytest.approx(0.8, abs=0.1)
    assert [phase.kind for phase in made.phases] == ["rest", "movement", "rest"]
    assert "Turning points: 0." in made.text
    assert f"{direction} 0.20 m" in made.text


def test_strokes_come_in_order_with_their_turning_points():
    made = explain(written([(0, -0.3), (0.2, 0.0), (0.0, 0.15)]), config=DEVICE)
    assert [move.direction for move in moves(made)] == ["down", "right", "up"]
    assert "Turning points: 2." in made.text


def test_there_and_back_on_one_line_is_one_turning_point():
    made = explain(written([(0, 0.3), (0, -0.2)]), config=DEVICE)
    assert [move.direction for move in moves(made)] == ["up", "down"]
    assert moves(made)[1].length == pytest.approx(0.2, abs=0.02)
    assert "Turning points: 1." in made.text


def test_a_pause_within_a_straight_line_is_rest_but_no_turn():
    made = explain(written([(0.2, 0), (0.2, 0)], pause=0.5), config=DEVICE)
    assert [p.kind for p in made.phases] == ["rest", "movement", "rest", "movement", "rest"]
    assert "Turning points: 0." in made.text


def test_a_device_at_rest_is_told_as_rest():
    made = explain(written([], before=1.0), config=DEVICE)
    assert [phase.kind for phase in made.phases] == ["rest"]
    assert "mean acceleration 9.81 m/s², up is +y" in made.text


@pytest.mark.parametrize(
    ("rotation", "up"),
    [
        (Rotation.from_euler("z", 180, degrees=True), "-y"),
        (Rotation.from_euler("x", 90, degrees=True), "+z"),
        (Rotation.from_euler("xyz", [20, 140, -75], degrees=True), None),
    ],
)
def test_how_the_device_is_held_changes_the_up_axis_only(rotation, up, letters):
    recordings = [written([(0.05, -0.3), (0.2, 0.1)]), *letters(1, 1, "B,S")]
    for rec in recordings:
        plain, other = explain(rec), explain(turned(rec, rotation))
        assert moves(plain)
        assert [p.direction for p in other.phases] == [p.direction for p in plain.phases]
        for a, b in zip(plain.phases, other.phases, strict=True):
            assert (a.start, a.end) == (b.start, b.end)
            assert b.length == pytest.approx(a.length, rel=1e-3, abs=1e-4)
    if up is not None:
        assert f"up is {up}" in explain(turned(recordings[0], rotation)).text


def test_twice_the_size_is_twice_the_length_and_speed():
    small, large = (explain(written([(0.2, 0), (0, 0.1)], scale=s)) for s in (1, 2))
    for a, b in zip(moves(small), moves(large), strict=True):
        assert b.length == pytest.approx(2 * a.length, rel=0.05)
        assert b.peak == pytest.approx(2 * a.peak, rel=0.05)
    assert small.text != large.text


def test_every_number_in_the_text_follows_from_the_recording(letters):
    """Recompute each stated value from the motion; no other number may occur."""
    for rec in letters(2, 1, "A,K,O,Z"):
        made = explain(rec)
        motion = writing_motion(rec)
        path, velocity = motion.plane("position"), motion.plane("velocity")
        speed = np.linalg.norm(velocity, axis=0)
        expected = [f"{rec.duration:.2f}", f"{np.linalg.norm(rec.acc, axis=0).mean():.2f}"]
        for phase in made.phases:
            first, last = np.searchsorted(rec.t, [phase.start, phase.end])
            expected.append(f"{rec.t[last]:.2f}")
            if phase.kind == "movement":
                step = path[:, last] - path[:, first]
                expected += [f"{np.linalg.norm(step):.2f}", f"{speed[first : last + 1].max():.1f}"]
                assert phase.direction == compass(step)
        assert made.turns >= 0
        numbers = re.findall(r"(?<![\w.])\d+(?:\.\d+)?", made.text)
        assert numbers == [*expected, f"{made.turns}"]


def test_phases_cover_the_recording_without_overlap(letters):
    for rec in letters(2, 2, "A-Z"):
        phases = explain(rec).phases
        assert phases[0].start == 0
        assert phases[-1].end == pytest.approx(rec.duration)
        assert all(a.end == b.start for a, b in pairwise(phases))


def test_max_phases_limits_what_is_told_but_not_the_turning_points(letters):
    (rec,) = letters(1, 1, "W")
    for limit in (1, 2, 3):
        assert len(moves(explain(rec, config=ExplainConfig(max_phases=limit)))) <= limit
    turns = {explain(rec, config=ExplainConfig(max_phases=k)).turns for k in (1, 3, 9)}
    assert len(turns) == 1


def test_the_label_is_concluded_and_changes_no_reason(letters):
    (rec,) = letters(1, 1, "Q")
    named, other, plain = explain(rec, "Q"), explain(rec, "X"), explain(rec)
    assert named.text == f"{plain.reasoning}\nConclusion: Q"
    assert named.reasoning == other.reasoning == plain.text


def test_without_gyroscope_the_axes_are_told():
    made = explain(written([(0.3, 0)], gyro=False))
    assert [(p.direction, p.peak > 0) for p in made.phases if p.kind == "pulse"] == [
        ("x", True),
        ("x", False),
    ]
    speeding, braking = (p for p in made.phases if p.kind == "pulse")
    assert 0.3 <= speeding.start < speeding.end <= braking.start < braking.end <= 0.81
    assert speeding.peak == pytest.approx(5.77 * 0.3 / 0.5**2, rel=0.02)  # minimum-jerk extreme
    assert "rest" in made.text
    assert "up is +y" in made.text


def test_no_distance_is_told_beyond_the_reach_of_an_arm():
    walk = written([(30.0, 0)])
    assert {phase.kind for phase in explain(walk).phases} == {"pulse", "still"}
    assert " m, " not in explain(walk).text
    assert moves(explain(walk, config=ExplainConfig(reach=50)))


def test_without_gravity_there_is_no_up():
    still = written([(0.2, 0)])
    floating = still.replace(data=still.data - np.array([[0, 9.80665, 0, 0, 0, 0]]).T)
    with pytest.raises(InputError, match="gravity"):
        explain(floating)


def test_compass_names_eight_directions():
    angles = np.arange(8) * np.pi / 4
    for nudge in (-0.3, 0.0, 0.3):
        steps = [np.array([np.cos(a + nudge), np.sin(a + nudge)]) for a in angles]
        assert tuple(compass(step) for step in steps) == COMPASS


def test_the_text_is_short(letters):
    """About 150 SmolLM2 tokens: one a digit or mark, one a short word."""
    pieces = re.compile(r"\d|[A-Za-z]+|[^\w\s]")
    lengths = [len(pieces.findall(explain(rec).text)) for rec in letters(1, 1, "A-Z")]
    assert np.median(lengths) <= 150
    assert max(lengths) <= 180
