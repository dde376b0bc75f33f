"""Splits by person: nobody is tested on what was learnt from them."""

import zlib
from collections import Counter

import numpy as np
import pytest

from imuscribe.eval.splits import check_disjoint, make_folds
from imuscribe.recipes.schema import SplitConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, Recording


def recording(subject, label, repetition=0, case=""):
    return Recording(
        id=f"{subject}-{label}-{case}{repetition}",
        case=case,
        data=np.full((3, 4), zlib.crc32(f"{subject}{label}{repetition}".encode()) % 2**22),
        channels=ACC,
        t=np.arange(4) / 50,
        label=label,
        subject=subject,
    )


def study(people="abc", labels="XY", repetitions=3):
    return [recording(p, c, r) for p in people for c in labels for r in range(repetitions)]


def people(recordings):
    return {rec.subject for rec in recordings}


def test_leave_one_person_out_tests_everybody_once():
    recordings = study("abc")
    folds = make_folds(recordings, SplitConfig(), "XY")
    assert [fold.name for fold in folds] == ["a", "b", "c"]
    assert sorted(r.id for f in folds for r in f.test) == sorted(r.id for r in recordings)
    for fold in folds:
        assert people(fold.test) == {fold.name}
        assert people(fold.train) == set("abc") - {fold.name}
        assert fold.note == ""


def test_groups_test_everybody_once_and_never_with_their_own_recordings():
    recordings = study("abcdefg")
    split = SplitConfig(protocol="groups", groups=3)
    folds = make_folds(recordings, split, "XY", seed=1)
    assert [fold.name for fold in folds] == ["group-1", "group-2", "group-3"]
    assert sorted(r.id for f in folds for r in f.test) == sorted(r.id for r in recordings)
    assert sorted(len(people(fold.test)) for fold in folds) == [2, 2, 3]
    for fold in folds:
        assert people(fold.test).isdisjoint(people(fold.train))
    one = make_folds(recordings, split.model_copy(update={"folds": ("group-2",)}), "XY", seed=1)
    assert [people(f.test) for f in one] == [people(folds[1].test)]
    other = make_folds(recordings, split, "XY", seed=2)
    assert [people(f.test) for f in other] != [people(f.test) for f in folds]


def test_impossible_groups_are_refused():
    with pytest.raises(InputError, match="3 people"):
        make_folds(study("abc"), SplitConfig(protocol="groups", groups=4), "XY")
    with pytest.raises(InputError, match=r"no group .group-9"):
        make_folds(study("abc"), SplitConfig(protocol="groups", folds=("group-9",)), "XY")


def test_chosen_folds_only():
    folds = make_folds(study("abc"), SplitConfig(folds=("c",)), "XY")
    assert [(f.name, people(f.train)) for f in folds] == [("c", {"a", "b"})]


def test_given_people():
    split = SplitConfig(protocol="given", train=("a", "b"), test=("c",))
    (fold,) = make_folds(study("abcd"), split, "XY")
    assert (people(fold.train), people(fold.test)) == ({"a", "b"}, {"c"})


def test_both_directions_of_two_people():
    folds = make_folds(study("ab"), SplitConfig(protocol="both-directions"), "XY")
    assert [(people(f.train), people(f.test)) for f in folds] == [({"b"}, {"a"}), ({"a"}, {"b"})]


def test_pairs_repeat_one_direction_of_the_two_person_study():
    folds = make_folds(study("abcd"), SplitConfig(protocol="pairs"), "XY")
    assert [(people(f.train), people(f.test)) for f in folds] == [({"a"}, {"b"}), ({"c"}, {"d"})]
    chosen = SplitConfig(protocol="pairs", folds=("d",))
    assert [fold.name for fold in make_folds(study("abcd"), chosen, "XY")] == ["d"]
    with pytest.raises(InputError, match="pairs needs an even number of people, the data has 3"):
        make_folds(study("abc"), SplitConfig(protocol="pairs"), "XY")


