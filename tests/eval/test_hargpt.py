"""A language model reads bare numbers of activities, and is asked whether it knows the set."""

from __future__ import annotations

import json

import numpy as np
import pytest

from imuscribe.eval.methods.hargpt import Hargpt, moving_places
from imuscribe.eval.run import run
from imuscribe.prompts.ask.hargpt import activity_question, as_row, read_row, row_question
from imuscribe.recipes.explanations import TeacherConfig
from imuscribe.recipes.transfer import HargptConfig, TransferRecipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import save
from tests.chat_server import Answer, ChatServer
from tests.eval.test_transfer import worn


def test_a_window_is_asked_at_ten_hertz_with_two_decimals():
    rec = worn("a", ["p"], seconds=4.0)[0]
    system, user = activity_question(rec, ("walking", "still"))
    rows = [line for line in user.splitlines() if "[" in line and line[0].isdigit()]
    assert len(rows) == 6 and all(len(row.split(", ")) == 40 for row in rows)
    first = float(rows[2].partition("[")[2].split(",")[0])
    assert first == pytest.approx(rec.data[2, 0], abs=0.006)
    assert "[walking, still]" in user and "10 times a second" in user and "step by step" in user
    bare = activity_question(worn("a", ["p"], gyro=False)[0], ("walking", "still"))[1]
    assert "rotation" not in bare and "step by step" in bare and system


def test_rows_are_written_and_read_back():
    rows = np.array([[0.1, -9.81, 2.0], [0.5, -9.7, 2.25]])
    assert "0.100,-9.810,2.000\n0.500,-9.700,2.250" in row_question(rows, "hapt")[1]
    read = read_row(f"The next row is:\n{as_row(rows[1])}\nand so on", 3)
    assert read is not None and read.tolist() == [0.5, -9.7, 2.25]
    assert read_row("1, 2", 3) is None and read_row("I do not know.", 3) is None


def test_rows_are_taken_where_the_signal_moves():
    rest = worn("a", ["p"])[-1]
    rest = rest.replace(data=np.ones_like(rest.data))
    moving = worn("a", ["q"])[0]
    places = moving_places([rest, moving], 5, 8, 0)
    assert [rec.id for rec, _ in places] == [moving.id]
    assert all(k + 9 <= rec.n_samples for rec, k in places)


def knows(fields, server):
    """Repeat the last row if asked for one, else say walking where the device shakes."""
    user = fields["messages"][-1]["content"]
    if "Write the next row" in user:
        return Answer(user.splitlines()[-2])
    up = [float(v) for v in user.splitlines()[3].partition("[")[2].rstrip("]").split(",")]
    return Answer("It shakes: walking." if np.std(up) > 0.5 else "Nothing moves, so: still.")


def hargpt_recipe(folder, tmp_path, url, **changes):
    save(worn("a", ["p1", "p2"]), folder / "a.parquet")
    save(worn("b", ["q1", "q2"], seed=1), folder / "b.parquet")
    values = {
        "name": "h",
        "sets": {"a": "a.parquet", "b": "b.parquet"},
        "data_folder": str(folder),
        "classes": ["walking", "upstairs", "still"],
        "max_tested": 9,
        "teacher": {"name": url, "model": "m", "cache": str(tmp_path / "c.sqlite")},
        "hargpt": {"memorised": 5},
        "evaluate": {"methods": ["hargpt", "extra-trees"], "bootstrap": 20},
        "out": str(tmp_path),
    }
    return TransferRecipe.parse(values | changes)


def test_a_served_model_stands_beside_the_floor_and_repeats_no_question(tmp_path):
    with ChatServer(knows) as server:
        recipe = hargpt_recipe(tmp_path, tmp_path, server.url)
        where = run(recipe, "", False)
        asked = len(server.seen)
        run(recipe, "", False)
        assert len(server.seen) == asked == 2 * 9 + 2 * 5
    found = json.loads((where / "metrics.json").read_text())
    for one in found["methods"].values():
        assert {m["accuracy"]["n"] for m in one.values()} == {9}
    assert 0.3 < found["means"]["hargpt"]["accuracy"]["value"] < 1  # it knows no stairs
    memory = found["memorised"]["a"]
    assert memory["copied"]["value"] == 1 and memory["exact"]["value"] == 0
    assert memory["error"] == memory["repeated error"]
    page = (where / "report.md").read_text()
    assert "by heart" in page and "hargpt" in page


def test_a_model_that_answers_nonsense_is_wrong_and_loses_nothing(tmp_path):
    with ChatServer(lambda fields, server: Answer("qwertz")) as server:
        where = run(hargpt_recipe(tmp_path, tmp_path, server.url), "", False)
    found = json.loads((where / "metrics.json").read_text())
    assert found["means"]["hargpt"]["accuracy"]["value"] == 0
    assert found["means"]["extra-trees"]["accuracy"]["value"] > 0.5
    assert found["memorised"]["a"]["unread"]["value"] == 1 and not found["memorised"]["a"]["error"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"evaluate": {"methods": ["hargpt-scored"]}}, "a server tells no probabilities"),
        ({"teacher": {"name": "http://localhost:1/v1"}}, "teacher.model"),
        ({"interpret": {"regenerate": 2}}, "evaluate.writer=model"),
        ({"hargpt": {"rate": 0}}, "hargpt.rate"),
        ({"max_tested": 0}, "max_tested"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, changes, says):
    with pytest.raises(InputError, match=says) as caught:
        hargpt_recipe(tmp_path, tmp_path, "http://localhost:1/v1", **changes)
    assert all(len(line) < 300 for line in str(caught.value).splitlines())


def test_a_server_that_is_down_is_one_line(tmp_path):
    teacher = {"name": "http://127.0.0.1:9/v1", "model": "m", "cache": str(tmp_path / "c.sqlite")}
    teacher["endpoint"] = {"retries": 1, "backoff": 0.01, "give_up_after": 2}
    with pytest.raises(InputError, match="answers so far are kept"):
        run(hargpt_recipe(tmp_path, tmp_path, "", teacher=teacher), "", False)


def test_the_likeliest_label_of_a_local_model_is_an_answer(tiny_model_dir):
    asks = Hargpt(TeacherConfig(name=str(tiny_model_dir)), HargptConfig(rate=2), 0, False)
    found = asks.answer("hargpt-scored", worn("a", ["p"], seconds=4.0), ("walking", "still"))
    assert np.exp(found.log_probs).sum(axis=1) == pytest.approx(1) and (found.tokens > 50).all()


def test_texts_by_a_model_that_talks_nonsense_are_the_rules_and_the_report_says_so(tmp_path):
    found = {}
    with ChatServer(lambda fields, server: Answer("qwertz")) as server:
        for writer in ("rules", "model"):
            evaluate = {
                "methods": ["text-zero-shot"],
                "encoder": "words",
                "writer": writer,
                "divergence": 20,
                "bootstrap": 0,
            }
            recipe = hargpt_recipe(
                tmp_path, tmp_path, server.url, evaluate=evaluate, name=writer, targets=["a"]
            )
            where = run(recipe, "", False)
            found[writer] = json.loads((where / "metrics.json").read_text())
    first, second = (one["means"]["text-zero-shot"]["accuracy"] for one in found.values())
    assert first == second
    page = (where / "report.md").read_text()
    assert "0 of 9 true, the others by rules (wrong about the window (9))" in page
    apart = found["rules"]["divergences"]
    assert list(apart)[-1] == "words by rules" and all(
        one["relative"] > 0 for one in apart.values()
    )
    assert "How far the sets are apart" in page
