"""Habits of recording: whatever is drawn, accelerometer and gyroscope tell one movement."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.augment import AugmentConfig, augment
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.turning import judge, misfits
from imuscribe.signals.simulate import EVERY, HabitConfig, SimulateConfig, Writer, simulate
from imuscribe.signals.simulate.writer import write_letter
from tests.signals.test_simulate import integral, rng, velocity

RIGHT, UP, FORWARD = range(3)
PERFECT = {"rate": None, "hold": 0.0, "jitter": 0.0}
KNOBS = {
    "late": 0.4,
    "idle": 1.0,
    "lead": 0.3,
    "trail": 0.3,
    "pause": 0.4,
    "window": 3.0,
    "slope": (60.0, 90.0),
    "arm": (-0.6, -0.2),
    "left": 1.0,
    "sites": ("forearm",),
    "mount": True,
    "slip": 5.0,
    "size": (0.5, 0.7),
    "tempo": (1.3, 1.5),
    "rate": (25.0, 40.0),
    "hold": 0.05,
    "acc_range": (2.0,),
    "gyro_range": (40.0,),
    "bits": (8,),
    "acc_noise": 0.2,
    "gyro_noise": 2.0,
    "acc_bias": 0.3,
    "gyro_bias": 3.0,
}


def written(habits, index=0, char="S", case="3d", repetition=0, rate=400.0):
    writer = Writer.draw(index, habits=habits)
    return write_letter(writer, char, case, rng(index), repetition, rate)


def only(**knobs):
    return HabitConfig(**knobs)


# --- what was there before ---------------------------------------------------------------------


def test_without_habits_draws_are_those_that_figures_rest_on():
    recordings = simulate(SimulateConfig(labels="A-C", repetitions=1, seed=5))
    assert recordings[0].data[0, :3] == pytest.approx([3.3327, 3.3710, 3.3902], abs=1e-4)
    assert recordings[-1].n_samples == 263


def test_without_habits_nothing_that_names_a_result_changes():
    assert "habits" not in SimulateConfig().model_dump(mode="json")
    assert "habits" not in AugmentConfig().model_dump(mode="json")
    plain = Recipe.parse({"name": "x", "train": {"augment": {}}})
    told = Recipe.parse(
        {"name": "x", "train": {"augment": {"habits": None}}, "simulate": {"habits": None}}
    )
    other = Recipe.parse({"name": "x", "train": {"augment": {"habits": {"idle": 1}}}})
    sections = ("simulate", "train")
    assert fingerprint(plain, sections) == fingerprint(told, sections)
    assert fingerprint(plain, sections) != fingerprint(other, sections)


# --- physics -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["2d", "3d"])
@pytest.mark.parametrize("index", range(6))
def test_integrating_perfect_readings_recovers_the_path_under_every_habit(index, case):
    habits = EVERY.model_copy(update=PERFECT)
    _, truth = written(habits, index, case=case)
    gravity = np.array([0, 9.80665, 0])[:, None]
    acceleration = np.einsum("nij,jn->in", truth.orientation, truth.force) - gravity
    moving = np.gradient(truth.position, truth.t, axis=1, edge_order=2)
    speed = moving[:, :1] + integral(acceleration, truth.t)
    assert np.abs(speed - moving).max() < 0.02
    extent = np.ptp(truth.position, axis=1).max()
    assert np.abs(integral(speed, truth.t) - truth.position).max() < 0.06 * extent


@pytest.mark.parametrize("index", range(6))
def test_the_gyroscope_reads_the_turning_of_the_device_under_every_habit(index):
    _, truth = written(EVERY.model_copy(update=PERFECT), index)
    assert np.linalg.det(truth.orientation) == pytest.approx(-1)
    step = np.einsum("nji,njk->nik", truth.orientation[:-1], truth.orientation[1:])
    measured = Rotation.from_matrix(step).as_rotvec().T / np.diff(truth.t)
    stated = (truth.rotation_rate[:, 1:] + truth.rotation_rate[:, :-1]) / 2
    assert np.abs(measured - stated).max() < 0.02 * np.abs(stated).max() + 1e-3


def test_gravity_turns_with_the_gyroscope_in_what_is_read():
    habits = EVERY.model_copy(update={"hold": 0.0, "acc_bias": 0.0, "gyro_bias": 0.0})
    read = [written(habits, index, rate=100.0)[0] for index in range(12)]
    verdict = judge(np.concatenate([misfits(rec) for rec in read]))
    assert verdict.agrees and not verdict.contradiction


# --- each knob ---------------------------------------------------------------------------------


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_does_something_and_the_same_seed_the_same(knob):
    def bytes_of(habits):
        rec = written(habits, rate=100.0)[0]
        return hashlib.sha256(rec.data.tobytes() + rec.t.tobytes()).hexdigest()

    habits = only(**{knob: KNOBS[knob]})
    assert bytes_of(habits) == bytes_of(habits)
    assert bytes_of(habits) != bytes_of(only())


def test_a_hand_rests_before_a_lead_in_and_after_the_letter():
    habits = only(idle=1.0, lead=0.4, trail=0.4)
    for index in range(5):
        plain, moved = written(only(), index)[1], written(habits, index)[1]
        assert moved.t[-1] > plain.t[-1] + 0.2
        speed = np.linalg.norm(velocity(moved), axis=0)
        assert speed[0] < 0.05 and speed[-1] < 0.05
        # It comes from below and sinks again.
        assert moved.position[UP].max() - moved.position[UP, 0] > 0.03
        assert moved.position[UP].max() - moved.position[UP, -1] > 0.03


def test_a_late_start_finds_the_hand_moving():
    late = [written(only(late=0.5), index)[1] for index in range(8)]
    speeds = [np.linalg.norm(velocity(truth)[:, 0]) for truth in late]
    assert np.median(speeds) > 0.2


def test_a_window_has_its_length_and_may_end_in_motion():
    habits = only(window=2.0, lead=0.4, trail=0.4, idle=0.5)
    truths = [written(habits, index)[1] for index in range(12)]
    assert all(truth.t[-1] == pytest.approx(2.0, abs=0.02) for truth in truths)
    last = [np.linalg.norm(velocity(truth)[:, -1]) for truth in truths]
    assert max(last) > 0.1
    assert min(last) < 0.05


@pytest.mark.parametrize(("slope", "across"), [(0.0, FORWARD), (90.0, UP)])
def test_the_plane_leans_as_asked(slope, across):
    for index in range(4):
        writer = Writer.draw(index, habits=only(slope=(slope, slope)))
        writer = replace(writer, elevation=0.0)
        truth = write_letter(writer, "O", "3d", rng(index), rate=200.0)[1]
        extents = np.ptp(truth.position, axis=1)
        assert int(extents.argmin()) == across


def test_an_arm_turns_with_its_movement_not_at_all_or_against_it():
    def share(times):
        truth = written(only(arm=(times, times)), 1, "X")[1]
        turning = np.einsum("nij,jn->in", truth.orientation, truth.rotation_rate)
        return np.polyfit(velocity(truth)[RIGHT], turning[UP], 1)[0]

    assert share(1.0) < -1
    assert abs(share(0.0)) < 0.1
    assert share(-0.5) > 0.5


def test_a_device_on_the_forearm_moves_less_and_on_a_wand_more():
    def extent(site):
        return np.ptp(written(only(sites=(site,)), 2, "O")[1].position[:2], axis=1).sum()

    assert extent("forearm") < 0.9 * extent("hand") < extent("wand")


def test_a_mount_stays_with_the_person():
    up = [written(only(mount=True), 3, repetition=i)[1].orientation[0][UP] for i in range(4)]
    other = written(only(mount=True), 4)[1].orientation[0][UP]
    assert min(up[0] @ one for one in up) > 0.85
    assert up[0] @ other < 0.85


def test_the_sensor_is_clipped_slow_and_held():
    rec = written(only(acc_range=(2.0,), size=(3.0, 3.0), rate=(50.0, 50.0)), rate=200.0)[0]
    assert np.abs(rec.acc).max() == pytest.approx(2 * 9.80665, rel=1e-2)
    assert rec.rate == pytest.approx(50, rel=0.05)
    held = written(only(hold=0.08), 1, rate=200.0)[0]
    fresh = (np.diff(held.data, axis=1) != 0).any(axis=0).mean()
    assert fresh < 0.6


@given(st.integers(0, 400), st.sampled_from("ABMSOZ8"))
@settings(max_examples=25, deadline=None)
def test_every_draw_is_a_recording_that_cleaning_takes(index, char):
    rec = written(EVERY.model_copy(update={"window": 3.0}), index, char, rate=100.0)[0]
    assert np.abs(rec.acc).max() < 160
    assert clean(rec).duration > 0.2


# --- real recordings ---------------------------------------------------------------------------


def test_a_recording_put_through_no_habit_stays():
    rec = clean(written(only(), 1, rate=100.0)[0])
    still = AugmentConfig(turn=0, heading=0, stretch=0, warp=0, noise=0, tilt=0, habits=only())
    again = augment(rec, rng(), still)
    plain, same = writing_motion(rec), writing_motion(again)
    n = min(plain.velocity.shape[1], same.velocity.shape[1])
    assert np.corrcoef(plain.velocity[0, :n], same.velocity[0, :n])[0, 1] > 0.98
    assert np.corrcoef(plain.velocity[1, :n], same.velocity[1, :n])[0, 1] > 0.98


@pytest.mark.parametrize("gyroscope", [True, False])
def test_a_recording_gets_lead_ins_mounts_and_windows(gyroscope):
    rec = clean(written(None, 2, rate=100.0)[0])
    if not gyroscope:
        rec = rec.replace(data=rec.data[:3], channels=rec.channels[:3])
    habits = only(lead=0.3, trail=0.3, idle=0.5, mount=True, window=4.0)
    frame = FrameConfig(heading="motion" if gyroscope else "device")
    other = augment(rec, rng(1), AugmentConfig(habits=habits), frame)
    assert other.duration == pytest.approx(4.0, abs=0.1)
    assert other.channels == rec.channels
    assert (other.id, other.label, other.rate) == (rec.id, rec.label, pytest.approx(rec.rate))
    same = augment(rec, rng(1), AugmentConfig(habits=habits), frame)
    assert np.array_equal(same.data, other.data)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"slope": [90, 0]}, "smaller one comes first"),
        ({"arm": [-9, 1]}, "between -2 and 2"),
        ({"rate": [1, 50]}, "between 10 and 1000"),
        ({"sites": ["foot"]}, "valid:|did you mean"),
        ({"sites": []}, "is empty"),
        ({"lat": 1}, "did you mean 'late'"),
    ],
)
def test_mistakes_are_told_in_one_line(given, message):
    with pytest.raises(InputError, match=message) as caught:
        HabitConfig.parse(given)
    assert "\n" not in str(caught.value)
