"""One loader: what is read, selected and cleaned, and how what is left out is counted and told."""

from pathlib import Path

import numpy as np
import pytest

from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.load import clean_all, load_recordings, read
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.readers import READERS, reader
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, Recording
from imuscribe.signals.simulate import SimulateConfig


@pytest.fixture
def mixed(letters, tmp_path):
    """Twelve good letters, two that are too short and one without a gyroscope."""
    good = letters(2, 2, "A-C")
    short = [r.replace(id=f"{r.id}s", data=r.data[:, :5], t=r.t[:5]) for r in good[:2]]
    bare = good[2].replace(id="bare", data=good[2].acc, channels=ACC)
    save([*good[:6], *short, bare, *good[6:]], tmp_path / "mixed.parquet")
    return tmp_path / "mixed.parquet", good


def test_recordings_are_selected_cleaned_and_kept_in_order(mixed, caplog):
    path, good = mixed
    found = load_recordings(path, "C,A", frame=FrameConfig())
    assert [rec.id for rec in found] == [rec.id for rec in good if rec.label in "AC"]
    assert all(rec.rate == pytest.approx(50) for rec in found)
    found = load_recordings(path)
    assert len(found) == 13 and "bare" in [rec.id for rec in found]


def test_one_line_counts_what_is_left_out_by_reason_and_the_next_ones_name_it(mixed, caplog):
    path, _ = mixed
    load_recordings(path, frame=FrameConfig())
    counted, *named = caplog.messages[-1].splitlines()
    assert counted == "mixed.parquet: 3 of 15 recordings left out: too short (2), no gyroscope (1)"
    assert len(named) == 3 and "'bare': has no gyroscope" in named[-1]


def test_too_many_are_an_error_that_counts_and_quotes_one(mixed):
    recordings = read(mixed[0])
    message = r"mixed: 2 of 15 recordings cannot be used: too short \(2\): recording '.*s': lasts"
    with pytest.raises(InputError, match=message) as caught:
        clean_all(recordings, where="mixed", most=0.1)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="2 of 2 recordings cannot be used"):
        clean_all([rec for rec in recordings if rec.n_samples == 5])


def test_labels_nobody_wrote_are_named(mixed):
    with pytest.raises(InputError, match=r"labels 'x-z': none of the 15 recordings in '.*mixed"):
        load_recordings(mixed[0], "x-z")


def test_simulated_people_stand_for_a_file():
    settings = SimulateConfig(people=1, labels="A-B", cases=("3d",), repetitions=1)
    assert [rec.label for rec in load_recordings("simulated", "B", simulation=settings)] == ["B"]


@pytest.mark.parametrize("refused", [0, 3, 40])
def test_all_that_are_refused_are_counted_and_ten_are_named(refused, caplog):
    def make(i):
        if i < refused:
            raise InputError(f"recording '{i}': odd", "odd" if i % 2 else "even")
        return i

    assert usable(range(100), make, "here") == list(range(refused, 100))
    if not refused:
        assert not caplog.messages
        return
    counted, *named = caplog.messages[0].splitlines()
    assert counted.startswith(f"here: {refused} of 100 recordings left out: even (")
    assert sum(int(part.split("(")[1].split(")")[0]) for part in counted.split(", ")) == refused
    assert len(named) == min(refused, 11) and ("and 30 more" in named[-1]) == (refused == 40)


def test_a_single_recording_says_for_itself_why(mixed):
    short = next(rec for rec in read(mixed[0]) if rec.n_samples == 5)
    with pytest.raises(InputError, match=r"^recording '.*': lasts"):
        clean_all([short], where="a file")


def test_every_reader_is_a_function_beside_the_registry():
    for dialect in READERS:
        function = reader(dialect)
        assert callable(function) and function.__doc__
        assert Path(function.__code__.co_filename).parent.name == "readers"
    with pytest.raises(InputError, match="did you mean 'charsense'"):
        reader("charsens")


def test_no_line_of_a_message_is_long_or_holds_a_control_character():
    message = str(InputError("given '" + "x" * 5000 + "\x1b[31m\u202e': is too long: use less"))
    assert len(message) < 290 and message.startswith("given 'xxx")
    assert message.endswith("\\x1b[31m\\u202e': is too long: use less")
    assert str(InputError("a\nb")) == "a\nb", "two mistakes are two lines"


@pytest.mark.parametrize("name", ["id", "subject", "session", "label", "device", "placement"])
def test_a_control_character_in_a_name_is_one_line(name):
    rec = Recording("r", np.ones((3, 9)), ACC, np.arange(9) / 50)
    with pytest.raises(InputError, match=rf"{name} .*control character") as caught:
        rec.replace(**{name: "a\0b"})
    assert "\n" not in str(caught.value)


def test_recordings_without_a_label_are_counted(tmp_path, caplog):
    rec = Recording("r", np.full((3, 99), 9.81), ACC, np.arange(99) / 50, label="A")
    save([rec, rec.replace(id="s", label="")], tmp_path / "a.parquet")
    load_recordings(tmp_path / "a.parquet", ["A"], CleanConfig(trim=False))
    assert "1 of 2 recordings have no label" in caplog.text
