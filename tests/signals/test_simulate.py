"""Simulated writers: the physics holds, seeds reproduce, people differ as people do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from imuscribe.signals.errors import InputError
from imuscribe.signals.simulate import (
    SimulateConfig,
    Writer,
    simulate,
    study_protocol,
    write_letter,
)
from imuscribe.signals.simulate.glyphs import characters, glyph, n_variants
from imuscribe.signals.simulate.sensor import Trajectory, readings

RIGHT, UP, FORWARD = range(3)
CASES = ("2d", "3d")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def velocity(truth: Trajectory) -> np.ndarray:
    return np.gradient(truth.position, truth.t, axis=1)


def integral(rows: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Integrate from zero by the trapezoidal rule."""
    areas = (rows[:, 1:] + rows[:, :-1]) / 2 * np.diff(t)
    return np.pad(np.cumsum(areas, axis=1), ((0, 0), (1, 0)))


# --- templates ---------------------------------------------------------------------------------


def test_every_letter_and_digit_has_strokes_within_the_lines() -> None:
    expected = [chr(c) for a, z in ("AZ", "az", "09") for c in range(ord(a), ord(z) + 1)]
    assert sorted(characters()) == sorted(expected)
    for char in expected:
        for variant in range(n_variants(char)):
            points = np.concatenate(glyph(char, variant))
            assert points[:, 0].min() >= -0.2 and points[:, 0].max() <= 1
            assert points[:, 1].min() >= -0.42 and points[:, 1].max() <= 1.01
            if char.isupper():
                assert np.ptp(points[:, 1]) >= 0.99, f"{char} is not as tall as a capital"


def test_no_two_characters_of_a_kind_share_a_drawing() -> None:
    for kind in (str.isupper, str.islower, str.isdigit):
        drawings = [
            tuple(stroke.round(3).tobytes() for stroke in glyph(char, variant))
            for char in filter(kind, characters())
            for variant in range(n_variants(char))
        ]
        assert len(set(drawings)) == len(drawings)


def test_an_o_may_be_written_either_way_round() -> None:
    def area(stroke: np.ndarray) -> float:
        x, y = stroke.T
        return float(np.sum(x[:-1] * np.diff(y) - y[:-1] * np.diff(x)) / 2)

    counter_clockwise, clockwise = (area(glyph("O", variant)[0]) for variant in (0, 1))
    assert counter_clockwise == pytest.approx(np.pi * 0.42 * 0.5, rel=0.01)
    assert clockwise == pytest.approx(-counter_clockwise)


# --- physics -----------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.dot(q, q) > 0.1))
@settings(max_examples=40)
def test_a_still_device_reads_gravity_upward_in_any_orientation(quaternion: list[float]) -> None:
    to_world = Rotation.from_quat(quaternion).as_matrix()
    up = to_world.T @ [0, 0, 9.80665]
    still = np.zeros((3, 400))
    data = readings(still + up[:, None], still, 200.0, np.zeros(6), rng())
    assert data.mean(axis=1)[:3] == pytest.approx(up, abs=0.015)
    assert np.linalg.norm(data[:3].mean(axis=1)) == pytest.approx(9.80665, abs=0.015)
    assert np.abs(data[3:].mean(axis=1)).max() < 0.001


@pytest.mark.parametrize("index", range(4))
def test_a_resting_hand_on_a_table_reads_gravity(index: int) -> None:
    recording, truth = write_letter(Writer.draw(index), "K", "2d", rng(index))
    first = truth.t < 0.12
    force = recording.acc[:, first].mean(axis=1)
    assert np.linalg.norm(force) == pytest.approx(9.80665, abs=0.25)
    upward = truth.orientation[0] @ force / np.linalg.norm(force)
    assert upward[UP] > 0.999


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("char", "ABEOSWgmx48")
def test_integrating_perfect_readings_recovers_the_path(char: str, case: Any) -> None:
    for index in range(3):
        from_rest = replace(Writer.draw(index), sway=0.0, tremor=0.0)
        _, truth = write_letter(from_rest, char, case, rng(index))
        gravity = np.array([0, 9.80665, 0])[:, None]
        acceleration = np.einsum("nij,jn->in", truth.orientation, truth.force) - gravity
        path = integral(integral(acceleration, truth.t), truth.t)
        extent = np.ptp(truth.position, axis=1).max()
        assert np.abs(path - truth.position).max() < 0.01 * extent


