"""How a device sits on its writer, found from a session without labels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imuscribe.signals.cleaning import clean
from imuscribe.signals.load import clean_all
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.motion.mount import SESSION, Mount, find_mounts, mounted
from imuscribe.signals.recording import Recording
from imuscribe.signals.simulate import EVERY, HabitConfig, Writer
from imuscribe.signals.simulate.writer import write_letter

LETTERS = "GKMBSREWZA"
KEPT = HabitConfig(mount=True, rate=(60, 100), lead=0.2, trail=0.2, idle=0.4)


def session(index=0, habits=KEPT, letters=LETTERS):
    """Return a session's cleaned recordings and the true rotation to the writer's plane."""
    writer = Writer.draw(index, 7, habits=habits)
    written = [write_letter(writer, c, "3d", writer.stream(c, "3d", 0)) for c in letters]
    slope = writer.habits.slope - writer.elevation
    plane = [[1, 0, 0], [0, np.cos(slope), np.sin(slope)], [0, np.sin(slope), -np.cos(slope)]]
    held = sum(
        truth.orientation[int(0.15 * len(truth.t)) : int(0.85 * len(truth.t))].mean(axis=0)
        for _, truth in written
    )
    u, _, v = np.linalg.svd(np.array(plane) @ held)
    return [clean(rec) for rec, _ in written], u @ v


def degrees(a, b):
    return float(np.degrees(np.arccos(np.clip((np.trace(a @ b.T) - 1) / 2, -1, 1))))


def turned(rec: Recording, turn: np.ndarray) -> Recording:
    return rec.replace(data=np.concatenate([turn @ rec.acc, turn @ rec.gyro]))


RECORDINGS, TRUTH = session()
(FOUND,) = find_mounts(RECORDINGS)


def test_a_plain_session_is_found_and_nothing_is_doubted():
    assert degrees(FOUND.rotation, TRUTH) < 15
    assert np.linalg.det(FOUND.rotation) == pytest.approx(1)
    assert FOUND.recordings == 10
    assert FOUND.doubts == ()
    assert FOUND.sure > 0.8


def test_recordings_come_in_the_axes_of_the_plane():
    velocity = [writing_motion(rec, SESSION).plane("velocity") for rec in mounted(RECORDINGS)]
    own = [writing_motion(rec) for rec in RECORDINGS]
    # Whoever writes as arms do is read alike with a heading from each recording's own movement.
    agree = [np.corrcoef(v[0], m.velocity[0])[0, 1] for v, m in zip(velocity, own, strict=True)]
    assert np.median(agree) > 0.9


@given(st.tuples(*[st.floats(-3.14, 3.14)] * 3))
@settings(max_examples=8, deadline=None)
def test_a_session_turned_by_any_rotation_gives_the_same_signal(vector):
    turn = Rotation.from_rotvec(vector).as_matrix()
    other = [turned(rec, turn) for rec in RECORDINGS]
    (found,) = find_mounts(other)
    assert degrees(found.rotation @ turn, FOUND.rotation) < 0.5
    for one, two in zip(RECORDINGS[:3], other[:3], strict=True):
        before, after = (
            writing_motion(FOUND.turn(one), SESSION),
            writing_motion(found.turn(two), SESSION),
        )
        assert np.abs(before.plane("velocity") - after.plane("velocity")).max() < 0.02
    assert (found.sure, found.spread) == pytest.approx((FOUND.sure, FOUND.spread), rel=0.05)


def test_the_order_of_recordings_is_no_matter():
    (other,) = find_mounts(RECORDINGS[::-1])
    assert np.array_equal(other.rotation, FOUND.rotation)
    assert other.values() == FOUND.values()


def test_sessions_do_not_see_each_other():
    others = [rec.replace(subject="somebody else") for rec in session(3)[0]]
    assert [m.subject for m in find_mounts(RECORDINGS + others)] == ["sim-001", "somebody else"]
    assert np.array_equal(find_mounts(RECORDINGS + others)[0].rotation, FOUND.rotation)
    both = mounted(RECORDINGS + others)
    assert np.array_equal(both[0].data, FOUND.turn(RECORDINGS[0]).data)


def test_one_recording_alone_works_and_is_doubted():
    (one,) = find_mounts(RECORDINGS[:1])
    assert any("5 or more are needed" in doubt for doubt in one.doubts)
    assert one.spread > FOUND.spread
    assert np.isfinite(writing_motion(one.turn(RECORDINGS[0]), SESSION).velocity).all()


def test_the_side_is_the_scorers():
    sides = []

    def scorer(recordings):
        sides.append(recordings[0])
        return float(len(sides) == 2) * 100

    (other,) = find_mounts(RECORDINGS, scorer)
    assert len(sides) == 2
    (asked,) = (rec for rec in RECORDINGS if rec.id == sides[1].id)
    assert np.allclose(other.turn(asked).data, sides[1].data)
    assert other.sure > 0.99


def test_a_mount_that_changes_half_way_is_told():
    across = np.cross(RECORDINGS[0].acc.mean(axis=1), [1, 2, 3])
    turn = Rotation.from_rotvec(1.2 * across / np.linalg.norm(across)).as_matrix()
    mixed = RECORDINGS[:5] + [turned(rec, turn) for rec in RECORDINGS[5:]]
    (found,) = find_mounts(mixed)
    assert any("sits in two ways" in doubt for doubt in found.doubts)


def test_no_movement_is_told():
    rng = np.random.default_rng(0)
    still = [
        replace(
            rec,
            data=rec.data * 0
            + np.array([[0, 0, 9.81, 0, 0, 0]]).T
            + rng.normal(0, 0.01, rec.data.shape),
        )
        for rec in RECORDINGS
    ]
    (found,) = find_mounts(still)
    assert found.doubts


def test_a_level_plane_is_written_on_from_above():
    for index in range(3):
        recordings, truth = session(index, KEPT.model_copy(update={"slope": (75.0, 75.0)}))
        (found,) = find_mounts(recordings)
        assert found.slope > 50
        assert found.rotation[2] @ truth[2] > np.cos(np.radians(25))


def test_an_accelerometer_alone_has_a_mount():
    alone = [rec.replace(data=rec.data[:3], channels=rec.channels[:3]) for rec in RECORDINGS]
    (found,) = find_mounts(alone)
    assert isinstance(found, Mount)
    assert mounted(alone)[0].channels == alone[0].channels


def test_loading_turns_sessions_where_the_frame_asks_for_it(caplog):
    whole = clean_all(RECORDINGS, frame=FrameConfig(heading="session"))
    expected = mounted(clean_all(RECORDINGS))
    for one, other in zip(whole, expected, strict=True):
        assert np.array_equal(one.data, other.data)
    clean_all(RECORDINGS[:2], frame=FrameConfig(heading="session"))
    assert "5 or more are needed" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "limit"), [((0.0, 30.0), 15), ((0.0, 90.0), 30)])
def test_the_error_over_simulated_sessions(slope, limit):
    """`bench/mount.py` says how far it is."""
    habits = EVERY.model_copy(update={"slope": slope})
    sessions = [session(index, habits) for index in range(30)]
    errors = [degrees(find_mounts(own)[0].rotation, truth) for own, truth in sessions]
    assert np.median(errors) < limit
