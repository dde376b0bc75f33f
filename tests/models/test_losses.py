"""The triplet loss and its mining on numbers one can check by hand, and against the library."""

import numpy as np
import pytest
import torch

from imuscribe.models.config import LossConfig
from imuscribe.models.losses import build_loss, mine, triplet_margin

# On a line: anchors of class 0 at 0 and of class 1 at 10; references beside them.
ANCHORS = torch.tensor([[0.0], [10.0]])
CLASSES = torch.tensor([0, 1])
REFERENCES = torch.tensor([[1.0], [4.0], [3.0], [12.0]])
THEIRS = torch.tensor([0, 0, 1, 1])


def test_the_loss_of_literal_triplets_is_what_the_formula_gives():
    """max(D(a,p) + margin - D(a,n), 0), the mean over triplets that lose anything.

    Anchor 0: positives at 1 and 4, negatives at 3 and 12. With margin 2.5: 1 - 3 + 2.5 = 0.5 and
    4 - 3 + 2.5 = 3.5 lose, those with the far negative do not. Anchor 10: positives at 7 and 2,
    negatives at 9 and 6: 7 - 9 + 2.5 = 0.5, 7 - 6 + 2.5 = 3.5, 2 - 9 and 2 - 6 lose nothing.
    """
    loss = triplet_margin(ANCHORS, CLASSES, REFERENCES, THEIRS, 2.5, "all")
    assert loss.item() == pytest.approx((0.5 + 3.5 + 0.5 + 3.5) / 4)


def test_hard_takes_the_farthest_positive_and_the_nearest_negative():
    distance = (ANCHORS - REFERENCES.T).abs()
    found = [part.tolist() for part in mine(distance, CLASSES, THEIRS, 2.5, "hard")]
    assert found == [[0, 1], [1, 2], [2, 1]]
    loss = triplet_margin(ANCHORS, CLASSES, REFERENCES, THEIRS, 2.5, "hard")
    assert loss.item() == pytest.approx(((4 - 3 + 2.5) + (7 - 6 + 2.5)) / 2)


def test_semi_hard_takes_negatives_beyond_the_positive_but_within_the_margin():
    distance = (ANCHORS - REFERENCES.T).abs()
    found = [part.tolist() for part in mine(distance, CLASSES, THEIRS, 2.5, "semi-hard")]
    assert found == [[0, 1], [0, 2], [2, 0]]


@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_equal_pytorch_metric_learnings(mining, seed):
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner

    torch.manual_seed(seed)
    classes, theirs = torch.arange(4).repeat(3), torch.arange(4).repeat(5)
    mine_, yours = torch.randn(12, 6, requires_grad=True), torch.randn(20, 6)
    distance = LpDistance(normalize_embeddings=False)
    miner = {
        "all": TripletMarginMiner(0.4, "all", distance=distance),
        "semi-hard": TripletMarginMiner(0.4, "semihard", distance=distance),
        "hard": BatchHardMiner(distance=distance),
    }[mining]
    theirs_loss = TripletMarginLoss(0.4, distance=distance)
    triplets = miner(mine_, classes, yours, theirs)
    expected = theirs_loss(mine_, classes, triplets, yours, theirs)
    (expected_slope,) = torch.autograd.grad(expected, mine_)
    loss = triplet_margin(mine_, classes, yours, theirs, 0.4, mining)
    (slope,) = torch.autograd.grad(loss, mine_)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(slope, expected_slope, atol=1e-5)


@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
def test_without_a_losing_triplet_the_loss_and_its_gradient_are_zero(mining):
    anchors = torch.tensor([[0.0], [100.0]], requires_grad=True)
    references = torch.tensor([[0.0], [100.0]])  # at distance zero, where a root has no slope
    loss = triplet_margin(anchors, CLASSES, references, CLASSES, 1.0, mining)
    loss.backward()
    assert loss.item() == 0
    assert anchors.grad is not None and anchors.grad.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("kind", ["triplet", "contrastive", "multi-similarity"])
def test_every_loss_is_lower_when_classes_are_apart(kind):
    loss = build_loss(LossConfig(kind=kind, mining="all"))
    classes = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    mixed = apart[[0, 2, 1, 3]]
    assert loss(apart, classes, apart, classes) < loss(mixed, classes, apart, classes)
