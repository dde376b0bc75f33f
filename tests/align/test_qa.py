"""Rows of questions: deterministic, about their own segment, one signal each."""

from collections import Counter

import numpy as np
import pytest

from imuscribe.align.qa import pairs, rows
from imuscribe.prompts.ask.sensor import PLACE
from imuscribe.prompts.captions.questions import QaConfig
from imuscribe.prompts.captions.trends import TrendConfig
from imuscribe.prompts.captions.verify import is_right
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC

SHORT = TrendConfig(least=0.6, most=1.5)


@pytest.fixture(scope="module")
def recordings(letters):
    return [clean(rec) for rec in letters()]


def shown(found):
    texts = ("id", "epoch", "prompt", "completion")
    return [(*(row[name] for name in texts), row["signal_of"].content) for row in found]


def test_rows_are_the_same_for_the_same_seed_and_new_in_every_epoch(recordings):
    config = QaConfig(trends=SHORT)
    first, again = (rows(recordings, config, seed=3, epochs=2) for _ in range(2))
    assert shown(first) == shown(again)
    assert shown(first) != shown(rows(recordings, config, seed=4, epochs=2))
    epochs = [{(r["id"], r["prompt"]) for r in first if r["epoch"] == e} for e in (0, 1)]
    assert len(epochs[0] & epochs[1]) < 0.05 * len(epochs[0])


def test_one_recording_does_not_change_the_questions_of_another(recordings):
    config = QaConfig(trends=SHORT)
    alone = pairs(recordings[:1], config)
    among = [p for p in pairs(recordings, config) if p.segment.id == recordings[0].id]
    assert [p.question for p in alone] == [p.question for p in among]


def test_a_row_holds_what_a_trainer_needs(recordings):
    for row in rows(recordings, QaConfig(trends=SHORT)):
        rec = row["signal_of"]
        assert row["prompt"].count(PLACE) == 1
        assert not row["prompt"].endswith(" ")
        assert is_right(row["question"], row["completion"])
        assert (row["id"], row["label"], row["subject"]) == (rec.id, rec.label, rec.subject)
        assert f"{len(rec.channels)} channels ({', '.join(rec.channels)})" in row["prompt"]
        assert "at 50 Hz" in row["prompt"]


def test_all_kinds_come_about_equally_often(recordings):
    found = pairs(recordings, QaConfig(per_recording=40, trends=SHORT))
    counts = Counter(pair.question.kind for pair in found)
    assert len(found) == 40 * len(recordings)
    assert len(counts) == 11
    assert max(counts.values()) < 2 * min(counts.values())


def test_only_the_wanted_channels_are_shown_and_asked_about(recordings):
    found = rows(recordings, QaConfig(channels=ACC, trends=SHORT))
    assert all(row["signal_of"].channels == ACC for row in found)
    assert not any("gyro" in row["prompt"] + row["completion"] for row in found)


def test_the_segment_is_where_it_is_said_to_be(recordings):
    for pair in pairs(recordings, QaConfig(trends=SHORT)):
        rec = next(rec for rec in recordings if rec.id == pair.segment.id)
        first = int(np.searchsorted(rec.t, pair.start - 1e-9))
        np.testing.assert_array_equal(
            pair.segment.data, rec.data[:, first : first + pair.segment.n_samples]
        )


def test_bad_input(recordings):
    with pytest.raises(InputError, match="too short"):
        pairs(recordings, QaConfig(trends=TrendConfig(least=60, most=90)))
    with pytest.raises(InputError, match="channel is missing"):
        pairs(recordings, QaConfig(channels=("lin_acc_x",)))
    still = recordings[0].replace(data=np.zeros_like(recordings[0].data))
    with pytest.raises(InputError, match="no recording can be asked about range"):
        pairs([still], QaConfig(kinds=("range",), trends=SHORT))
