"""The recipe of a word experiment: whose letters, which words, which decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from imuscribe.recipes.schema import NAME, Experiment, ModelConfig, Names, as_names
from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.config import Config
from imuscribe.signals.errors import nearest
from imuscribe.signals.motion.frames import FrameConfig
from imuscribe.signals.simulate import SimulateConfig

DecoderName = Literal[
    "counting", "confusion", "closed", "open", "mixture", "llm-aggregate", "llm-rescored"
]


def _items(given: Any) -> Any:
    """Accept ``2,3`` and a single ``2`` where a list is meant, as it is typed on a command line."""
    return [given] if isinstance(given, int) else as_names(given)


Whole = Annotated[
    tuple[Annotated[int, Field(ge=1, le=30)], ...], BeforeValidator(_items), Field(min_length=1)
]


class NamedLexicon(Config):
    """Words that may have been written."""

    name: Annotated[str, Field(pattern=r"^\w[\w-]*$")]
    lexicon: str = "english"
    """``english``, ``nouns``, a file, or several joined by ``+``."""
    size: PositiveInt | None = None
    """Use the so many most frequent words; null uses all."""


class WordTask(NamedLexicon):
    """Words of one kind, decoded in several ways."""

    lengths: Whole = (3, 4, 5, 6)
    """Letters of the words that are written; some are drawn of each length."""
    hidden: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the written words that no decoder knows: they are taken out of the lexicon and of
    what the character model learns from."""
    decoders: Annotated[tuple[DecoderName, ...], BeforeValidator(as_names), Field(min_length=1)] = (
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


class LettersExperiment(Experiment):
    """An experiment on words that are spelt from letters which were read one by one."""

    letters: Names = ("simulated",)
    """``simulated``, or the folders of finished runs (their ``predictions.parquet`` is read): runs
    of other folds of the same experiment go together."""
    method: Names = ()
    """Whose predictions of a run are the letters; several are fused. Nothing for ``simulated``."""
    adapter: str = "air-letters"
    """Reads the simulated letters; must not have learnt from their people."""
    simulate: SimulateConfig = SimulateConfig(people=6, cases=("3d",), repetitions=6, seed=60)

    def _mistakes(self) -> list[str]:
        if self.letters == ("simulated",):
            wrong = "'method' is for run folders; simulated letters are read by 'adapter'"
            return [wrong] if self.method else []
        if "simulated" in self.letters:
            return ["'letters' mixes 'simulated' with run folders: give one or the other"]
        if not self.method:
            return ["'method' is empty: name the predictor whose letters are to be used"]
        return []


class WordsRecipe(LettersExperiment):
    """One word experiment."""

    kind: Literal["words"] = "words"
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

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes() + _named_twice("tasks", self.tasks)
        names = [task.name for task in self.tasks]
        if unknown := sorted(set(self.only) - set(names)):
            mistakes.append(f"'only' names {unknown[0]}: {nearest(unknown[0], names)}")
        return mistakes


def _named_twice(key: str, lexica: Sequence[NamedLexicon]) -> list[str]:
    """Return what is wrong with the names of lexica."""
    names = [lexicon.name for lexicon in lexica]
    if len(set(names)) == len(names):
        return []
    return [f"'{key}' has a name twice among {', '.join(names)}: rename one"]


class AdaptRecipe(LettersExperiment):
    """Adaptation to people without labels, from the words they write."""

    kind: Literal["adaptation"] = "adaptation"
    name: Annotated[str, Field(pattern=NAME)] = "adapt"
    data: str | None = None
    """The recordings of the runs; null takes what their recipe names."""
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


class SegmentLexicon(NamedLexicon):
    """Words that may have been written without given boundaries."""

    lexicon: str = "nouns"
    """Also ``written``: the words of the test recordings alone."""


class SegmentRecipe(Experiment):
    """Whole words without given boundaries: what teaches the reader, who writes, which words."""

    kind: Literal["segments"] = "segments"
    name: Annotated[str, Field(pattern=NAME)] = "words-unsegmented"
    words: str = "simulated"
    """``simulated``, or a Parquet file of words; then `letters` teaches."""
    letters: str | None = None
    """Parquet file of isolated letters by people who did not write the words."""
    labels: str = "A-Z"
    case: Literal["2d", "3d"] = "3d"
    """Where simulated people write."""
    clean: CleanConfig = CleanConfig()
    frame: FrameConfig = FrameConfig()
    teach: Literal["words", "letters"] = "words"
    """Simulated: the reader learns from whole words with known bounds, or from words spelt from
    isolated letters, as it must where nobody marked bounds."""
    train_people: PositiveInt = 20
    """Simulated people who teach the reader; of real ones all but `tune_people` do."""
    train_words: PositiveInt = 30
    """Strings of random letters each of them writes."""
    tune_people: PositiveInt = 4
    """Other people, on whose words the decoder's weights are fitted."""
    tune: Names = ()
    """Their names, for real letters: such as those who may have written the words, for the reader
    learns from nobody among them. Empty draws some."""
    tune_words: PositiveInt = 12
    """Words each of them writes."""
    people: PositiveInt = 6
    """Simulated people who are tested."""
    test_words: PositiveInt = 10
    """Words each of them writes of each length."""
    lengths: Whole = (3, 4, 5, 6)
    """Letters of the words that simulated people are tested with."""
    step: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Seconds between neighbouring cuts, at most."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Passes over the segments that teach the reader."""
    learn: bool = False
    """Real words: the reader also learns from the other sessions' words, whose spelling is known,
    as it divides them itself. It is trained again for each half of the sessions."""
    lexica: Annotated[tuple[SegmentLexicon, ...], Field(min_length=1)] = (
        SegmentLexicon(name="nouns"),
    )
    """The first is what simulated people write, and what the weights are fitted on."""
    open_vocabulary: bool = True
    """Decode without a lexicon too, by a character model."""
    order: Annotated[int, Field(ge=1, le=8)] = 5
    beam: PositiveInt = 200

    def _mistakes(self) -> list[str]:
        mistakes = _named_twice("lexica", self.lexica)
        simulated = self.words == "simulated"
        if not simulated and self.letters is None:
            mistakes.append("'letters' is empty: real words need isolated letters to learn from")
        if simulated and self.letters is not None:
            mistakes.append("'letters' is for a file of real words; simulated people write both")
        return mistakes
