"""The figures of a caption are read back from its text, and false ones are counted."""

import numpy as np
import pytest

from imuscribe.prompts.captions.hierarchy import CaptionConfig, captions
from imuscribe.prompts.captions.hierarchy.stated import check_stated, stated
from imuscribe.signals.recording import ACC, GYRO, Recording


@pytest.mark.parametrize("seed", range(12))
def test_every_figure_of_a_computed_caption_is_read_and_true(seed):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(6, 100)) * rng.uniform(0.5, 4, (6, 1))
    rec = Recording(f"r{seed}", data, (*ACC, *GYRO), np.arange(100) / 25, label="walking")
    (one,) = captions([rec], CaptionConfig(seed=seed))
    found = check_stated(one.text, one.found.figures)
    assert found == (24, 0, 0)
    assert {figure.channel for figure in stated(one.text)} == {*ACC, *GYRO}


def test_a_false_figure_is_counted_and_so_is_how_far_it_is_off():
    figures = {"acc_x": (1.0, 0.5, -1.0, 3.0), "gyro_x": None}
    text = "Acceleration, in m/s²: x mean 1.00, deviation 0.50, min -1.04, max 9.00."
    assert check_stated(text, figures) == (4, 2, 1)
    assert check_stated("Rotation: x mean 1, deviation 2, min 3, max 4", figures) == (4, 4, 4)
    assert check_stated("Nothing peaks at 3.", figures) == (0, 0, 0)
