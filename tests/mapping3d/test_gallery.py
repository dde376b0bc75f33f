"""A gallery keeps what it was given, finds it again, and tells nobody of their own recordings."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imuscribe.mapping3d.gallery import Gallery, Item
from imuscribe.mapping3d.space import Space, agreeing, nearness, ranks
from imuscribe.signals.errors import InputError
from imuscribe.signals.readers.parquet import load
from imuscribe.signals.recording import ACC, Recording

FIRST_FORMAT = Path(__file__).resolve().parents[1] / "data" / "gallery-format-1.imu"
SPACE = Space("abc", ("velocity_right", "velocity_up"), 50.0, 4)


def item(name: str, label: str = "A", subject: str = "anna", session: str = "1") -> Recording:
    data = np.full((3, 4), 9.8, dtype=np.float32)
    return Recording(name, data, ACC, np.arange(4) / 50, label, subject, session, "watch", "2d")


def points(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)


def gallery(n: int = 6, **options) -> Gallery:
    made = Gallery(SPACE, **options)
    made.add(
        [item(f"r{i}", "AB"[i % 2], ("anna", "ben")[i // 3]) for i in range(n)], points(n), SPACE
    )
    return made


def contents(made: Gallery) -> list[str]:
    return [made.recording(item.id).content for item in made.items]


def finds_the_same(one: Gallery, other: Gallery) -> None:
    queries, people = points(3, 1), ["erik"] * 3
    for mine, theirs in zip(
        one.search(queries, people), other.search(queries, people), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_an_item_is_nearest_to_itself_and_distances_are_what_they_are_called():
    for metric, expected in (("cosine", 1 - 0.6), ("euclidean", np.sqrt(4 + 16))):
        made = Gallery(SPACE, metric=metric)
        made.add([item("r")], np.array([[3.0, 4.0, 0, 0]], np.float32), SPACE)
        distance, place = made.search(np.array([[1.0, 0, 0, 0]], np.float32), ["carl"])
        assert distance[0, 0] == pytest.approx(expected, abs=1e-6) and place.tolist() == [[0]]
    made = gallery()
    _, places = made.search(points(6), ["carl"] * 6, 1)
    assert places[:, 0].tolist() == list(range(6))


@given(st.permutations(range(6)), st.sampled_from(["cosine", "euclidean"]))
@settings(max_examples=30)
def test_the_order_of_the_gallery_changes_nothing(order, metric):
    x, queries = points(6), points(3, 1)
    x[3] = x[1]  # equally far: the id decides
    found = []
    for places in (range(6), order):
        made = Gallery(SPACE, metric=metric)
        made.add([item(f"r{i}") for i in places], x[list(places)], SPACE)
        distance, near = made.search(queries, ["carl"] * 3, 4)
        found.append(([[made.items[j].id for j in row] for row in near], distance))
    assert found[0][0] == found[1][0]
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-6)


def test_a_difference_that_rounding_makes_decides_nothing():
    """Of two items as good as equally far the first by name comes first, also as the last of k."""
    made = Gallery(SPACE, metric="euclidean")
    x = np.array([[3, 0, 0, 0], [2, 0, 0, 0], [2 + 4e-6, 0, 0, 0]], np.float32)
    made.add([item("far"), item("b"), item("a")], x, SPACE)
    for k in (1, 2, 3):
        _, places = made.search(np.zeros((1, 4), np.float32), ["carl"], k)
        assert [made.items[i].id for i in places[0]] == ["a", "b", "far"][:k]


def test_a_batch_finds_what_single_queries_find():
    made, queries = gallery(), points(5, 2)
    together = made.search(queries, ["carl"] * 5, 3)
    single = [made.search(q[None], ["carl"], 3) for q in queries]
    np.testing.assert_allclose(together[0], np.concatenate([d for d, _ in single]), atol=1e-6)
    assert together[1].tolist() == np.concatenate([p for _, p in single]).tolist()


def test_what_is_saved_is_loaded(tmp_path):
    made = gallery(excluded=["carl"])
    made.save(tmp_path / "g.imu")
    back = Gallery.load(tmp_path / "g.imu")
    assert back.items == made.items and back.space == made.space
    assert (back.provenance, back.metric, back.excluded) == ("cross-user", "cosine", ("carl",))
    np.testing.assert_array_equal(back.embeddings, made.embeddings)
    np.testing.assert_array_equal(back.recording("r2").data, made.recording("r2").data)
    assert back.counts() == made.counts()
    for mine, theirs in zip(
        back.search(points(3, 1), ["carl"] * 3),
        made.search(points(3, 1), ["carl"] * 3),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(InputError, match="ben: asks and is held"):
        back.search(points(1), ["ben"])
    with pytest.raises(InputError, match="carl"):
        back.add([item("planted", "A", "carl")], points(1), SPACE)
    back.add([item("new", "A", "dora")], points(1, 3), SPACE)  # after signals were read, and before
    assert len(back) == 7 and back.recording("new").subject == "dora"


def test_merging_is_the_union():
    whole, first, second = gallery(), Gallery(SPACE), Gallery(SPACE)
    recordings = [whole.recording(i.id) for i in whole.items]
    first.add(recordings[:4], whole.embeddings[:4], SPACE)
    second.add(recordings[2:], whole.embeddings[2:], SPACE)
    union = first.merge(second)
    assert union.items == whole.items
    np.testing.assert_array_equal(union.embeddings, whole.embeddings)
    assert {i.id for i in second.merge(first).items} == {i.id for i in whole.items}
    assert len(whole.merge(whole)) == len(whole)
    queries, people = points(3, 1), ["carl"] * 3
    for mine, theirs in zip(
        union.search(queries, people), whole.search(queries, people), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_a_union_is_as_strict_as_the_stricter_and_as_open_as_the_more_open():
    first, second = gallery(excluded=["carl"]), Gallery(SPACE, excluded=["dora"])
    assert first.merge(second).excluded == second.merge(first).excluded == ("carl", "dora")
    own = gallery(provenance="same-user")
    for union in (own.merge(second), second.merge(own)):
        assert (union.provenance, union.excluded) == ("same-user", ())


def test_two_items_of_one_id_are_not_united():
    other = Gallery(SPACE)
    other.add([item("r0")], points(1, 5), SPACE)
    with pytest.raises(InputError, match="'r0': differs between the galleries"):
        gallery().merge(other)


def test_items_are_listed_by_person_and_session():
    made = Gallery(SPACE)
    names = [("anna", "1", "A"), ("anna", "2", "B"), ("ben", "1", "A"), ("anna", "1", "A")]
    made.add([item(f"r{i}", c, p, s) for i, (p, s, c) in enumerate(names)], points(4), SPACE)
    assert {k: dict(v) for k, v in made.counts().items()} == {
        ("anna", "1"): {"A": 2}, ("anna", "2"): {"B": 1}, ("ben", "1"): {"A": 1},
    }  # fmt: skip


def test_new_people_and_classes_are_enrolled_without_training():
    made = gallery()
    made.search(points(1, 9), ["dora"])  # whatever was asked before
    made.add([item("new", "Z", "carl")], points(1, 9), SPACE)
    _, near = made.search(points(1, 9), ["dora"], 1)
    assert made.items[near[0, 0]].label == "Z" and made.people == ("anna", "ben", "carl")


def test_a_planted_leak_is_refused():
    """The query person's own recording must not answer in a cross-user gallery."""
    made = gallery()
    with pytest.raises(InputError, match="ben: asks and is held by a cross-user gallery"):
        made.search(points(1), ["ben"])
    with pytest.raises(InputError, match="carl"):
        bound = gallery(excluded=["carl"])
        bound.add([item("planted", "A", "carl")], points(1), SPACE)
    assert len(bound) == 6
    with pytest.raises(InputError, match="carl"):
        other = Gallery(SPACE)
        other.add([item("planted", "A", "carl")], points(1), SPACE)
        bound.merge(other)
    own = gallery(provenance="same-user")
    assert own.search(points(1), ["ben"])[1].shape == (1, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.add([item("r0")], points(1), SPACE), "'r0': is in the gallery already"),
        (lambda g: g.add([item("x", label="")], points(1), SPACE), "'x': has no label"),
        (lambda g: g.add([item("x", subject="")], points(1), SPACE), "'x': has no subject"),
        (lambda g: g.add([item("x")], points(1) * np.nan, SPACE), "of x is not a number"),
        (lambda g: g.search(points(1) * np.nan, ["carl"]), "query 1 is not a number"),
        (lambda g: g.search(points(1)[:, :2], ["carl"]), "embeddings of 4 numbers"),
        (lambda g: Gallery(SPACE).search(points(1), ["carl"]), "gallery is empty"),
        (lambda g: g.search(points(1), ["carl"], 0), "k is 0: ask for at least one"),
        (
            lambda g: g.add([item("x")], points(1), Space("xyz", SPACE.channels, 50.0, 4)),
            "encoder is xyz, the gallery's is abc",
        ),
        (
            lambda g: g.merge(Gallery(Space("abc", ("acc_up",), 50.0, 4))),
            "channels is acc_up, the gallery's is velocity_right, velocity_up",
        ),
        (
            lambda g: g.merge(Gallery(Space("abc", SPACE.channels, 100.0, 4))),
            "rate is 100.0, the gallery's is 50.0",
        ),
        (lambda g: g.merge(Gallery(SPACE, metric="euclidean")), "metric is euclidean"),
        (lambda g: Gallery(SPACE, metric="cosin"), "did you mean 'cosine'"),
        (lambda g: Gallery(SPACE, "cross"), "did you mean 'cross-user'"),
    ],
)
def test_mistakes_are_named_in_one_line_and_change_nothing(change, message):
    made = gallery()
    with pytest.raises(InputError, match=message) as error:
        change(made)
    assert "\n" not in str(error.value)
    assert len(made) == 6 and len(made.embeddings) == 6


