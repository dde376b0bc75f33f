"""Two classifiers of sequences: nearest by warping, and the small network."""

import numpy as np
import torch

from imuscribe.models.estimators import NearestByWarping, SmallCNN


def test_warping_forgives_a_shift_that_a_stiff_comparison_does_not():
    t = np.arange(40)
    bump = np.exp(-(((t - 18) / 2) ** 2))
    late = np.exp(-(((t - 22) / 2) ** 2))
    flat = np.full(40, 0.2)
    train = np.stack([bump, flat]).astype(np.float32)[:, None]
    query = late.astype(np.float32)[None, None]
    assert ((query - train) ** 2).sum(axis=(1, 2)).argmin() == 1
    nearest = NearestByWarping(band=0.2).fit(train, np.array([0, 1]))
    assert nearest.decision_function(query).argmax() == 0


def test_without_a_band_warping_is_the_euclidean_distance_and_with_one_never_more():
    x = np.random.default_rng(0).normal(size=(4, 2, 10)).astype(np.float32)
    euclid = np.sqrt(((x[0] - x[1:]) ** 2).sum(axis=(1, 2)))

    def distances(band):
        return -NearestByWarping(band).fit(x[1:], np.arange(3)).decision_function(x[:1])[0]

    np.testing.assert_allclose(distances(0), euclid, rtol=1e-5)
    assert (distances(1) < euclid).all()


def test_the_pool_is_thinned_to_its_limit():
    x = np.zeros((30, 1, 5), dtype=np.float32)
    nearest = NearestByWarping(most_per_class=4).fit(x, np.repeat([0, 1], [20, 10]))
    assert nearest.decision_function(x[:3]).shape == (3, 2)
    assert np.bincount(nearest._y).tolist() == [4, 4]


def test_the_network_leaves_the_callers_random_state_alone():
    x = np.random.default_rng(0).normal(size=(9, 2, 16)).astype(np.float32)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    SmallCNN(epochs=2, batch_size=4).fit(x, np.repeat([0, 1, 2], 3))
    assert torch.equal(torch.rand(3), expected)
