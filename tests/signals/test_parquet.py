import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import load, save, scan
from imuscribe.signals.recording import ACC, GYRO, LIN_ACC, Recording, Segment
from imuscribe.signals.windows import WindowConfig, cut, segments


def make(name="a", channels=(*ACC, *GYRO), n=20, seed=0, **about):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(len(channels), n)).astype(np.float32)
    return Recording(name, data, channels, np.cumsum(rng.uniform(0.001, 0.03, n)), **about)


def row(**changes):
    """Two samples of a device that lies still, as written by hand."""
    values = {
        "id": "r1",
        "acc_unit": "g",
        "gyro_unit": "deg/s",
        "t": [0.0, 0.5],
        "acc_x": [0.0, 0.0],
        "acc_y": [0.0, 0.0],
        "acc_z": [1.0, 1.0],
        "gyro_x": [180.0, 0.0],
        "gyro_y": [0.0, 0.0],
        "gyro_z": [0.0, 0.0],
    }
    values.update(changes)
    return {key: value for key, value in values.items() if value is not ...}


def write(path, *rows):
    table = pa.Table.from_pylist(list(rows))
    pq.write_table(table, path, compression="none", store_schema=False)
    return path


def test_units_are_converted_once(tmp_path):
    (rec,) = load(write(tmp_path / "a.parquet", row()))
    assert rec.acc[2] == pytest.approx([9.80665, 9.80665])
    assert rec.gyro[0] == pytest.approx([np.pi, 0])
    assert rec.label == rec.subject == ""