@pytest.mark.parametrize("case", CASES)
def test_the_gyroscope_reads_the_turning_of_the_device(case: Any) -> None:
    for index in range(4):
        _, truth = write_letter(Writer.draw(index), "S", case, rng(index))
        assert np.linalg.det(truth.orientation) == pytest.approx(-1)  # right, up, forward
        step = np.einsum("nji,njk->nik", truth.orientation[:-1], truth.orientation[1:])
        measured = Rotation.from_matrix(step).as_rotvec().T / np.diff(truth.t)
        stated = (truth.rotation_rate[:, 1:] + truth.rotation_rate[:, :-1]) / 2
        assert np.abs(measured - stated).max() < 0.02 * np.abs(stated).max() + 1e-3


def test_in_the_air_the_forearm_turns_with_the_hand() -> None:
    for index in range(5):
        writer = Writer.draw(index)
        _, truth = write_letter(writer, "X", "3d", rng(index))
        turning = np.einsum("nij,jn->in", truth.orientation, truth.rotation_rate)
        moving = velocity(truth)
        assert np.corrcoef(turning[UP], moving[RIGHT])[0, 1] < -0.95
        assert np.corrcoef(turning[RIGHT], moving[UP])[0, 1] > 0.95
        radians_a_metre = np.std(turning[RIGHT]) / np.std(moving[UP])
        assert 1 / 0.65 < radians_a_metre < 1.35 / 0.25


def test_in_the_air_the_hand_stays_on_a_sphere_about_the_pivot() -> None:
    writer = replace(Writer.draw(1), lift=0.0, sway=0.0, tremor=0.0)
    _, truth = write_letter(writer, "M", "3d", rng())
    # |p|² = 2 p·c + (r² − |c|²) is linear in the centre c.
    matrix = np.vstack([2 * truth.position, np.ones_like(truth.t)]).T
    *centre, rest = np.linalg.lstsq(matrix, (truth.position**2).sum(axis=0), rcond=None)[0]
    assert np.sqrt(rest + np.dot(centre, centre)) == pytest.approx(writer.lever, rel=1e-3)
    assert centre[FORWARD] < 0


def test_on_a_table_the_hand_moves_vertically_only_to_lift_the_pen() -> None:
    for index in range(4):
        writer = Writer.draw(index)
        for char, lifts in (("Z", False), ("X", True)):
            _, truth = write_letter(writer, char, "2d", rng(index))
            rise = np.ptp(truth.position[UP])
            assert rise < 1.2 * writer.lift + 1e-3
            assert abs(truth.position[UP, -1]) < 1e-4
            if lifts:
                assert rise > 0.5 * writer.lift
        turning = np.einsum("nij,jn->in", truth.orientation, truth.rotation_rate)
        assert np.abs(turning).max() < 2, "the device hardly turns on a surface"


def test_movements_look_human() -> None:
    durations = []
    for index in range(6):
        for char in "AEKORSW":
            _, truth = write_letter(Writer.draw(index), char, "3d", rng(index))
            speed = np.linalg.norm(velocity(truth), axis=0)
            busy = np.flatnonzero(speed > 0.1 * speed.max())
            durations.append(truth.t[busy[-1]] - truth.t[busy[0]])
            assert truth.t[busy[0]] > 0.1 and truth.t[-1] - truth.t[busy[-1]] > 0.1, "rests first"
            assert 0.5 < speed.max() < 4
            assert np.linalg.norm(truth.acceleration, axis=0).max() < 60
    assert 1 < np.median(durations) < 2.5
    assert min(durations) > 0.5 and max(durations) < 4


