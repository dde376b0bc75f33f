"""Labels of recordings by people nobody has learnt from: language models beside classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

from imuscribe.eval.comparison import Answered, LabelTask, best, compared, label_results
from imuscribe.eval.methods.language import Predictors
from imuscribe.eval.predictions import Predictions
from imuscribe.eval.report.methods import letters_page
from imuscribe.eval.splits import Fold, make_folds
from imuscribe.eval.task import Answers, Unit, Values
from imuscribe.models.sensor.files import encoder_hash
from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.methods import is_baseline, is_tuned, method_of
from imuscribe.recipes.schema import EvalConfig, Recipe, TrainConfig
from imuscribe.signals.files import inside
from imuscribe.signals.recording import Recording


class Letters(LabelTask[Recipe]):
    """Every method of the recipe answers every fold."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        progress: bool = True,
        folds: Sequence[Fold] | None = None,
    ) -> None:
        super().__init__(recipe, folder, progress)
        self.folds = folds_of(recipe) if folds is None else folds
        self.predictors = Predictors(recipe, progress)

    def units(self) -> Sequence[Unit]:
        """Return folds × methods; what the untrained model answers first, so it is loaded once."""
        pairs = [(fold, method) for fold in self.folds for method in self.recipe.evaluate.methods]
        pairs.sort(key=lambda pair: is_tuned(pair[1]) or is_baseline(pair[1]))
        return [self.unit(fold, method) for fold, method in pairs]

    def unit(self, fold: Fold, method: str) -> Unit:
        """Return what one method answers about one fold."""
        return Unit(
            (fold.name, method),
            f"{method_key(self.recipe, method)}:{self.facts['sha256']}",
            partial(self._answer, fold, method),
            fold.test,
        )

    def answered(self, answers: Answers) -> Answered:
        """Return answers by method, and what pools of methods say together."""
        found = super().answered(answers)
        for name, members in _pools(self.recipe).items():
            each = zip(*(found[member] for member in members), strict=True)
            note = f"the mean of the log-probabilities of {', '.join(members)}"
            found[name] = [replace(Predictions.pooled(said), note=note) for said in each]
        return found

    def announcement(self, pending: Sequence[tuple[str, ...]]) -> str:
        """Say how long training is going to take, which is most of a run's time."""
        folds = {names[0] for names in pending if is_tuned(names[-1])}
        rows = [
            len(fold.train) * self.recipe.train.epochs for fold in self.folds if fold.name in folds
        ]
        if not rows:
            return ""
        from imuscribe.finetune.preflight import seconds, spoken

        most = self.recipe.train.max_rows or max(rows)
        tokens = sum(min(n, most) for n in rows) * self.predictors.typical_tokens(self.folds[0])
        return (
            f"{len(pending)} parts to do, {len(rows)} with a training of their own: together about "
            f"{spoken(seconds(self.recipe, tokens))} of training here; a stopped run goes on where "
            "it was"
        )

    def judge(self, answers: Answers) -> Values:
        """Return every method's figures and how the best of them compare."""
        recipe = self.recipe
        answered = self.answered(answers)
        return {
            "protocol": recipe.split.protocol,
            "data": recipe.data,
            "shots": recipe.evaluate.shots,
            "pools": {name: list(members) for name, members in _pools(recipe).items()},
            **compared(
                recipe, self.folds, answered, partial(_pairs, recipe), recipe.evaluate.bootstrap
            ),
        }

    results = staticmethod(label_results)
    page = staticmethod(letters_page)

    def _answer(self, fold: Fold, method: str) -> Predictions:
        return self.predictors.predict(method, fold, inside(self.folder, "folds", fold.name))