def test_the_index_that_pandas_writes_of_a_part_is_no_channel(tmp_path):
    rows = [row(id=name) for name in "abcd"]
    whole = pq.read_table(write(tmp_path / "a.parquet", *rows)).to_pandas()
    whole[whole.id != "c"].to_parquet(tmp_path / "part.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "part.parquet").names
    assert [rec.id for rec in load(tmp_path / "part.parquet")] == ["a", "b", "d"]


def test_round_trip_is_exact(tmp_path):
    originals = [
        make("a", label="A", subject="p1", session="s1", device="phone", case="3d"),
        make("b", channels=ACC, n=7, seed=1),
        make("c", channels=(*ACC, *LIN_ACC, *GYRO), n=1, seed=2, case="2d"),
    ]
    save(originals, tmp_path / "a.parquet")
    for before, after in zip(originals, scan(tmp_path / "a.parquet")[0], strict=True):
        assert after.channels == before.channels
        assert np.array_equal(after.data, before.data)
        assert np.array_equal(after.t, before.t)
        for name in ("id", "label", "subject", "session", "device", "case"):
            assert getattr(after, name) == getattr(before, name)


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save([make("x"), make("y", seed=3)], tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_loads_as_a_dataset(tmp_path):
    import datasets

    save([make("a", label="A"), make("b", label="B", channels=ACC)], tmp_path / "a.parquet")
    rows = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "a.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert rows["label"] == ["A", "B"]
    assert rows[0]["acc_unit"] == "m/s^2" and rows[0]["gyro_unit"] == "rad/s"
    assert len(rows[0]["t"]) == len(rows[0]["gyro_z"]) == 20
    assert rows[1]["gyro_x"] is None


def test_a_dataset_written_by_datasets_loads(tmp_path):
    import datasets

    datasets.Dataset.from_list([row()]).to_parquet(str(tmp_path / "a.parquet"))
    assert load(tmp_path / "a.parquet")[0].acc[2] == pytest.approx([9.80665, 9.80665])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acc_unit": ...}, "no column acc_unit"),
        ({"gyro_unit": ...}, "no column gyro_unit"),
        ({"acc_unit": ""}, "'r1': acc_unit: the unit of acceleration is missing"),
        ({"acc_unit": None}, "'r1': acc_unit: the unit of acceleration is missing"),
        ({"gyro_unit": "deg"}, "'r1': gyro_unit: unit 'deg'.*deg/s"),
        ({"acc_z": ...}, "no column acc_z"),
        ({"gyro_y": ...}, "no column gyro_y"),
        ({"t": ...}, "no column t"),
        ({"acc_q": [1.0, 1.0]}, "unknown column 'acc_q': did you mean 'acc_"),
        ({"gyrox": [1.0, 1.0]}, "unknown column 'gyrox': did you mean 'gyro_x'"),
        ({"acc_y": [0.0]}, "'r1': acc_y has 1 values but t has 2"),
        ({"acc_y": None}, "'r1': acc_y is empty"),
        ({"acc_y": [0.0, float("nan")]}, "'r1': acc_y is nan at sample 1"),
        ({"acc_y": [0.0, None]}, "'r1': acc_y is nan at sample 1"),
        ({"gyro_x": [float("inf"), 0.0]}, "'r1': gyro_x is inf at sample 0"),
        ({"t": [0.0, float("nan")]}, "'r1': t is nan"),
        ({"t": [0.5, 0.0]}, "'r1': time goes back from 0.500 s to 0.000 s"),
        ({"t": None}, "'r1': has no times"),
        ({"t": 0.5}, "'t' holds double: it must hold a list of numbers"),
        ({"acc_x": ["a", "b"]}, "'acc_x' holds list"),
        ({"case": "4d"}, "'r1': case '4d' is unknown"),
        ({"id": ""}, "empty id"),
    ],
)
def test_bad_rows_are_refused_in_one_line(tmp_path, changes, message):
    path = write(tmp_path / "a.parquet", row(**changes))
    with pytest.raises(InputError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_repeated_ids_are_refused(tmp_path):
    with pytest.raises(InputError, match="'r1' occurs twice"):
        load(write(tmp_path / "a.parquet", row(), row()))


def test_rare_rows_that_go_back_in_time_are_left_out_and_named(tmp_path, caplog):
    rows = [row(id=f"r{i}") for i in range(199)]
    path = write(tmp_path / "a.parquet", *rows, row(id="glued", t=[0.5, 0.0]))
    assert len(load(path)) == 199
    assert "'glued': time goes back" in caplog.text
    many = write(tmp_path / "b.parquet", *rows[:50], row(id="glued", t=[0.5, 0.0]))
    with pytest.raises(
        InputError, match=r"1 of 51 recordings cannot be used: time goes back \(1\): .*'glued'"
    ):
        load(many)


def test_a_unit_that_cannot_be_is_refused_and_a_rare_one_left_out(tmp_path, caplog):
    wrong = row(id="wrong", acc_unit="m/s^2")  # a still device that reads 1 m/s²
    path = write(tmp_path / "a.parquet", row(), wrong)
    with pytest.raises(InputError, match=r"1 of 2 .*'wrong': median acceleration is 1 m/s²"):
        load(path)
    rows = [row(id=f"r{i}") for i in range(100)]
    assert len(load(write(path, *rows, wrong))) == 100
    assert "'wrong'" in caplog.text


def test_files_that_are_no_recordings_are_refused(tmp_path):
    write(tmp_path / "letters.parquet", row())
    with pytest.raises(InputError, match=r"no such file: did you mean 'letters.parquet'"):
        load(tmp_path / "leters.parquet")
    (tmp_path / "a.csv").write_text("t,x\n1,2\n")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        load(tmp_path / "a.csv")
    with pytest.raises(InputError, match="is a folder"):
        load(tmp_path)
    pens = pa.table({"id": ["u"], "x": [[1]], "y": [[2]], "pen_down": [[1]]})
    pq.write_table(pens, tmp_path / "pens.parquet")
    with pytest.raises(InputError, match=r"pen trajectories.*simulator"):
        load(tmp_path / "pens.parquet")


def test_nothing_is_written_for_bad_recordings(tmp_path):
    path = tmp_path / "a.parquet"
    odd = Recording("a", np.zeros((4, 2)), (*ACC, "acc_w"), np.arange(2.0))
    for bad, message in (
        ([], "no recordings"),
        ([make("a"), make("a")], "'a' occurs twice"),
        ([odd], "'acc_w' is not in the layout"),
        ([make("a", channels=GYRO)], "has no acc_x"),
    ):
        with pytest.raises(InputError, match=message):
            save(bad, path)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "count", "channels"),
    [
        ("charsense", 5071, 9),
        ("motion_pen", 10401, 6),
        ("motion_pen_words", 119, 6),
        ("sp_sw_har", 3452, 6),
        ("weda_fall", 969, 6),
    ],
)
def test_real_recordings_load_in_si_units(shared_data, name, count, channels):
    recordings = load(shared_data(f"{name}.parquet"))
    assert len(recordings) == count
    assert all(len(r.channels) == channels for r in recordings)
    gravity = np.median([np.median(np.linalg.norm(r.acc, axis=0)) for r in recordings])
    assert 9 < gravity < 12


def test_pen_trajectories_are_sent_to_the_simulator(shared_data):
    with pytest.raises(InputError, match=r"pen trajectories.*strokes"):
        load(shared_data("unipen_capitals_digits.parquet"))


