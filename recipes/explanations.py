"""Recipes of explanations: a file of them, and a study of what it is worth to learn them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from imuscribe.prompts.ask.templates import PromptConfig
from imuscribe.prompts.captions.explain import ExplainConfig
from imuscribe.prompts.serialize import TextConfig
from imuscribe.prompts.teacher.teachers import TeachConfig
from imuscribe.recipes.load import resolve
from imuscribe.recipes.methods import METHODS
from imuscribe.recipes.schema import (
    FROM_DATA,
    EvalConfig,
    ModelConfig,
    Names,
    Recipe,
    RecordingsExperiment,
    as_names,
)
from imuscribe.recipes.strict_yaml import as_mapping, parse_override, set_dotted
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


class PairsConfig(Config):
    """Which pairs are made of the recordings."""

    paraphrases: int | None = None
    """Wordings per recording; null is three as in the study, or the only one of the short style."""
    subjects: Names = ()
    """Only these people; empty is everybody."""
    limit: PositiveInt | None = None
    """Only so many recordings, drawn by the seed."""
    check: bool = True
    """Check explanations against the recording."""
    refine: str | None = None
    """Also write explanations anew that are unlike others of their label: ``minilm`` or ``words``
    (the encoder)."""
    max_tokens_total: PositiveInt | None = None
    """Stop before all answers together, those of earlier runs included, cost more."""


class BuildRecipe(RecordingsExperiment):
    """A file of pairs. Sections of `Recipe` that only training or testing needs are left out."""

    kind: Literal["letters"] = "letters"
    labels: str = ""
    """Label set; empty is every label of the data."""
    text: TextConfig = TextConfig()
    prompt: PromptConfig = PromptConfig()
    model: ModelConfig = ModelConfig()
    """Whose tokenizer counts: ``smollm2``, ``llama3``, a directory or a hub id."""
    pairs: PairsConfig = PairsConfig()
    teacher: TeacherConfig = TeacherConfig(name="", workers=8)
    """Who explains: as in a study, or ``computed`` with a card; without a name, computed."""

    def _mistakes(self) -> list[str]:
        mistakes = []
        if self.prompt.retrieve is not None:
            mistakes.append("'prompt.retrieve' is set, but pairs name no neighbours: set it null")
        needing = {
            "--model": self.teacher.model,
            "--prompts": self.teacher.prompts,
            "--max-tokens-total": self.pairs.max_tokens_total,
            "--tighten": self.pairs.refine,
            "--wordings": self.teacher.teach.wordings,
            "--extra": self.teacher.endpoint.get("extra"),
            "--cache": self.teacher.cache,
        }
        return mistakes + [
            f"{option} is for a language model that explains: name --teacher too"
            for option, given in needing.items()
            if given is not None and not self.teacher.name
        ]

    @property
    def paraphrases(self) -> int:
        """Wordings per recording."""
        usual = 3 if self.prompt.style == "study" else 1
        return usual if self.pairs.paraphrases is None else self.pairs.paraphrases


def load_build_recipe(source: str, overrides: Sequence[str] = ()) -> BuildRecipe:
    """Read the recipe of a file of pairs, or make one of recordings as the air-writing study did.

    `source` is a Parquet file of recordings, or a recipe: a YAML file or a packaged name.
    """
    path, values, where = Path(source), dict[str, Any](), source
    if path.suffix in (".yaml", ".yml") or not (path.suffix or path.is_file()):
        of_training = Recipe.model_fields.keys() - BuildRecipe.model_fields.keys()
        values = {k: v for k, v in resolve(source, overrides).items() if k not in of_training}
    else:
        prompt = {"style": "study", "reasoning": True}
        values, where = {"name": "pairs", "data": source, "prompt": prompt}, "options"
        for override in overrides:
            set_dotted(values, *parse_override(override))
    if values.get("labels") == FROM_DATA:
        values["labels"] = ""
    usual = BuildRecipe.model_fields["teacher"].default
    given = as_mapping(values.get("teacher"), f"{where}: teacher")
    values["teacher"] = {"name": usual.name, "workers": usual.workers} | given
    return BuildRecipe.parse(values, where)
