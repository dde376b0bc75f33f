"""The store of a run: an answer is made once under a key, whatever stands in the folder."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imuscribe.eval.predictions import load
from imuscribe.eval.store import Store


def test_an_answer_is_made_once_under_a_key(tmp_path):
    store, made = Store(tmp_path), []

    def answer(key):
        return store.values(("fold", "method"), key, lambda: made.append(key) or len(made))

    assert [answer("a"), answer("a"), answer("b"), answer("b"), answer("a")] == [1, 1, 2, 2, 3]
    assert made == ["a", "b", "a"]


@pytest.mark.parametrize(
    "content",
    ["", '{"key": "a", "val', "[1]", "3", '{"key": "a", "rows": []}', "{}", "\xff", "[" * 9000],
)
def test_a_file_that_holds_no_answer_is_replaced(tmp_path, content):
    store = Store(tmp_path)
    path = store.path(("fold", "method"), ".json")
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("latin-1"))
    assert store.values(("fold", "method"), "a", lambda: 1) == 1
    assert store.values(("fold", "method"), "a", lambda: 2) == 1


@pytest.mark.parametrize("meta", ["{}", "[1]", "{", "[" * 9000, '{"key": "a"}'])
def test_damaged_predictions_are_not_read(tmp_path, meta):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    assert load(tmp_path / "cut.parquet", "a", []) is None
    table = pa.table({"seconds": [0.1]}).replace_schema_metadata({"imuscribe": meta})
    pq.write_table(table, tmp_path / "odd.parquet")
    assert load(tmp_path / "odd.parquet", "a", []) is None