def not_utf8(path, plain, broken):
    """Write a file and put bytes that are no text into it, as a damaged program would."""
    write(path, row(id="r1-plain", subject="who-plain"))
    raw = path.read_bytes()
    assert plain in raw
    path.write_bytes(raw.replace(plain, broken))
    return path


@pytest.mark.parametrize(
    ("plain", "broken", "message"),
    [
        (b"who-plain", b"who-pl\xb9in", "column 'subject', row 0: is not UTF-8"),
        (b"r1-plain", b"r1-pl\xb5in", "column 'id', row 0: is not UTF-8"),
        (b"subject", b"subj\xb9ct", "the name of a column is not UTF-8"),
    ],
)
def test_text_that_is_not_utf8_is_one_line(tmp_path, plain, broken, message):
    path = not_utf8(tmp_path / "a.parquet", plain, broken)
    for read in (load, scan):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert "\n" not in str(caught.value)


# --- what was written when -----------------------------------------------------------------------

WRITTEN = (Segment(0.5, 1.5, "A"), Segment(2.0, 2.9, "B"))


def stream(**about):
    data = np.random.default_rng(0).normal(size=(3, 301))
    return Recording("r", data, ACC, np.arange(301) / 100, segments=WRITTEN, **about)


def test_segments_come_back_as_they_were_written(tmp_path):
    save([stream(), make("b", ACC)], tmp_path / "a.parquet")
    with_them, without = scan(tmp_path / "a.parquet")[0]
    assert with_them.segments == WRITTEN
    assert without.segments == ()
    save([make("b")], tmp_path / "b.parquet")
    assert "seg_start" not in pq.read_schema(tmp_path / "b.parquet").names


def test_segments_are_sorted_and_may_be_absent(tmp_path):
    told = row(id="a", seg_start=[0.3, 0.1], seg_end=[0.4, 0.2], seg_label=["B", "A"])
    none = row(id="b", seg_start=None, seg_end=None, seg_label=None)
    first, second = load(write(tmp_path / "a.parquet", told, none))
    assert first.segments == (Segment(0.1, 0.2, "A"), Segment(0.3, 0.4, "B"))
    assert second.segments == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seg_start": [0.1], "seg_end": [0.2]}, "has no column seg_label"),
        ({"seg_start": [0.1], "seg_end": [0.2], "seg_label": []}, "1, 1 and 0 values"),
        ({"seg_start": [0.1], "seg_end": [7.0], "seg_label": ["A"]}, "the recording 0.500 s"),
        ({"seg_start": [0.3], "seg_end": [0.2], "seg_label": ["A"]}, "ends after it began"),
        ({"seg_start": [-0.3], "seg_end": [0.2], "seg_label": ["A"]}, "begins at 0"),
        ({"seg_start": [None], "seg_end": [0.2], "seg_label": ["A"]}, "from None to 0.2"),
        ({"seg_start": ["x"], "seg_end": [0.2], "seg_label": ["A"]}, "a list a row, of seconds"),
        ({"seg_start": [0.1], "seg_end": [0.2], "seg_label": ["A\n"]}, None),
    ],
)
def test_wrong_segments_are_refused_in_one_line(tmp_path, changes, message):
    path = write(tmp_path / "a.parquet", row(**changes))
    if message is None:  # white space about a label goes
        assert load(path)[0].segments[0].label == "A"
        return
    with pytest.raises(InputError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_cutting_keeps_what_was_written_in_what_is_left():
    windows = cut([stream()], WindowConfig(seconds=1, stride=1))
    # The second window begins at 1 s, with the last half of A.
    (left,) = windows[1].segments
    assert (left.label, left.start) == ("A", 0.0)
    assert left.end == pytest.approx(0.5)
    cleaned = clean(stream())
    assert {part.label for part in cleaned.segments} <= {"A", "B"}
    for part in cleaned.segments:
        assert 0 <= part.start < part.end <= cleaned.duration + 0.02


def test_a_recording_is_cut_into_what_was_written():
    one, two = segments([stream(label="AB", subject="ann")])
    assert (one.id, one.label, one.subject) == ("r#1", "A", "ann")
    assert one.duration == pytest.approx(1.0, abs=0.011)
    assert two.duration == pytest.approx(0.9, abs=0.011)
    wider, _ = segments([stream()], margin=1.0)
    assert wider.duration == pytest.approx(1.75, abs=0.011)  # all before, and half of the pause
    assert wider.segments[0].start == pytest.approx(0.5)
    with pytest.raises(InputError, match="none says what was written when"):
        segments([make("a")])