@given(st.data())
@settings(max_examples=40)
def test_damage_is_detected_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("g") / "g.imu"
    made = gallery()
    made.save(path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        back = Gallery.load(path)
    except InputError as error:
        assert "is damaged" in str(error) or "format" in str(error)
    else:  # what nobody reads, such as who wrote it
        assert back.items == made.items
        assert contents(back) == contents(made)
        np.testing.assert_array_equal(back.embeddings, made.embeddings)


def test_the_last_good_gallery_stays(tmp_path):
    path = tmp_path / "g.imu"
    gallery(4).save(path)
    gallery(4).save(path)
    assert not (tmp_path / "g.imu.previous").exists()  # what replaces its like replaces nothing
    gallery(6).save(path)
    assert len(Gallery.load(tmp_path / "g.imu.previous")) == 4
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"is damaged .*the last good one is .*g\.imu\.previous"):
        Gallery.load(path)
    gallery(5).save(path)  # what is damaged does not replace what is whole
    assert len(Gallery.load(path)) == 5
    assert len(Gallery.load(tmp_path / "g.imu.previous")) == 4


def test_another_checksum_is_damage(tmp_path):
    path = tmp_path / "g.imu"
    gallery().save(path)
    table = pq.read_table(path)
    for column, value in (("subject", "emma"), ("acc_z", [0.0] * 4), ("embedding", [0.0] * 4)):
        place = table.column_names.index(column)
        changed = pa.array([value] * len(table), table[column].type)
        pq.write_table(table.set_column(place, column, changed), path)
        with pytest.raises(InputError, match="its checksum is another"):
            Gallery.load(path)


