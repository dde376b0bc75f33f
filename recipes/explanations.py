"""The recipe of a study of explanations: what it is worth to learn them, and whose."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.teacher.teachers import TeachConfig
from imuscribe.recipes.methods import METHODS
from imuscribe.recipes.schema import EvalConfig, Recipe, as_names
from imuscribe.signals.config import Config

Arm = Literal["label", "computed", "teacher", "teacher-checked"]
"""What a student learns: the bare label; or before it a computed explanation, a language model's
whatever it says, or a language model's that holds no claim the recording refutes."""

_ROLES = Literal["explain", "restructure", "critique", "paraphrase"]


class TeacherConfig(Config):
    """The language model that explains."""

    name: str = "smollm2"
    """A local model (``smollm2``, a directory, a hub id), or the address of an OpenAI-compatible
    server."""
    model: str | None = None
    """The model to ask at that server."""
    endpoint: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the server: timeout, retries, key_env, extra."""
    roles: dict[_ROLES, str] = Field(default_factory=dict)
    """Texts to ask with, in the form of the packaged ones, which are used for the others."""
    prompts: str | None = None
    """Folder of such texts, as files; `roles` come first."""
    teach: TeachConfig = TeachConfig()
    forbid_label: bool = True
    """Whether reasoning that names its label counts as wrong."""
    workers: PositiveInt = 16
    """Recordings in the teacher's hands at once."""
    cache: str | None = None
    """File that keeps every answer; null is the one in the user's cache."""


class PairsRecipe(Recipe):
    """One study: the same recordings, students and tokens, other answers to learn."""

    kind: Literal["explanations"] = "explanations"  # type: ignore[assignment]
    arms: Annotated[tuple[Arm, ...], BeforeValidator(as_names), Field(min_length=1)] = (
        "label",
        "computed",
        "teacher",
        "teacher-checked",
    )
    """Students that are trained."""
    tokens: PositiveInt = 50_000
    """Tokens of prompts and answers each student is trained on; `train.epochs` means nothing."""
    facts: ExplainConfig = ExplainConfig()
    """How much computed explanations say, and teachers are given."""
    teacher: TeacherConfig = TeacherConfig()
    evaluate: EvalConfig = EvalConfig(methods=("zero-shot", "random-forest", "text-ngram"))
    """What stands beside the students: ``zero-shot``, ``adapter`` and baselines."""

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if twice := sorted({arm for arm in self.arms if self.arms.count(arm) > 1}):
            mistakes.append(f"'arms' names {', '.join(twice)} twice: name each once")
        if self.prompt.reasoning:
            mistakes.append("'prompt.reasoning' is set by each arm: leave it out")
        if self.teacher.teach.keep_wrong:
            mistakes.append("'teacher.teach.keep_wrong' is set by each arm: leave it out")
        if self.train.augment is not None:
            mistakes.append(
                "'train.augment' varies recordings, and what was explained of them would no "
                "longer be true: leave it out"
            )
        for method in self.evaluate.methods:
            if METHODS[method].tuned or METHODS[method].generates:
                mistakes.append(f"'evaluate.methods' names {method}: the students are the 'arms'")
        return mistakes

    def student(self, explains: bool) -> Recipe:
        """Return the recipe of a student who explains, or gives the bare label."""
        values = {name: getattr(self, name) for name in Recipe.model_fields if name != "kind"}
        if explains:
            values["prompt"] = self.prompt.model_copy(update={"reasoning": True})
            values["train"] = self.train.model_copy(update={"loss": "explanation"})
        return Recipe(**values)
