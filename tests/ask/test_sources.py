"""Timelines from tables, charts and windows; and the command."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from imuscribe.ask.data.readings import read_timeline
from imuscribe.ask.data.smooth import compare, from_windows
from imuscribe.ask.data.sources import timeline_and_recording
from imuscribe.ask.data.tables import CAPS, chart, chosen, read_timelines
from imuscribe.ask.execute import execute
from imuscribe.ask.parse import ModelParser, ask, response_format
from imuscribe.ask.query import Query, json_schema
from imuscribe.ask.wording.people import agrees, normal, seconds_of
from imuscribe.ask.wording.search import reach, search, training_row
from imuscribe.cli import app
from imuscribe.prompts.teacher.chat import Reply, Unanswered
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.readers.parquet import save
from imuscribe.signals.recording import ACC, GYRO, Recording, Segment
from tests.ask.timelines import LABELS, of_minutes, timelines, two_days

HEADER = "user,start,end,label\n"
ROWS = (
    "ann,2015-11-03 08:00:00,2015-11-03 09:30:00,Walking\n"
    "ann,2015-11-03T22:50,2015-11-04T06:40,Sleeping\n"
)


@pytest.fixture
def table(tmp_path):
    def made(text, name="days.csv"):
        write_text(tmp_path / name, text)
        return tmp_path / name

    return made


def test_a_table_of_other_columns_is_told_what_it_lacks(table):
    path = table("begin,end,activity\n2015-11-03 08:00,2015-11-03 09:00,Walking\n")
    with pytest.raises(InputError, match=r"days\.csv: has no column start: a table of spans has"):
        timeline_and_recording(path)


def test_a_table_of_spans(table, tmp_path):
    found = read_timelines(table(HEADER + ROWS))
    assert list(found) == ["ann"] and found["ann"].days == (date(2015, 11, 3), date(2015, 11, 4))
    assert [span.label for span in found["ann"].spans] == ["Walking", "Sleeping"]
    pd.read_csv(tmp_path / "days.csv", parse_dates=["start"], date_format="ISO8601").assign(
        end=lambda rows: pd.to_datetime(rows["end"], format="ISO8601")
    ).to_parquet(tmp_path / "days.parquet")
    assert read_timelines(tmp_path / "days.parquet") == found


def test_clocks_that_change_keep_durations_right(table):
    rows = "start,end,label\n2015-10-25T01:00:00+02:00,2015-10-25T03:00:00+01:00,Sleeping\n"
    timeline = chosen(read_timelines(table(rows)), None)
    assert timeline.spans[0].end - timeline.spans[0].start == 3 * 3600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start,end\n1,2\n", "no column label"),
        (HEADER, "holds no span"),
        (HEADER + "ann,soon,2015-11-03,Walking\n", "row 1: start 'soon' is no time"),
        (HEADER + "ann,2015-11-03 09:00,2015-11-03 08:00,Walking\n", "ends before it begins"),
        (HEADER + "ann,2015-11-03 09:00,,Walking\n", "end is empty"),
        (HEADER + "ann,2015-11-03 09:00,2015-11-03 10:00,\n", "label is empty"),
        (HEADER + ROWS + "ann,5,6,Walking\n", "some times are dates and some are seconds"),
        (HEADER + ROWS + "ann,2015-11-03 09:00Z,2015-11-03 10:00Z,Walking\n", "have a zone"),
        ("user,start,end,label,confidence\nann,1,2,Walking,7\n", "confidence 7"),
    ],
)
def test_mistakes_in_tables_are_one_line(table, text, said):
    with pytest.raises(InputError, match=said) as error:
        read_timelines(table(text))
    assert "\n" not in str(error.value)


def test_whose_timeline_must_be_said(table):
    found = read_timelines(table(HEADER + ROWS + ROWS.replace("ann", "ben")))
    with pytest.raises(InputError, match=r"2 people.*--user ann"):
        chosen(found, None)
    with pytest.raises(InputError, match="did you mean 'ann'"):
        chosen(found, "anm")
    assert chosen(found, "ben") == found["ann"]


def chart_row(**more):
    row = {
        "user": "u1",
        "days": ["2015-11-03"],
        "labels": ["Walking", "At home", "Running"],
        "day": ["2015-11-03"] * 2,
        "label": ["Walking", "At home"],
        "start": [28_800.0 - CAPS[0], 36_000.0 - CAPS[0]],
        "end": [34_200.0 + CAPS[1], 50_400.0 + CAPS[1]],
    }
    return row | more


def test_a_chart_and_the_query_behind_an_answer():
    timeline = chart(chart_row())
    assert timeline.labels == ("Walking", "At home", "Running")
    assert execute(Query.parse({"labels": ["Walking"]}), timeline).value == 5400
    found = search("How long did I walk?", ["1 hour", "30 minutes"], timeline)
    assert found.best == found.read == "exact"
    assert found.queries[0][0] == Query.parse({"labels": ["Walking"]})
    assert not search("How long did I walk?", ["Tuesday"], timeline).queries
    row = training_row("How long did I walk?", found.queries[0][0], timeline.labels, "person")
    assert Query.parse(json.loads(row["query"])) == found.queries[0][0]


def test_luck_is_counted_with_other_answers():
    rows = [
        chart_row(question="Did I walk more or less than I was at home?", short=["Less"]),
        chart_row(question="Did I walk?", short=["Yes"]),
        chart_row(question="Did I run?", short=["No"]),
    ]
    found = reach(rows)
    assert [x.found.best for x in found][1:] == ["exact", "exact"]
    assert {x.luck for x in found[1:]} <= {"", "exact"}


@pytest.mark.parametrize(
    ("short", "fields", "judged"),
    [
        (["1.5 hours"], {"labels": ["Walking"]}, "exact"),
        (["1 hour", "30 minutes"], {"labels": ["Walking"]}, "exact"),
        (["1:30:00"], {"labels": ["Walking"]}, "exact"),
        (["1 hour 33 minutes"], {"labels": ["Walking"]}, "near"),
        (["3 hours"], {"labels": ["Walking"]}, ""),
        (["Once"], {"labels": ["Walking"], "measure": "sessions"}, "exact"),
        (["8:00 AM"], {"labels": ["Walking"], "measure": "first_start"}, "exact"),
        (["8:04am"], {"labels": ["Walking"], "measure": "first_start"}, "near"),
        (["Home"], {"by": "label", "pick": "most"}, "exact"),
        (["Never"], {"labels": ["Running"]}, "exact"),
        (["Under 2 hours"], {"labels": ["Walking"], "compare": ">", "amount": 7200}, "exact"),
        (["Tuesday, November 3rd"], {"labels": ["Walking"], "by": "day", "pick": "most"}, "exact"),
        (["Friday"], {"labels": ["Walking"], "by": "day", "pick": "most"}, ""),
    ],
)
def test_what_people_say_is_compared_by_what_it_means(short, fields, judged):
    timeline, query = chart(chart_row()), Query.parse(fields)
    assert agrees(short, execute(query, timeline), query, timeline) == judged


def test_forms_of_answers():
    assert normal("The Gym.") == normal("at the gym") == "gym"
    assert normal("Two times") == normal("twice") == "2 times"
    assert seconds_of("1 hour, 53 minutes, and 39 seconds") == (6819, 1)
    assert seconds_of("half an hour") is not None and seconds_of("Tuesday") is None


def windows(path, sure=4.0, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    scores = sure * np.eye(3)[path] + rng.normal(0, noise, (len(path), 3))
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def test_windows_become_spans_and_a_slip_is_smoothed_away():
    path = np.repeat([0, 1, 2], 40)
    path[[10, 70]] = 2
    found = from_windows(np.arange(120) * 2.0, windows(path), LABELS, 2.0)
    assert [(s.start, s.end, s.label) for s in found.spans] == [
        (0, 80, "Walking"), (80, 160, "At home"), (160, 240, "Computer work")
    ]  # fmt: skip
    assert not found.dated and len(found.samples) == 50


def test_noisy_windows_give_an_interval_that_holds_the_truth():
    path = np.repeat([0, 1, 0, 2], 60)
    truth = from_windows(np.arange(240) * 2.0, windows(path, 50), LABELS, 2.0, samples=0)
    found = from_windows(np.arange(240) * 2.0, windows(path, 1.5, 1.0), LABELS, 2.0, seed=1)
    agreement = compare(found, truth)
    assert agreement.segment_f1 > 0.7 and agreement.duration_error < 0.1
    walked = execute(Query.parse({"labels": ["Walking"]}), found)
    assert walked.low <= 240 <= walked.high and walked.high - walked.low < 120


def test_where_nothing_was_recorded_there_is_no_span():
    starts = np.r_[np.arange(10) * 2.0, 500 + np.arange(10) * 2.0]
    found = from_windows(starts, windows(np.zeros(20, int)), LABELS, 2.0)
    assert found.by_label["Walking"] == [(0, 20), (500, 520)]


@settings(deadline=None, max_examples=30)
@given(timelines(), timelines())
def test_a_timeline_agrees_with_itself_and_no_better_with_another(first, second):
    assert compare(first, first).segment_f1 == 1 and compare(first, first).duration_error == 0
    assert 0 <= compare(first, second).segment_f1 <= 1


def test_shapes_of_windows_are_checked():
    with pytest.raises(InputError, match="disagree"):
        from_windows([0.0], np.zeros((2, 3)), LABELS, 2.0)


def test_an_adapter_of_whole_recordings_makes_no_timeline():
    class Whole:
        labels = ("A", "B")

        class recipe:
            windows = None

    with pytest.raises(InputError, match="train activities"):
        read_timeline(None, Whole())


class Says:
    name = identity = "says"

    def __init__(self, text):
        self.text, self.asked = text, []

    def answer(self, request):
        self.asked.append(request)
        if self.text is None:
            raise Unanswered("no answer from the server")
        return Reply(self.text)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ('{"query": {"labels": ["Walking"]}}', "1 hour 52 minutes"),
        ('Sure: {"labels": ["Walking"], "measure": "sessions"} is it', "twice"),
        ('{"query": {"labels": ["Swimming"]}}', "can't tell"),
        ('{"query": {"labels": ["Walking"], "answer": "42 hours"}}', "can't tell"),
        ('{"query": {"pick": "most"}}', "can't tell"),
        ('{"cannot": "not in this data"}', "can't tell"),
        ("You walked 42 hours.", "can't tell"),
        ("[]", "can't tell"),
        (None, "can't tell"),
    ],
)
def test_a_model_says_what_to_compute_and_nothing_else(text, short):
    model = Says(text)
    found = ask("How long did I walk?", two_days(), ModelParser(model))
    assert found.short == short and "42" not in found.sentence
    assert '"Walking"' in model.asked[0].user


def test_the_schema_of_decoding_holds_the_labels_and_no_others():
    schema = json_schema(LABELS)
    assert schema["$defs"]["Query"]["properties"]["labels"]["items"]["enum"] == list(LABELS)
    assert json.loads(json.dumps(response_format(two_days())))


def run(*arguments):
    return CliRunner().invoke(app, ["ask", *map(str, arguments)])


def test_the_command(table, tmp_path):
    data = table(HEADER + ROWS)
    told = run(data, "How long did I walk on Tuesday morning?").output.splitlines()
    assert told[0] == "1 hour 30 minutes" and "8:00 AM to 9:30 AM" in told[2]
    found = json.loads(run(data, "Did I sleep more than I walked?", "--json").output)
    assert found["short"] == "yes" and found["query"]["expect"] == "Sleeping"
    assert run(data, "How long did I walk?", "--plot", tmp_path / "a.png").exit_code == 0
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert run(data, "What?").output.startswith("can't tell")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--user", "bob"), "--user 'bob'"),
        (("--adapter", "air-letters"), "holds labels already"),
        (("--model", "qwen3-8b"), "belong together"),
        (("--plot", "a.jpg"), "PNG"),
    ],
)
def test_mistakes_of_the_command(table, arguments, said):
    result = run(table(HEADER + ROWS), "How long did I walk?", *arguments)
    assert isinstance(result.exception, InputError) and said in str(result.exception)


def test_a_recording_with_segments_is_asked_about(tmp_path):
    t = np.arange(500) / 50
    data = np.zeros((6, 500), np.float32)
    data[2] = 9.81
    segments = (Segment(0.0, 4.0, "Walking"), Segment(6.0, 9.0, "Sitting"))
    rec = Recording("r1", data, (*ACC, *GYRO), t, segments=segments)
    save([rec], tmp_path / "r.parquet")
    told = run(tmp_path / "r.parquet", "How long did I walk?").output.splitlines()
    assert told[0] == "4 seconds"
    still = run(tmp_path / "r.parquet", "How still was I while sitting?").output
    assert still.startswith("1 of the time"), still
    save([rec.replace(segments=())], tmp_path / "bare.parquet")
    said = str(run(tmp_path / "bare.parquet", "How long did I walk?").exception)
    assert "--adapter" in said


def test_no_such_file():
    assert "no such file" in str(run("gone.csv", "How long did I walk?").exception)


def test_windows_of_minutes():
    assert of_minutes([("Walking", 0, 5)]).by_label["Walking"] == [(0, 300)]