def test_a_gallery_is_recordings_in_the_layout_of_all_with_an_embedding_beside_each(tmp_path):
    path = tmp_path / "g.parquet"
    made = gallery()
    made.save(path)
    table = pq.read_table(path)
    np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), made.embeddings)
    plain = tmp_path / "plain.parquet"
    pq.write_table(table.drop_columns(["embedding"]), plain)
    assert [rec.content for rec in load(plain)] == contents(made)


def test_a_gallery_of_the_first_format_is_read_and_saved_in_the_second(tmp_path):
    old = Gallery.load(FIRST_FORMAT)
    assert (old.provenance, old.metric, old.excluded) == ("cross-user", "cosine", ("carl",))
    assert old.space == Space("0123456789ab", ("velocity_right", "velocity_up"), 50.0, 4)
    assert old.items[4] == Item(
        "sim-002-2d-B-00", "sim-002", "sim-002-2d", "B", "simulated", "2d",
    )  # fmt: skip
    np.testing.assert_array_equal(old.embeddings, np.arange(24).reshape(6, 4) % 7)
    assert contents(old)[:2] == ["ce04146cbbea791a", "b1c703c55179c222"]
    old.save(tmp_path / "g.parquet")
    new = Gallery.load(tmp_path / "g.parquet")
    assert new.items == old.items and new.excluded == old.excluded
    assert contents(new) == contents(old)
    finds_the_same(new, old)


