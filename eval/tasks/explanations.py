"""Whether it helps to learn explanations: equal students with other answers to learn.

All are asked the same of people they never saw: for the label alone, and those who explain also to
write, which is parsed, and checked claim by claim against the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from imuscribe.eval.comparison import write_predictions
from imuscribe.eval.methods.students import StudentTrainer
from imuscribe.eval.report.explanations import explanations_page, explanations_results, summarise
from imuscribe.eval.splits import Fold
from imuscribe.eval.task import Answers, Task, Unit, Values
from imuscribe.eval.tasks.letters import Letters
from imuscribe.recipes.explanations import Arm, PairsRecipe


class Explanations(Task[PairsRecipe]):
    """A student an arm and fold, beside methods that read labels."""

    def __init__(self, recipe: PairsRecipe, folder: Path, progress: bool = True) -> None:
        super().__init__(recipe, folder, progress)
        self.beside = Letters(recipe, folder, progress)
        self.students = StudentTrainer(recipe, folder / "folds", progress)
        if any(arm.startswith("teacher") for arm in recipe.arms):
            self.students.chat_model()  # one that cannot be had is told before any training

    def source(self) -> dict[str, Values]:
        """Return the file of recordings."""
        return self.beside.source()

    def units(self) -> Sequence[Unit]:
        """Return the methods beside, then each student: taught, asked, asked to write."""
        found = list(self.beside.units())
        for arm in self.recipe.arms:
            for fold in self.beside.folds:
                found += self._student(arm, fold)
        return found

    def judge(self, answers: Answers) -> Values:
        """Return accuracies, truth and cost of every student, and what stands beside them."""
        return summarise(self.recipe, self.beside.folds, self.beside.judge(answers), answers)

    def write_tables(self, answers: Answers) -> None:
        """Write ``predictions.parquet`` of all methods, students scored among them."""
        folds = self.beside.folds
        answered = self.beside.answered(answers)
        for arm in self.recipe.arms:
            answered[f"taught {arm}"] = [answers[fold.name, arm, "scored"] for fold in folds]
        write_predictions(answered, folds, self.folder / "predictions.parquet")

    results = staticmethod(explanations_results)
    page = staticmethod(explanations_page)

    def _student(self, arm: Arm, fold: Fold) -> list[Unit]:
        settings = self.recipe.model_dump(mode="json", exclude={"name", "out", "arms"})
        del settings["split"]["folds"], settings["evaluate"]["methods"]
        key = [settings, self.beside.facts["sha256"]]
        names, trainer = (fold.name, arm), self.students
        found = [
            Unit((*names, "training"), key, partial(trainer.training, arm, fold)),
            Unit((*names, "scored"), key, partial(trainer.scored, arm, fold), fold.test),
        ]
        if arm != "label":
            found.append(Unit((*names, "written"), key, partial(trainer.written, arm, fold)))
        return found
