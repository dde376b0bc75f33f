"""Windows: together they are the recording, none is of two, and short recordings are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, Recording
from imuscribe.signals.windows import WindowConfig, cut

RATE = 50.0


def counted(n, name="r", first=0, rate=RATE, **about):
    """A recording whose samples are numbered, so that a window tells where it was cut."""
    data = np.tile(np.arange(first, first + n), (3, 1))
    return Recording(name, data, ACC, np.arange(n) / rate, **about)


@given(n=st.integers(1, 300), window=st.integers(1, 80), stride=st.integers(1, 80))
def test_every_sample_is_in_a_window_and_every_window_in_the_recording(n, window, stride):
    stride = min(stride, window)
    config = WindowConfig(seconds=window / RATE, stride=stride / RATE, short="keep")
    if n < 2:  # one sample has no rate
        return
    found = cut([counted(n)], config)
    rows = [rec.data[0].astype(int).tolist() for rec in found]
    assert sorted({i for row in rows for i in row}) == list(range(n))
    left = max(0, n - window)
    assert len(rows) == left // stride + 1 + (left % stride > 0)
    for rec, row in zip(found, rows, strict=True):
        assert row == list(range(row[0], row[0] + min(n, window)))
        assert rec.t[0] == 0 and (len(row) == 1 or rec.rate == pytest.approx(RATE))
        assert float(rec.id.split("@")[1]) == pytest.approx(row[0] / RATE, abs=1e-9)


@given(
    lengths=st.lists(st.integers(60, 200), min_size=2, max_size=5),
    rate=st.sampled_from([20.0, 50.0, 104.0, 200.0]),
)
def test_no_window_is_of_two_recordings_and_all_have_their_own_id(lengths, rate):
    recordings = [
        counted(n, f"r{i}", 1000 * i, rate, subject=f"p{i}", label=f"l{i}", placement="wrist")
        for i, n in enumerate(lengths)
    ]
    found = cut(recordings, WindowConfig(seconds=0.2, stride=1 / rate))
    assert len({rec.id for rec in found}) == len(found)
    for rec in found:
        of = int(rec.data[0, 0] // 1000)
        assert (rec.data // 1000 == of).all()
        assert (rec.subject, rec.label, rec.placement) == (f"p{of}", f"l{of}", "wrist")
        assert rec.id.startswith(f"r{of}@")


def test_the_last_window_ends_with_the_recording_unless_it_is_dropped():
    rec = counted(700, "walk")
    aligned = cut([rec], WindowConfig(seconds=2.56, stride=2.56))
    assert [window.id for window in aligned] == [
        *("walk@0.00", "walk@2.56", "walk@5.12", "walk@7.68", "walk@10.24", "walk@11.44")
    ]
    assert aligned[-1].data[0, -1] == 699
    assert len(cut([rec], WindowConfig(seconds=2.56, stride=2.56, last="drop"))) == 5


def test_a_recording_shorter_than_a_window_is_kept_refused_or_left_out(caplog):
    recordings = [counted(50, "short"), counted(128, "whole")]
    kept = cut(recordings, WindowConfig(short="keep"))
    assert [(rec.id, rec.n_samples) for rec in kept] == [("short@0.00", 50), ("whole@0.00", 128)]
    with pytest.raises(InputError, match=r"'short': lasts 1.00 s, less than a window of 2.56 s"):
        cut(recordings, WindowConfig(short="refuse"))
    assert [rec.id for rec in cut(recordings, WindowConfig(short="drop"))] == ["whole@0.00"]
    assert "1 of 2 recordings left out: shorter than a window (1)" in caplog.text
    with pytest.raises(InputError, match="less than a window"):
        cut(recordings[:1], WindowConfig(short="drop"))


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"stride": -1}, {"short": "pad"}, {"step": 1}])
def test_windows_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=str(next(iter(wrong)))):
        WindowConfig.parse(wrong)


def test_a_window_below_one_sample_is_refused():
    with pytest.raises(InputError, match=r"0.005 s holds no sample at 50 Hz"):
        cut([counted(100)], WindowConfig(seconds=0.005))


def test_windows_keep_every_channel():
    data = np.random.default_rng(0).normal(size=(6, 300))
    rec = Recording("r", data, (*ACC, *GYRO), np.arange(300) / RATE)
    second = cut([rec])[1]
    np.testing.assert_array_equal(second.gyro, rec.gyro[:, 64:192])