@given(st.data())
@settings(max_examples=40)
def test_damage_of_the_first_format_is_detected_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("g") / "g.imu"
    content = bytearray(FIRST_FORMAT.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    old = Gallery.load(FIRST_FORMAT)
    try:
        back = Gallery.load(path)
    except InputError as error:
        assert "is damaged" in str(error) or "format" in str(error)
    else:  # a date or a flag of the container
        assert back.items == old.items
        assert contents(back) == contents(old)
        np.testing.assert_array_equal(back.embeddings, old.embeddings)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_item_among_those_of_another_label_is_left_out_and_no_label_is_lost(metric):
    corners = np.eye(4, dtype=np.float32)[:2].repeat(30, axis=0) + 0.1 * points(60)
    labels = np.array(list("A" * 30 + "B" * 30))
    assert agreeing(corners, labels, 0.8, metric).tolist() == list(range(60))
    labels[7] = "B"  # it lies among the As
    assert agreeing(corners, labels, 0.8, metric).tolist() == [i for i in range(60) if i != 7]
    labels[7] = "C"  # and is the only C
    assert agreeing(corners, labels, 0.8, metric).tolist() == list(range(60))
    same = np.ones((40, 4), np.float32)
    assert agreeing(same, np.array(["A"] * 40), 1.0, metric).tolist() == list(range(40))
    assert agreeing(corners[:1], labels[:1], 1.0, metric).tolist() == [0]


def test_one_neighbour_is_the_study_s_retrieval_and_an_empty_class_is_named():
    distances = np.array([[0.1, 0.3, 0.2, 0.9], [0.5, 0.4, 0.6, 0.1]])
    labels = np.array(["A", "A", "B", "B"])
    np.testing.assert_allclose(nearness(distances, labels, "AB"), [[-0.1, -0.2], [-0.4, -0.1]])
    np.testing.assert_allclose(nearness(distances, labels, "AB", 2)[0], [-0.2, -0.55])
    assert ranks(distances, labels, ["B", "A"]).tolist() == [2, 2]
    with pytest.raises(InputError, match="label 'C': no item in the gallery"):
        nearness(distances, labels, "ABC")


def test_a_file_that_would_unpack_to_far_more_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.imu"
    deflated = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with deflated as file, file.open("about.json", "w") as part:
        for _ in range(300):
            part.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match="would unpack to 314,572,800 bytes"):
        Gallery.load(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 25
    tracemalloc.stop()
