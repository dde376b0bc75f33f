import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import FrameConfig, writing_motion
from imuscribe.signals.recording import ACC, GYRO, STANDARD_GRAVITY, Recording

RATE = 100.0
# Right, up and forward of the hand, in a device that lies face up with its x axis to the right.
FACE_UP = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])


def read_by_device(linear, omega=None, holding=None, case="3d"):
    """Return what a device reads: `linear` and `omega` in right/up/forward, gravity added."""
    linear = np.asarray(linear, float)
    omega = np.zeros_like(linear) if omega is None else np.asarray(omega, float)
    force = FACE_UP.T @ (linear + np.array([[0], [STANDARD_GRAVITY], [0]]))
    turn = np.eye(3) if holding is None else holding
    data = np.concatenate([turn @ force, turn @ (FACE_UP.T @ omega)])
    t = np.arange(linear.shape[1]) / RATE
    return Recording("r", data, ACC + GYRO, t, case=case)


def sweep(axis, n=101, size=4.0):
    """One smooth move along an axis: speeds up, slows down, rests at both ends."""
    linear = np.zeros((3, n))
    linear[axis] = size * np.sin(2 * np.pi * np.arange(n) / (n - 1))
    return linear


def arm(n=161, reach=0.5):
    """A hand on a forearm that points forward, drawing a small figure: right first, then up."""
    t = np.arange(n) / RATE
    yaw = -0.25 * (1 - np.cos(2 * np.pi * t / t[-1])) / 2  # right is a negative turn about up
    pitch = 0.2 * np.sin(2 * np.pi * t / t[-1]) ** 3
    return t, yaw, pitch, reach


def arm_recording(holding=None):
    t, yaw, pitch, reach = arm()
    turn = Rotation.from_euler("ZX", np.stack([yaw, pitch], 1))  # x right, y forward, z up
    path = turn.apply([0, reach, 0])
    acc = np.gradient(np.gradient(path, t, axis=0), t, axis=0)
    force = turn.inv().apply(acc + np.array([0, 0, STANDARD_GRAVITY]))
    step = (turn[:-1].inv() * turn[1:]).as_rotvec() * RATE
    omega = np.concatenate([step[:1], (step[1:] + step[:-1]) / 2, step[-1:]])
    hold = np.eye(3) if holding is None else holding
    data = np.concatenate([hold @ force.T, hold @ omega.T])
    return Recording("arm", data, ACC + GYRO, t, case="3d"), path - path[0]


rotations = st.tuples(*[st.floats(-3.14, 3.14)] * 3).map(
    lambda v: Rotation.from_rotvec(v).as_matrix()
)


@given(rotations)
def test_a_still_device_reads_gravity_up_in_any_orientation(holding):
    motion = writing_motion(read_by_device(np.zeros((3, 50)), holding=holding))
    assert np.linalg.norm(motion.gravity) == pytest.approx(9.80665, abs=1e-3)
    # Up, seen from the device, is the direction in which it reads gravity.
    assert motion.to_device[0][:, 1] @ motion.gravity == pytest.approx(9.80665, abs=1e-3)
    assert np.abs(motion.velocity).max() < 1e-4


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_sweep_along_each_direction_comes_out_along_it(axis):
    rec = read_by_device(sweep(axis))
    motion = writing_motion(rec, FrameConfig(heading="device"))
    # a = A sin(2πt/T) integrates to a peak speed of A·T/π and a displacement of A·T²/2π.
    assert motion.velocity[axis].max() == pytest.approx(4 / np.pi, rel=1e-3)
    assert motion.position[axis, -1] == pytest.approx(4 / (2 * np.pi), rel=1e-3)
    others = [i for i in range(3) if i != axis]
    assert np.abs(motion.velocity[others]).max() < 1e-4


def test_device_heading_accepts_any_axis_as_right():
    half_turn = np.diag([-1.0, -1.0, 1.0])  # turned about the vertical: -x is the writer's right
    rec = read_by_device(sweep(0), holding=half_turn)
    assert writing_motion(rec, FrameConfig(heading="device", right="-x")).position[0, -1] > 0.5
    assert writing_motion(rec, FrameConfig(heading="device", right="+x")).position[0, -1] < -0.5


def test_the_arm_tells_right_without_any_device_axis():
    rec, path = arm_recording()
    motion = writing_motion(rec)
    # The path is x right, y forward, z up. An arc also moves a little forward, which leaves the
    # heading some degrees open.
    error = np.abs(motion.position - path[:, [0, 2, 1]].T).max(axis=1)
    assert error[:2].max() < 0.02 * np.ptp(path[:, 0])
    assert error[2] < 0.2 * np.ptp(path[:, 0])