def folds_of(recipe: Recipe, recordings: Sequence[Recording] | None = None) -> Sequence[Fold]:
    """Return who trains and who is tested; every method learns from the very same recordings.

    `recordings` are the recipe's, where they are loaded already.
    """
    from imuscribe.finetune.adapters import check_start
    from imuscribe.finetune.base import merged_base
    from imuscribe.finetune.lineage import check_held_out
    from imuscribe.finetune.rows import load_recordings, select

    recordings = load_recordings(recipe) if recordings is None else recordings
    folds = [
        replace(fold, train=select(fold.train, recipe))
        for fold in make_folds(recordings, recipe.split, recipe.label_set, recipe.seed)
    ]
    # Its students train, and a merged base has been trained.
    trained = recipe.kind != "letters" or merged_base(recipe.model) is not None
    if trained or any(is_tuned(m) or m == "adapter" for m in recipe.evaluate.methods):
        check_start(recipe)
        check_held_out(recipe, recordings, [rec for fold in folds for rec in fold.test])
    return folds


def method_key(recipe: Recipe, method: str) -> str:
    """Return a fingerprint of all settings that the answers of a method depend on.

    Which folds and methods are run beside it is not among them.
    """
    from imuscribe.finetune.adapters import weights_hash
    from imuscribe.finetune.base import merged_base

    base = None if is_baseline(method) else merged_base(recipe.model)
    sections = ["seed", "data", "labels", "simulate", "clean", "split", "text", "evaluate", "train"]
    # What few recipes say is named only where they do: the keys of all others stay.
    sections += [name for name in ("sessions", "windows") if getattr(recipe, name)]
    if not is_baseline(method):
        sections += ["prompt", "model"]
    train = recipe.train
    if is_tuned(method):
        sections += ["lora", "sensor"]
    else:
        if base is not None:  # its tokens are read
            sections.append("sensor")
        # What trains the language model is nothing to the others, which recordings are.
        varied = is_baseline(method) and recipe.evaluate.baseline_copies
        train = TrainConfig(
            max_per_label=train.max_per_label,
            augment=train.augment if varied else None,
            start_from=train.start_from if method == "adapter" else None,
        )
    # What decides how much is run or how it is summarised is set to one value.
    aside = EvalConfig()
    alike = recipe.evaluate.model_copy(
        update={
            "methods": aside.methods,
            "bootstrap": aside.bootstrap,
            "test_copies": recipe.evaluate.test_copies if is_tuned(method) else 0,
            "calibrate": recipe.evaluate.calibrate if is_tuned(method) else 0,
        }
    )
    split = recipe.split.model_copy(update={"folds": ()})
    key = fingerprint(
        recipe.model_copy(update={"evaluate": alike, "split": split, "train": train}), sections
    )
    # Another adapter, or encoder, in the same place gives other answers.
    for folder in (train.start_from, base):
        if folder is not None:
            key = f"{key}:{weights_hash(folder)}"
    sensor = recipe.sensor if is_tuned(method) else None
    if sensor is not None and sensor.pretrained is not None:
        key = f"{key}:{encoder_hash(Path(sensor.pretrained))}"
    return key


def _pools(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Return the pools whose members are all run."""
    run, pools = set(recipe.evaluate.methods), recipe.evaluate.pools
    return {name: members for name, members in pools.items() if run.issuperset(members)}


def _pairs(recipe: Recipe, methods: Values) -> list[tuple[str, str]]:
    """Return what is worth comparing.

    The best tuned model with zero-shot and with the best baseline; among those that are shown the
    test person's own recordings the same, and with the best that is not. Every pool with the best
    of its members, and with every other pool.
    """
    pools = _pools(recipe)
    own = [name for name in methods if method_of(name).own]
    others = [name for name in methods if name not in own]
    tuned, shown = best(methods, filter(is_tuned, others)), best(methods, filter(is_tuned, own))
    pairs = [
        (tuned, "zero-shot" if "zero-shot" in methods else None),
        (tuned, best(methods, filter(is_baseline, others))),
        (shown, best(methods, filter(is_baseline, own))),
        (shown, tuned),
    ]
    pairs += [(name, best(methods, members)) for name, members in pools.items()]
    pairs += combinations(pools, 2)
    return [(a, b) for a, b in pairs if a and b]
