"""Questions about signals, answered by a model that has seen the signal and by one that has not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from imuscribe.align import stage
from imuscribe.eval.environment import data_facts
from imuscribe.eval.methods.aligned import answer, judge, rows_about, table
from imuscribe.eval.report.page import Page, points
from imuscribe.eval.result import Result, origin
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.eval.tasks.letters import folds_of
from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.variants import QuestionsRecipe
from imuscribe.signals.files import inside

_SECTIONS = (
    *("seed", "data", "labels", "simulate", "clean", "split", "sensor", "questions"),
    *("model", "lora", "train", "evaluate"),
)


class Questions(Task[QuestionsRecipe]):
    """In every fold a model is taught about training people and asked about the others."""

    def __init__(self, recipe: QuestionsRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        # Segments are cut from recordings, not from windows of them.
        self.stage = stage.asking(recipe)
        self.folds = folds_of(self.stage)
        self.facts = data_facts(recipe.data)

    def source(self) -> dict[str, Values]:
        """Return the file of recordings."""
        return {"data": dict(self.facts)}

    def units(self) -> Sequence[Unit]:
        """Return the folds."""
        key = f"{fingerprint(self.stage, _SECTIONS)}:{self.facts['sha256']}"
        return [
            Unit((fold.name, "reader"), key, partial(self._answered, fold)) for fold in self.folds
        ]

    def judge(self, answers: Answers) -> Values:
        """Return how many answers are right, the reader's and those of one who saw no signal."""
        recipe = self.stage
        asked = [
            (fold.train, rows_about(fold.test, recipe), answers[fold.name, "reader"])
            for fold in self.folds
        ]
        return {
            "protocol": recipe.split.protocol,
            "questions": list(recipe.questions.kinds),
            "n_train": [len(fold.train) for fold in self.folds],
            "learnt_from": [len({rec.subject for rec in fold.train}) for fold in self.folds],
            **judge(asked, recipe),
        }

    @staticmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return the answers that are right, averaged over people, and what reading adds."""
        about = origin(values, facts) | {
            "task": f"questions about signals: {', '.join(values['questions'])}",
            "protocol": f"{values['protocol']}, tested: {', '.join(values['people'])}",
            "n": values["reader"]["n"],
            "train_data": f"{max(values['n_train']):,} recordings of "
            f"{max(values['learnt_from'])} other people",
        }
        right = {"metric": "questions right", "over": "people"}
        tokens = {"tokens": values["tokens"]}
        return [
            Result.quoted(values["reader"]["people"], about, method="reader", **right, **tokens),
            Result.quoted(values["blind"]["people"], about, method="blind", **right),
            Result.quoted(
                values["gain"], about, method="reader", metric="accuracy gain", over="pairs"
            ),
        ]

    @staticmethod
    def page(values: Values, facts: Values, folder: Path) -> Page:
        """Return how many answers are right, by kind, beside the blind reader's."""
        lead = (
            f"{values['reader']['n']:,} questions about {len(values['people'])} people never seen. "
            f"Reading the signal is worth {points(values['gain'])} over answers chosen without it "
            "(paired, bootstrap over people)."
        )
        return Page(values["name"], lead, [table(values)], lines=[lead])

    def _answered(self, fold: Fold) -> Values:
        folder = inside(self.folder, "folds", fold.name)
        adapter = stage.train(self.stage, fold.train, folder)
        return answer(rows_about(fold.test, self.stage), self.stage, adapter, self.progress)