@pytest.mark.parametrize("missing", [0, 20, 40, 60])
def test_the_arm_tells_how_fast_the_hand_moves_when_a_recording_starts_late(missing):
    rec, _ = arm_recording()
    true = writing_motion(rec, FrameConfig(start="rest")).velocity[:, missing:]
    late = rec.replace(data=rec.data[:, missing:], t=rec.t[missing:] - rec.t[missing])
    found = writing_motion(late).velocity
    as_if_at_rest = writing_motion(late, FrameConfig(start="rest")).velocity
    fastest = np.abs(true).max()
    assert np.abs(found - true).max() < 0.12 * fastest
    if missing:
        assert np.abs(as_if_at_rest - true).max() > 2 * np.abs(found - true).max()


@given(rotations)
def test_motion_heading_does_not_depend_on_how_the_device_is_held(holding):
    plain = writing_motion(arm_recording()[0])
    held = writing_motion(arm_recording(holding)[0])
    for name in ("acceleration", "velocity", "position", "rotation"):
        assert np.allclose(getattr(plain, name), getattr(held, name), atol=2e-4), name


def test_upside_down_is_no_special_case():
    plain = writing_motion(arm_recording()[0])
    flipped = writing_motion(arm_recording(np.diag([1.0, -1.0, -1.0]))[0])
    assert np.allclose(plain.velocity, flipped.velocity, atol=2e-4)


def test_a_turning_device_does_not_leak_gravity_into_motion():
    n = 200
    roll = 1.2 * np.sin(np.linspace(0, 2 * np.pi, n))  # about the device's y axis, there and back
    turn = Rotation.from_rotvec(np.outer(roll, [0, 1.0, 0]))
    force = turn.inv().apply([0, 0, STANDARD_GRAVITY])
    omega = np.outer(np.gradient(roll, 1 / RATE), [0, 1.0, 0])
    rec = Recording("roll", np.concatenate([force.T, omega.T]), ACC + GYRO, np.arange(n) / RATE)
    motion = writing_motion(rec, FrameConfig(heading="device", right="+y"))
    assert np.abs(motion.acceleration).max() < 0.02


def test_a_flat_surface_takes_forward_as_the_letters_up():
    linear = sweep(2)
    flat = writing_motion(read_by_device(linear, case="2d"), FrameConfig(heading="device"))
    air = writing_motion(read_by_device(linear, case="3d"), FrameConfig(heading="device"))
    assert flat.plane("position")[1, -1] == pytest.approx(4 / (2 * np.pi), rel=1e-3)
    assert abs(air.plane("position")[1, -1]) < 1e-3


@pytest.mark.parametrize("roll", [0, 40, 130, 250])
def test_the_lean_of_a_pen_tells_right_however_it_is_rolled(roll):
    """The pen's top leans to the right and back by thirty degrees; its z axis is its own."""
    in_hand = Rotation.from_rotvec(np.radians(30) * np.array([1, 1, 0]) / np.sqrt(2))
    holding = (in_hand * Rotation.from_euler("z", roll, degrees=True)).as_matrix().T
    rec = read_by_device(sweep(0), holding=holding, case="2d")
    velocity = writing_motion(rec, FrameConfig(flat_heading="lean")).velocity
    true = writing_motion(read_by_device(sweep(0), case="2d")).velocity
    assert np.allclose(velocity, true, atol=1e-3)


def test_rotation_plane_follows_the_velocity_of_an_arm():
    motion = writing_motion(arm_recording()[0])
    for row in range(2):
        pair = np.corrcoef(motion.plane("rotation")[row], motion.plane("velocity")[row])
        assert pair[0, 1] > 0.95


@pytest.mark.parametrize(
    ("rec", "config", "words"),
    [
        (Recording("a", np.ones((3, 2)), ACC, np.arange(2.0)), FrameConfig(), "2 samples"),
        (read_by_device(np.zeros((3, 2))), FrameConfig(), "2 samples"),
        (
            Recording("b", np.zeros((6, 9)), ACC + GYRO, np.arange(9.0)),
            FrameConfig(),
            "gravity .* is missing",
        ),
        (
            read_by_device(np.zeros((3, 9))),
            FrameConfig(heading="device", right="+z"),
            "along gravity",
        ),
    ],
)
def test_what_cannot_be_framed_is_refused_in_one_line(rec, config, words):
    with pytest.raises(InputError, match=words) as caught:
        writing_motion(rec, config)
    assert "\n" not in str(caught.value)