def test_the_hand_slows_down_at_a_corner() -> None:
    for index in range(5):
        _, truth = write_letter(replace(Writer.draw(index), sway=0.0), "L", "3d", rng(index))
        speed = np.linalg.norm(velocity(truth), axis=0)
        lowest = np.argmin(truth.position[UP] + truth.position[RIGHT])
        assert speed[lowest] < 0.5 * speed.max()


@pytest.mark.parametrize(("case", "up"), [("2d", FORWARD), ("3d", UP)])
def test_an_l_ends_below_and_to_the_right_of_its_start(case: Any, up: int) -> None:
    ends = [
        write_letter(Writer.draw(index), "L", case, rng(index))[1].position[:, -1]
        for index in range(12)
    ]
    # Nine people in ten write it the common way.
    assert np.mean([end[up] < 0 < end[RIGHT] for end in ends]) > 0.7


# --- the sensor --------------------------------------------------------------------------------


def test_readings_are_quantised_and_clipped_like_the_parts() -> None:
    huge = np.array([[50.0, -50.0, 0.0]] * 3)
    data = readings(huge, huge, 200.0, np.zeros(6), rng()).astype(float)
    bit, turn = 8 * 9.80665 / 4096, np.radians(1 / 16.4)
    assert data[0] == pytest.approx([2047 * bit, -2048 * bit, 0], abs=0.01)
    assert data[3] == pytest.approx(np.radians([2000, -2000, 0]), abs=0.01)
    for rows, step in ((data[:3], bit), (data[3:], turn)):
        assert rows / step == pytest.approx(np.round(rows / step), abs=1e-3)


def test_the_clock_is_irregular_but_never_goes_back() -> None:
    recording, _ = write_letter(Writer.draw(0), "B", "3d", rng(), rate=100.0)
    steps = np.diff(recording.t)
    assert recording.rate == pytest.approx(100, rel=0.01)
    assert steps.min() > 0
    assert 0.02 < np.std(steps) * 100 < 0.08


def test_a_recording_says_what_it_is() -> None:
    recording, truth = write_letter(Writer.draw(2), "g", "2d", rng(), repetition=7)
    assert (recording.id, recording.label, recording.subject) == ("sim-003-2d-g-07", "g", "sim-003")
    assert (recording.device, recording.case) == ("simulated", "2d")
    assert recording.n_samples == truth.t.size == truth.position.shape[1]


# --- people ------------------------------------------------------------------------------------


def test_a_person_holds_the_device_alike_in_a_session_and_unlike_others() -> None:
    def up_in_device(index: int, case: Any, repetition: int) -> np.ndarray:
        _, truth = write_letter(Writer.draw(index), "A", case, rng(repetition))
        return truth.orientation[0][UP]

    own = [up_in_device(0, "3d", repetition) for repetition in range(6)]
    assert min(own[0] @ other for other in own) > np.cos(np.radians(35))
    assert max(own[0] @ other for other in own[1:]) < 1 - 1e-6
    others = [up_in_device(index, "3d", 0) for index in range(1, 12)]
    assert min(own[0] @ other for other in others) < 0


