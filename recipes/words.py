"""The recipe of a word experiment: whose letters, which words, which decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from recipes.schema import ModelConfig, Names, resolve
from signals.config import Config
from signals.errors import nearest
from signals.simulate import SimulateConfig

DecoderName = Literal[
    "counting",
    "confusion",
    "closed",
    "open",
    "mixture",
    "llm-aggregate",
    "llm-rescored",
]


def _items(given: Any) -> Any:
    """Accept ``2,3`` and a single ``2`` where a list is meant, as it is typed on a command line."""
    if isinstance(given, str):
        return [part.strip() for part in given.split(",")]
    return [given] if isinstance(given, int) else given


Whole = Annotated[
    tuple[Annotated[int, Field(ge=1, le=30)], ...], BeforeValidator(_items), Field(min_length=1)
]


class WordTask(Config):
    """Words of one kind, decoded in several ways."""

    name: Annotated[str, Field(pattern=r"^\w[\w-]*$")]
    lexicon: str = "english"
    """``english``, ``nouns``, a file, or several joined by ``+``."""
    size: PositiveInt | None = None
    """Use the so many most frequent words; null uses all."""
    lengths: Whole = (3, 4, 5, 6)
    """Letters of the words that are written; some are drawn of each length."""
    hidden: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the written words that no decoder knows: they are taken out of the lexicon and of
    what the character model learns from."""
    decoders: Annotated[tuple[DecoderName, ...], BeforeValidator(_items), Field(min_length=1)] = (
        "counting",
        "confusion",
        "closed",
    )


class LanguageModelConfig(Config):
    """The language model that aggregates guesses and rescores candidates."""

    model: ModelConfig = ModelConfig()
    adapter: str | None = None
    """A LoRA adapter on top: a packaged name or a folder."""
    words: PositiveInt = 2
    """Of a person's words of a length, the first so many are given to it: it is slow."""
    n_best: PositiveInt = 20
    """Candidates that are rescored."""
    max_new_tokens: PositiveInt = 16
    """Tokens an aggregated answer may take."""
    batch_size: PositiveInt = 16
    """Prompts a forward pass."""


class WordsRecipe(Config):
    """One word experiment."""

    name: Annotated[str, Field(pattern=r"^\w[\w. -]*$")]
    """Names the folder of results."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Every random draw follows from it."""
    letters: Names = ("simulated",)
    """``simulated``, or the folders of finished runs (their ``predictions.parquet`` is read): runs
    of other folds of the same experiment go together."""
    method: Names = ()
    """Whose predictions of a run are the letters; several are fused. Nothing for ``simulated``."""
    adapter: str = "air-letters"
    """Reads the simulated letters; must not have learnt from their people."""
    simulate: SimulateConfig = SimulateConfig(people=6, cases=("3d",), repetitions=6, seed=60)
    k: Whole = (1, 2, 3, 4, 5)
    """Recordings of each letter."""
    words: PositiveInt = 60
    """Words each person writes of each length in each task: more narrow the intervals."""
    tasks: Annotated[tuple[WordTask, ...], Field(min_length=1)]
    only: Names = ()
    """Tasks that are run; empty runs all."""
    fit_words: PositiveInt = 300
    """Words of the training people on which weights and confidence are fitted."""
    beam: PositiveInt = 300
    """Hypotheses kept by the search over open vocabulary."""
    order: Annotated[int, Field(ge=1, le=8)] = 5
    """Letters an n-gram of the character model spans."""
    llm: LanguageModelConfig = LanguageModelConfig()
    out: str = "runs"
    """Folder that receives the folder of results."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_source(self.letters, self.method)
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"'tasks' has a name twice among {', '.join(names)}: rename one")
        if unknown := sorted(set(self.only) - set(names)):
            raise ValueError(f"'only' names {unknown[0]}: {nearest(unknown[0], names)}")
        return self


def _check_source(letters: tuple[str, ...], method: tuple[str, ...]) -> None:
    simulated = letters == ("simulated",)
    if not simulated and "simulated" in letters:
        raise ValueError("'letters' mixes 'simulated' with run folders: give one or the other")
    if not simulated and not method:
        raise ValueError("'method' is empty: name the predictor whose letters are to be used")
    if simulated and method:
        raise ValueError("'method' is for run folders; simulated letters are read by 'adapter'")


class AdaptRecipe(Config):
    """Adaptation to people without labels, from the words they write."""

    name: Annotated[str, Field(pattern=r"^\w[\w. -]*$")] = "adapt"
    """Names the folder of results."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    letters: Names = ("simulated",)
    """``simulated``, or the folders of finished runs."""
    method: Names = ()
    """Whose predictions of a run are the letters; several are fused."""
    data: str | None = None
    """The recordings of the runs; null takes what their recipe names."""
    adapter: str = "air-letters"
    simulate: SimulateConfig = SimulateConfig(people=6, cases=("3d",), repetitions=6, seed=60)
    lexicon: str = "english"
    size: PositiveInt | None = 50000
    lengths: Whole = (3, 4, 5, 6, 7, 8)
    """Letters of the words that are written."""
    prior_weight: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Exponent of the words' frequencies when they are decoded."""
    words: Annotated[int, Field(ge=4)] = 20
    """Words a person writes in a round, each letter once; a quarter is kept apart for the guard."""
    rounds: PositiveInt = 5
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence from which a decoded word labels its letters."""
    drift: Annotated[float, Field(ge=0)] = 0.03
    """A round is undone where, on the words kept apart, letters agree with the word they make less
    often by more than this share."""
    fit_words: PositiveInt = 300
    """Words of the other people on which confidence is fitted."""
    out: str = "runs"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_source(self.letters, self.method)
        return self


def load_words_recipe(path_or_name: str, overrides: Sequence[str] = ()) -> WordsRecipe:
    """Read a word recipe, apply ``key=value`` overrides, check everything.

    Parameters
    ----------
    path_or_name : str
        A YAML file, or the name of the packaged one, ``words-study``.

    Raises
    ------
    InputError
        With every mistake at once.
    """
    return WordsRecipe.parse(resolve(path_or_name, overrides, "words-"), path_or_name)


def load_adapt_recipe(path_or_name: str, overrides: Sequence[str] = ()) -> AdaptRecipe:
    """Read a recipe of adaptation, ``words-adapt`` or a file, as `load_words_recipe` does."""
    return AdaptRecipe.parse(resolve(path_or_name, overrides, "words-"), path_or_name)
