"""The parser takes an answer where a text commits itself to one, and nowhere else."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imuscribe.prompts.ask.answers import Answer, parse_answer

CAPITALS = tuple(string.ascii_uppercase)
SMALL = tuple(string.ascii_lowercase)
MIXED = CAPITALS + tuple(string.digits)
ACTIVITIES = ("seated", "standing_up", "walking", "turning", "sitting_down")


@pytest.mark.parametrize(
    ("text", "ranked"),
    [
        ("A", "A"),
        (" A", "A"),
        ("b.", "B"),
        ('"Q"', "Q"),
        ("**M**", "M"),
        ("A\n\nNE SE S\nLetter: B", "A"),  # a base model that goes on with the next example
        ("Letter: A", "A"),
        ("**Answer:** 'A'", "A"),
        ("Answer: **A**", "A"),
        ("The letter is A", "A"),
        ("The letter is A.", "A"),
        ("the letter is most likely a B, given the two bows", "B"),
        ("I think it's the letter K because of the two kicks.", "K"),
        ("This corresponds to the uppercase letter 'R'.", "R"),
        ("The strokes correspond to the letter R, so that is my guess", "R"),
        ("This corresponds to the letter 'R'", "R"),
        ("It is I.", "I"),
        ("Final answer: $\\boxed{Z}$", "Z"),
        ("<think>The answer is B? No.</think>\n\nC", "C"),
        ("<answer>T</answer>", "T"),
        ("At first the answer is B. On reflection the answer is D.", "D"),
        ("The movement goes down, then right: it must be an 'L'.", "L"),
        ("Two arcs, hence “S”", "S"),
        ("Top 5: A, B, C", "ABC"),
        ("Top 5: A, B, C, D, E, F", "ABCDE"),
        ("top five guesses are V, U and W.", "VUW"),
        ("Ranking: N > M > W", "NMW"),
        ("1. A (40%)\n2. H (30%)\n3. R (10%)", "AHR"),
        ("Top 5:\n1) **O** - 50%: round\n2) **Q** - 30%: round with a tail\n3) **C**", "OQC"),
        ("Top 5: 1. P 2. D 3. B 4. R 5. F", "PDBRF"),
        ("Here are my top 5 guesses:\n- X\n- K\n- Y", "XKY"),
        ("Top 5:\n1. Letter G (35%)\n2. Letter C (20%)", "GC"),
        ("Top 5: A, B, C, D, E.\nSo my final answer is B.", "BACDE"),
        ('{"answer": "F", "confidence": 0.7}', "F"),
        ('```json\n{"letter": "k"}\n```', "K"),
        ('{"top_5": [{"letter": "E", "confidence": 40}, {"letter": "F"}]}', "EF"),
        ('["J", "U"]', "JU"),
        ("A: 5%\nB: 70%\nC: 25%", "BCA"),
        ("Letter: A - 5%\nLetter: B - 70%\nLetter: C - 25%", "BCA"),
    ],
)
def test_reads_what_models_write(text, ranked):
    assert parse_answer(text, CAPITALS).ranked == tuple(ranked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "9.85",
        "The average of the 150 scores is 9.85.",
        "The answer is 9.85",
        "**Answer:** 9.85 m/s²",
        "[0.12, 9.81, 0.33]",
        '{"answer": null}',
        '{"average": 9.85}',
        "A list of scores was given. I computed the mean.",
        "I see a movement to the right. A turn follows.",
        "The letter is a curve with two ends",
        "The letter is I think hard to tell",
        "1. A detailed look at the signal\n2. I then sum the values",
        "It could be A or B.",
        "The letter is A or B.",
        "The letter is not A.",
        "It is not 'M'",
        "It might be 'M' or 'N'",
        "The letters range from A to Z.",
        "Candidates: all letters of the alphabet",
        "Sorry, I can't tell the letter from this data.",
        "The signal is A-shaped",
        "Letter: unknown",
        "Answer: AB",
        "Please provide more data.",
        "{{{[[[",
        "\\boxed{",
        "Top 5:",
        "The x axis is stable, then the y axis moves.",
    ],
)
def test_takes_no_answer_from_a_text_without_one(text):
    answer = parse_answer(text, CAPITALS)
    assert answer.unparsable
    assert answer.ranked == ()


@pytest.mark.parametrize(
    ("labels", "text", "ranked"),
    [
        (MIXED, "The answer is 9.85", ()),
        (MIXED, "The average is 9", ()),
        (MIXED, "9.85", ()),
        (MIXED, "9", ("9",)),
        (MIXED, "Top 5:\n1. 7 (40%)\n2. 1 (30%)", ("7", "1")),
        (MIXED, "Top 5: 1, 7, T", ("1", "7", "T")),
        (MIXED, "The character is 0, not O.", ("0",)),
        (SMALL, "The letter is a.", ("a",)),
        (SMALL, "The letter is a circle", ()),
        (SMALL, "Letter: B", ("b",)),
        (("a", "A"), "A", ("A",)),
        (("a", "A"), "The letter is 'a'.", ("a",)),
        (("a", "A", "b"), "Top 5: A, a, B", ("A", "a", "b")),
        (ACTIVITIES, "The person is walking.", ("walking",)),
        (ACTIVITIES, "sitting down", ("sitting_down",)),
        (ACTIVITIES, "Activity: Standing-Up", ("standing_up",)),
        (ACTIVITIES, "Slow steps at an even pace suggest walking here", ("walking",)),
        (ACTIVITIES, "Perhaps walking, perhaps turning", ()),
        (ACTIVITIES, "The person is not walking.", ()),
        (ACTIVITIES, "1. turning (60%)\n2. walking (20%)", ("turning", "walking")),
    ],
)
def test_labels_may_be_anything(labels, text, ranked):
    assert parse_answer(text, labels).ranked == ranked


def test_confidences_are_read_beside_each_label():
    text = "A: the strokes meet, 5%\n**B** (likelihood 62.5%)\nC = 0.1\n\nTop 5:\n1. B\n2. C"
    answer = parse_answer(text, CAPITALS)
    assert answer.ranked == ("B", "C", "A")
    assert answer.confidences == {"A": 0.05, "B": 0.625, "C": 0.1}


def test_impossible_confidences_are_ignored():
    assert parse_answer("Top 5:\n1. B (400%)", CAPITALS).confidences == {}


WORDS = st.text(string.ascii_lowercase, min_size=3, max_size=8)
RANKINGS = st.one_of(
    st.permutations(CAPITALS),
    st.permutations(MIXED),
    st.permutations(CAPITALS + SMALL),
    st.lists(WORDS, min_size=1, max_size=9, unique=True),
)


def written(answer):
    """Write an answer in the form the study-style prompt asks for."""
    lines = [f"Top {len(answer.ranked)}:"]
    for rank, label in enumerate(answer.ranked, start=1):
        confidence = answer.confidences.get(label)
        tail = "" if confidence is None else f" ({100 * confidence:g}%)"
        lines.append(f"{rank}. {label}{tail}")
    return "\n".join(lines)


@given(RANKINGS, st.integers(1, 5), st.lists(st.integers(0, 100), min_size=5, max_size=5))
def test_a_written_ranking_reads_back_the_same(labels, count, percents):
    ranked = tuple(labels[:count])
    pairs = zip(ranked, percents, strict=False)
    plain, scored = Answer(ranked), Answer(ranked, {k: p / 100 for k, p in pairs})
    assert parse_answer(written(plain), labels) == plain
    assert parse_answer(written(scored), labels) == scored


SNIPPETS = st.sampled_from(
    ["Top 5", ":", "A", "I", "a", "**", "'", "1.", "7", " is ", "letter", "{", "[", '"', "%", "\n",
     "answer", " or ", "the ", "0.4", "\\boxed{", "<think>", "</think>", "(", ")", "- ", "not "]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(SNIPPETS, max_size=40).map("".join)))
def test_no_text_breaks_the_parser(text):
    for labels in (CAPITALS, MIXED, ACTIVITIES):
        answer = parse_answer(text, labels)
        assert set(answer.ranked) <= set(labels)
        assert len(set(answer.ranked)) == len(answer.ranked) <= 5
        assert all(0 <= value <= 1 for value in answer.confidences.values())
        assert answer.unparsable == (not answer.ranked)


@given(st.text(), st.lists(st.text(), max_size=6))
def test_no_label_breaks_the_parser(text, labels):
    assert set(parse_answer(text, labels).ranked) <= set(labels)


@pytest.mark.parametrize(
    "piece", ["the ", "is ", "A, ", "1. ", "[", "{", "A: ", "'A' or ", "letter is "]
)
def test_long_rambling_is_read_in_bearable_time(piece):
    assert len(parse_answer(piece * 4000, CAPITALS).ranked) <= 5