def test_strangers_are_harder_to_read_than_friends_but_not_hopeless() -> None:
    def features(index: int, char: str, repetition: int) -> np.ndarray:
        _, truth = write_letter(Writer.draw(index), char, "3d", rng(100 * index + repetition))
        speed = np.linalg.norm(velocity(truth), axis=0)
        busy = np.flatnonzero(speed > 0.1 * speed.max())
        at = np.linspace(truth.t[busy[0]], truth.t[busy[-1]], 33)
        steps = np.diff([np.interp(at, truth.t, row) for row in truth.position[:2]], axis=1)
        return (steps / np.sqrt(np.mean(steps**2))).ravel()

    labels = np.array([chr(c) for c in range(ord("A"), ord("Z") + 1)])
    X = np.array([[[features(i, c, r) for c in labels] for r in range(2)] for i in range(4)])

    def nearest(train: np.ndarray, test: np.ndarray) -> float:
        distances = ((test[:, None] - train.reshape(-1, 64)[None]) ** 2).sum(axis=2)
        return float(np.mean(distances.argmin(axis=1) % 26 == np.arange(26)))

    friend = np.mean([nearest(X[i, 0], X[i, 1]) for i in range(4)])
    stranger = np.mean([nearest(np.delete(X, i, axis=0), X[i, 0]) for i in range(4)])
    assert friend > 0.9
    assert 0.4 < stranger < 0.95
    assert stranger < friend


# --- seeds and protocols -----------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    return bool(a.id == b.id and np.array_equal(a.data, b.data) and np.array_equal(a.t, b.t))


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    config = SimulateConfig(labels="A-C", repetitions=2, seed=5)
    first, again = simulate(config), simulate(config)
    assert all(map(same, first, again))
    other = simulate(SimulateConfig(labels="A-C", repetitions=2, seed=6))
    assert not any(map(same, first, other))


def test_a_recording_does_not_depend_on_what_else_is_drawn() -> None:
    whole = {r.id: r for r in simulate(SimulateConfig(people=3, labels="A-D", repetitions=3))}
    part = simulate(SimulateConfig(people=2, labels="D,B", cases=("3d",), repetitions=2))
    assert len(part) == 2 * 2 * 2
    assert all(same(recording, whole[recording.id]) for recording in part)


def test_the_study_has_1040_recordings() -> None:
    recordings = simulate(study_protocol(seed=3))
    assert len(recordings) == 1040 == len({recording.id for recording in recordings})
    assert set(Counter((r.subject, r.label, r.case) for r in recordings).values()) == {10}
    assert Counter(r.subject for r in recordings) == {"sim-001": 520, "sim-002": 520}


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    simulate(SimulateConfig(people=1, labels="A", repetitions=1), progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err


# --- pen trajectories from a file ---------------------------------------------------------------


def pen_row(label: str = "L", writer: str = "w1", rate: float = 100.0, **changes: Any) -> dict:
    """An upright cross-bar letter in two strokes, or whatever `changes` say."""
    down = np.linspace(900, 100, 40).round()
    across = np.linspace(50, 450, 30).round()
    row = {
        "writer": writer,
        "label": label,
        "rate_hz": rate,
        "x": [50.0] * 40 + across.tolist(),
        "y": down.tolist() + [500.0] * 30,
        "pen_down": [1] * 70,
        "stroke_start": [1] + [0] * 39 + [1] + [0] * 29,
    }
    return row | changes


def write_pen(path: Path, rows: list[dict]) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


@pytest.mark.parametrize("rate", [100.0, 0.0])
@pytest.mark.parametrize("case", CASES)
def test_pen_strokes_are_followed_in_order_and_joined_in_the_air(
    tmp_path: Path, rate: float, case: Any
) -> None:
    from imuscribe.signals.simulate.pen import read_pen

    path = write_pen(tmp_path / "pen.parquet", [pen_row(rate=rate)])
    ((index, name, samples),) = read_pen(path, ["L"], people=5, repetitions=5)
    writer = Writer.draw(index, 0, name, samples)
    writer = replace(writer, variability=0.0, sway=0.0, tremor=0.0)
    _, truth = write_letter(writer, "L", case, rng())
    right, up = truth.position[[RIGHT, FORWARD if case == "2d" else UP]] / writer.heights[case]
    lowest = int(np.argmin(up))
    assert up[lowest] == pytest.approx(-1, abs=0.12)
    assert abs(right[lowest]) < 0.1, "the first stroke is upright"
    assert up[-1] == pytest.approx(-0.5, abs=0.1)
    assert right[-1] == pytest.approx(0.5, abs=0.1)


def test_a_pen_file_gives_its_people_and_no_more_than_it_holds(tmp_path: Path) -> None:
    rows = [pen_row("A", "ann"), pen_row("A", "ann", 0.0), pen_row("B", "ann"), pen_row("B", "bob")]
    path = write_pen(tmp_path / "pen.parquet", [*rows, pen_row("7", "cat")])
    config = SimulateConfig(people=9, labels="A-C", cases=("3d",), repetitions=5, strokes=path)
    recordings = simulate(config)
    assert Counter((r.subject, r.label) for r in recordings) == {
        ("ann", "A"): 2,
        ("ann", "B"): 1,
        ("bob", "B"): 1,
    }
    one = simulate(config.model_copy(update={"people": 1, "labels": "B"}))
    assert len(one) == 1
    by_id = {recording.id: recording for recording in recordings}
    assert all(same(recording, by_id[recording.id]) for recording in one)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([pen_row("7")], "holds none of A"),
        ([pen_row("A", x=[1.0, 2.0])], r"lists of \[2, 70, 70, 70\]"),
        ([pen_row("A", x=[], y=[], pen_down=[], stroke_start=[])], "one length above 0"),
        ([pen_row("A", pen_down=[0] * 70)], "never has the pen down"),
        ([pen_row("A", x=["a"] * 70)], "x holds lists of string"),
        ([pen_row("A", x=3.0)], "x is double: need lists"),
        ([pen_row("A", x=[None] + [1.0] * 69)], "lacks a number"),
        ([{"writer": "w", "label": "A"}], "lacks the column rate_hz, x, y"),
    ],
)
def test_a_wrong_pen_file_is_refused_in_one_line(
    tmp_path: Path, rows: list[dict], message: str
) -> None:
    path = write_pen(tmp_path / "pen.parquet", rows)
    with pytest.raises(InputError, match=message) as caught:
        simulate(SimulateConfig(labels="A", strokes=path))
    assert "\n" not in str(caught.value)