def test_most_per_label_is_balanced_over_labels_and_people_and_says_so():
    recordings = study("abc", repetitions=5)
    split = SplitConfig(protocol="given", train=("a",), test=("b", "c"), max_test_per_label=4)
    (fold,) = make_folds(recordings, split, "XY", seed=1)
    assert Counter((r.subject, r.label) for r in fold.test) == {
        (p, c): 2 for p in "bc" for c in "XY"
    }
    assert fold.note == "8 of 20 test recordings, at most 4 a label, drawn with seed 1"
    order = [r.id for r in recordings]
    assert [r.id for r in fold.test] == sorted((r.id for r in fold.test), key=order.index)

    def kept(seed):
        return [r.id for r in make_folds(recordings, split, "XY", seed=seed)[0].test]

    assert kept(1) == kept(1)
    assert len({tuple(kept(seed)) for seed in range(5)}) > 1


def test_what_is_kept_of_a_person_is_balanced_over_cases():
    kinds = ("2d", "3d")
    cases = [recording(p, c, r, k) for p in "ab" for c in "XY" for r in range(9) for k in kinds]
    for fold in make_folds(cases, SplitConfig(max_test_per_label=6), "XY"):
        assert Counter((r.label, r.case) for r in fold.test) == {
            (c, k): 3 for c in "XY" for k in ("2d", "3d")
        }


def test_a_label_with_fewer_recordings_keeps_them_all():
    recordings = [*study("ab", "X", 1), *study("ab", "Y", 6)]
    folds = make_folds(recordings, SplitConfig(max_test_per_label=3), "XY")
    assert Counter(r.label for r in folds[0].test) == {"X": 1, "Y": 3}


@pytest.mark.parametrize(
    ("recordings", "split", "message"),
    [
        ([], SplitConfig(), "no recordings"),
        ([*study("a"), recording("", "X")], SplitConfig(), "has no subject"),
        (study("ab", "XYZ"), SplitConfig(), "label 'Z'"),
        (study("a"), SplitConfig(), "needs two people"),
        (study(["Ann", "ann ", "bob"]), SplitConfig(), "'Ann' and 'ann ' differ only"),
        (study("abc"), SplitConfig(protocol="both-directions"), "exactly two"),
        (study(["p001", "p002"]), SplitConfig(folds=("p01",)), "did you mean 'p001'"),
        (
            study(["p001", "p002"]),
            SplitConfig(protocol="given", train=("p001",), test=("p0002",)),
            "did you mean 'p002'",
        ),
        (
            study("ab"),
            SplitConfig(protocol="given", train=("a",), test=("b",), folds=("b",)),
            "split.folds",
        ),
        ([*study("a"), *study("b", "X")], SplitConfig(), "no training recording of Y"),
    ],
)
def test_mistakes_are_one_line(recordings, split, message):
    with pytest.raises(InputError, match=message) as error:
        make_folds(recordings, split, "XY")
    assert "\n" not in str(error.value)


def test_a_fold_named_twice_would_count_its_people_twice():
    with pytest.raises(InputError, match="'folds' names a twice"):
        SplitConfig.parse({"folds": "a,b,a"}, "split")


def test_a_person_on_both_sides_is_refused():
    everybody = study("ab")
    with pytest.raises(InputError, match="person a is in both"):
        check_disjoint(everybody, study("a"))
    with pytest.raises(InputError, match="subject"):
        SplitConfig.parse({"protocol": "given", "train": "a,b", "test": "b"})


def test_the_same_recording_under_two_names_is_refused():
    twin = recording("a", "X").replace(subject="b")
    with pytest.raises(InputError, match="recording a-X-0 is in both"):
        check_disjoint([recording("a", "X")], [twin])


def test_a_copy_under_another_name_and_person_is_refused():
    recordings = study("abc")
    planted = recordings[0].replace(id="other", subject="c")
    with pytest.raises(InputError, match=r"'other' of c is a copy of .*'a-X-0' of a"):
        check_disjoint(recordings[:6], [planted])
    with pytest.raises(InputError, match="is a copy of"):
        make_folds([*recordings, planted], SplitConfig(), "XY")


def test_the_training_can_go_without_the_copies_of_what_is_tested():
    recordings = study("abc")
    planted = recordings[0].replace(id="other", subject="c")
    folds = make_folds([*recordings, planted], SplitConfig(copies="drop"), "XY")
    by_name = {fold.name: fold for fold in folds}
    assert "a-X-0" not in {rec.id for rec in by_name["c"].train}
    assert "other" not in {rec.id for rec in by_name["a"].train}
    assert "other" in {rec.id for rec in by_name["c"].test} & {r.id for r in by_name["b"].train}
    assert by_name["c"].note == "training without 1 copied from test people"
    assert by_name["b"].note == ""
