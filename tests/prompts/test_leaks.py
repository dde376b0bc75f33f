"""Reasoning that names its answer is found; articles, pronouns, axes and units do not count."""

import pytest

from imuscribe.prompts.checking.leaks import leaks


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("This is an A.", "A"),
        ("The letter a is likely.", "A"),
        ("It looks like 'A'.", "A"),
        ("So the answer: A", "A"),
        ("A is written with three strokes", "A"),
        ("The hand draws A in the air.", "A"),
        ("Two slanted strokes and a bar: (A)", "A"),
        ("It crosses like an X.", "X"),
        ("The letter I has one stroke", "I"),
        ("It is I.", "I"),
        ("The shape of B", "B"),
        ("B", "B"),
        ("Two bows as in B, one above", "B"),
        ("The strokes fit **K** best", "K"),
        ("an L-shaped path", "L"),
        ("the digit 7", "7"),
        ("the letter s", "s"),
        ("an a", "a"),
        ("The person is walking.", "walking"),
        ("She walks on.", "walking"),
        ("He walked away.", "Walking"),
        ("Sitting down slowly", "sitting_down"),
        ("He sits down", "sitting_down"),
        ("a running pace", "running"),
        ("he ran or runs", "running"),
    ],
)
def test_a_named_label_is_found(text, label):
    assert leaks(text, label)
    for start, end in leaks(text, label):
        assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("A downward stroke is followed by a rest.", "A"),
        ("rest. A first stroke", "A"),
        ("The X axis peaks; X values and an X-axis peak", "X"),
        ("the X, Y and Z axes", "X"),
        ("X: rises", "X"),
        ("Gravity is on the z axis, as the z peak shows", "z"),
        ("I count three strokes, and I see a rest", "I"),
        ("Band of noise", "B"),
        ("N = 160 samples", "N"),
        ("a 7 m/s² peak of 7", "7"),
        ("7 s", "7"),
        ("a stroke in s", "s"),
        ("0.5 s rest; a g of force", "g"),
        ("a stroke", "a"),
        ("on the sidewalk", "walking"),
        ("He sat while the king sings", "walking"),
        ("", "A"),
        ("no label", ""),
    ],
)
def test_what_only_looks_like_the_label_is_not(text, label):
    assert leaks(text, label) == ()


def test_computed_reasoning_never_names_its_letter(letters):
    from imuscribe.prompts.captions.explain import explain

    for rec in letters(1, 1, "A-Z"):
        made = explain(rec, rec.label)
        assert leaks(made.reasoning, rec.label) == ()
        assert leaks(made.text, rec.label)