def test_a_pen_file_that_is_absent_or_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        simulate(SimulateConfig(strokes=str(tmp_path / "none.parquet")))
    (tmp_path / "text.parquet").write_text("hello, this is text")
    with pytest.raises(InputError, match="not a readable Parquet file") as caught:
        simulate(SimulateConfig(strokes=str(tmp_path / "text.parquet")))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="not a readable Parquet file"):
        simulate(SimulateConfig(strokes=str(tmp_path)))


def test_real_pen_strokes_become_recordings(shared_data: Callable[[str], Path]) -> None:
    path = str(shared_data("unipen_capitals_digits.parquet"))
    config = SimulateConfig(people=4, labels="A-Z", cases=("3d",), repetitions=1, strokes=path)
    recordings = simulate(config)
    assert Counter(r.subject for r in recordings).most_common(4)[-1][1] == 26
    assert 1 < np.median([r.duration for r in recordings]) < 4
    assert max(np.abs(r.acc).max() for r in recordings) < 45


# --- mistakes ----------------------------------------------------------------------------------


def test_mistakes_name_what_would_be_right() -> None:
    with pytest.raises(InputError, match="no stroke template for 'walking'"):
        simulate(SimulateConfig(labels="A,walking"))
    with pytest.raises(InputError, match="no strokes for 'é'"):
        write_letter(Writer.draw(0), "é", "3d", rng())
    with pytest.raises(InputError, match="unknown case '4d'"):
        write_letter(Writer.draw(0), "A", "4d", rng())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="did you mean 'repetitions'"):
        SimulateConfig.parse({"repetition": 3})
    for wrong in ({"people": 0}, {"rate": 1}, {"cases": ()}, {"cases": ("4d",)}):
        with pytest.raises(ValidationError):
            SimulateConfig(**wrong)  # type: ignore[arg-type]
