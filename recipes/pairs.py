"""The recipe of a file of pairs: of which recordings, asked how, explained by whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt

from imuscribe.prompts.ask.templates import PromptConfig
from imuscribe.prompts.serialize import TextConfig
from imuscribe.recipes.explanations import TeacherConfig
from imuscribe.recipes.load import resolve
from imuscribe.recipes.schema import FROM_DATA, ModelConfig, Names, Recipe, RecordingsExperiment
from imuscribe.recipes.strict_yaml import as_mapping, parse_override, set_dotted
from imuscribe.signals.config import Config


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
