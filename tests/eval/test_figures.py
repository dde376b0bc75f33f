"""Pictures of a report: points where they are, names that can be read, text from data as it is."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from imuscribe.eval.report import figures


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figures that are drawn."""
    kept = []

    def keep(figure):
        kept.append(figure)
        return original(figure)

    original = figures.png
    monkeypatch.setattr(figures, "png", keep)
    return kept


def method(value, tokens=53, **people):
    bounds = {"value": value, "low": value - 0.01, "high": value + 0.01}
    return {
        "accuracy": bounds,
        "tokens": {"median": tokens} if tokens else None,
        "per_person": {name: {"value": one} for name, one in people.items()},
        "people": {"value": value},
    }


def test_points_stand_at_their_true_number_of_tokens(drawn):
    methods = {"a": method(0.4), "b": method(0.4), "c": method(0.6, 61), "svm": method(0.5, 0)}
    figures.tokens_against_accuracy(methods, ["svm"], 0.04)
    lines = [x.lines[0] for x in drawn[0].axes[0].containers]
    assert [(*x.get_xdata(), *x.get_ydata()) for x in lines] == [(53, 0.4), (53, 0.4), (61, 0.6)]
    assert lines[0].get_marker() != lines[1].get_marker()
    assert lines[0].get_markersize() > lines[1].get_markersize()


def test_names_of_people_do_not_overlap(drawn):
    people = {"anna": 1.0, "ben": 1.0, "carl": 0.98, "dora": 0.97, "eve": 0.5}
    figures.accuracy_by_person({"a": method(0.9, **people)}, [], 0.2)
    axes = drawn[0].axes[0]
    renderer = FigureCanvasAgg(drawn[0]).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert sorted(text.get_text() for text in axes.texts) == ["anna, ben", "carl", "dora", "eve"]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_names_that_look_like_formulas_are_drawn_as_they_are():
    odd = [r"a$\frac{$b", "$x$", r"\$", "日本", "x" * 300]
    assert figures.confusion_matrix(odd, [[1] * 5] * 5)
    assert figures.drawings([[(odd[0], np.zeros((2, 9)))]])
    assert figures.accuracy_by_person({"a": method(0.5, **dict.fromkeys(odd, 0.5))}, [], 0.2)
