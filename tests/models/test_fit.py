"""The training loop keeps the best weights, stops when nothing is gained, and names a lost loss."""

import pytest
import torch
from torch import nn

from imuscribe.models.fit import Checkpoint, fit, seeded
from imuscribe.signals.errors import InputError


def line(scores=None, epochs=6, lr=0.1, keep=None):
    """Fit y = 2x; `scores` are what the held-out people are said to reach."""
    with seeded(0):
        network = nn.Linear(1, 1)
        x = torch.linspace(-1, 1, 20)[:, None]
        said = iter(scores or ())
        kept = []

        def losses():
            for _ in range(3):
                yield (network(x) - 2 * x).square().mean()

        def score():
            assert not network.training
            kept.append(network.weight.item())
            return next(said)

        given = score if scores else None
        history = fit(network, losses, 3, epochs=epochs, lr=lr, score=given, patience=2, keep=keep)
    return network, history, kept


def test_a_loss_falls_and_without_held_out_people_the_last_weights_stay():
    network, history, _ = line()
    assert history.loss[-1] < history.loss[0] and len(history.loss) == 6
    assert (history.best, history.scores) == (5, []) and not network.training


def test_the_best_weights_are_kept_and_training_stops_after_patience():
    network, history, kept = line([0.2, 0.5, 0.5, 0.4, 0.9])
    assert (history.best, history.scores) == (1, [0.2, 0.5, 0.5, 0.4])
    assert network.weight.item() == kept[1] != kept[-1]


def test_a_loss_that_is_no_number_is_named():
    with pytest.raises(
        InputError, match=r"epoch \d: the loss is not a number: lower fit.lr \(1e\+30\)"
    ):
        line(lr=1e30)


def test_what_is_seeded_is_repeatable_and_nobody_else_notices():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    drawn = []
    for _ in range(2):
        with seeded(1):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn) and torch.equal(torch.rand(3), expected)


def test_a_checkpoint_holds_all_that_going_on_takes(tmp_path):
    keep = Checkpoint(tmp_path / "line.checkpoint", "this")
    scores = [0.2, 0.5, 0.4, 0.3]
    whole, known, _ = line(scores)
    with pytest.raises(StopIteration):  # the third score is never told: killed in that epoch
        line(scores[:2], keep=keep)
    resumed, history, _ = line(scores[2:], keep=keep)
    assert history == known and resumed.weight.item() == whole.weight.item()
    with pytest.raises(InputError, match=r"of another training.*--restart"):
        line(scores, keep=Checkpoint(keep.path, "other"))
