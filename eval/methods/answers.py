"""Answers to questions about a signal: how many are right, and what answering blindly is worth.

Text overlap (ROUGE, METEOR) is what SensorLLM reports; it rewards the form of an answer, so the
facts that are right stand first. `Blind` has never seen a signal: what it gets right, a reader need
not have read.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from imuscribe.eval.metrics import Interval, bootstrap_people, share
from imuscribe.prompts.captions.questions import Question
from imuscribe.prompts.captions.verify import check_answer, is_right

Values = dict[str, Any]

_CANDIDATES = 100
"""Most answers, and most questions, that a blind answer is chosen by."""


@dataclass(frozen=True)
class Answered:
    """A question, what was answered, and whose signal it is about."""

    question: Question
    text: str
    subject: str = ""


def judge_answers(answers: Sequence[Answered], seed: int = 0) -> Values:
    """Judge one method's answers.

    Parameters
    ----------
    answers : sequence of Answered
        At least one.
    seed : int
        Of the bootstrap over people.

    Returns
    -------
    dict
        Plain values for JSON. ``n``. ``right``: answers that state every fact and nothing false,
        Wilson interval; ``kinds``: the same for each kind of question; ``people``: averaged over
        people, interval by bootstrap over people. ``facts``: facts that are stated rightly, of all
        that were to be stated (those of one answer stand and fall together, so the interval is too
        narrow). ``false``: answers with a false statement. ``silent``: answers in which nothing
        could be read. ``rouge1``, ``rougeL``, ``meteor``: see `text_overlap`; averaged over people.

    Raises
    ------
    ValueError
        If there are no answers.
    """
    if not answers:
        raise ValueError("no answers: at least one is needed")
    checked = [check_answer(one.question, one.text) for one in answers]
    n_facts = [len(one.question.facts) for one in answers]
    hits = np.array([found == (n, 0) for found, n in zip(checked, n_facts, strict=True)])
    kinds = np.array([one.question.kind for one in answers])
    people = [one.subject for one in answers]
    overlap = [text_overlap(one.text, one.question.answer) for one in answers]
    return {
        "n": len(answers),
        "right": share(hits.sum(), len(hits)),
        "people": bootstrap_people(hits, people, seed),
        "kinds": {
            kind: share(hits[kinds == kind].sum(), (kinds == kind).sum())
            for kind in dict.fromkeys(kinds.tolist())
        },
        "facts": share(sum(right for right, _ in checked), sum(n_facts)),
        "false": share(sum(wrong > 0 for _, wrong in checked), len(checked)),
        "silent": share(checked.count((0, 0)), len(checked)),
    } | {
        name: bootstrap_people([scores[name] for scores in overlap], people, seed)
        for name in ("rouge1", "rougeL", "meteor")
    }


def text_overlap(text: str, truth: str) -> dict[str, float]:
    """Return ROUGE-1 and ROUGE-L (F-measure, stemmed) and METEOR of a text, each 0 to 1.

    Lin, Text Summarization Branches Out 2004; Banerjee and Lavie, ACL 2005. METEOR matches words
    and stems, not synonyms: those are in WordNet, which would have to be downloaded. So it is at
    most what a METEOR with synonyms would be. Both split numbers at their decimal point.
    """
    from nltk.translate.meteor_score import single_meteor_score

    found = {name: float(score.fmeasure) for name, score in _rouge().score(truth, text).items()}
    words = [re.findall(r"[a-z0-9]+", said.lower()) for said in (truth, text)]
    meteor = single_meteor_score(*words, wordnet=_NoSynonyms())
    return found | {"meteor": float(meteor)}


class Blind:
    """Answers questions without their signals, from the questions of other people alone.

    ``"majority"`` gives the commonest answer to a kind of question. ``"question"`` reads the
    question too: among the answers to the same kind about the same channel it gives the one that is
    right for most of those questions, and so uses tolerances as well as a blind reader can.

    Parameters
    ----------
    train : sequence of Question
        About training people only.
    by : {"majority", "question"}
    seed : int
        Draws, where there are more than a hundred, what an answer is chosen among and by.
    """

    def __init__(
        self,
        train: Sequence[Question],
        by: Literal["majority", "question"] = "question",
        seed: int = 0,
    ) -> None:
        self._by = by
        groups: defaultdict[tuple[str, ...], list[Question]] = defaultdict(list)
        for question in train:
            groups[(question.kind,)].append(question)
            if by == "question":
                groups[question.kind, question.channel].append(question)
        rng = np.random.default_rng(seed)
        self._answers = {key: self._choose(found, rng) for key, found in groups.items()}

    def __call__(self, question: Question) -> str:
        """Return an answer; empty to a kind of question that was never seen."""
        kind = self._answers.get((question.kind,), "")
        return self._answers.get((question.kind, question.channel), kind)

    def _choose(self, found: Sequence[Question], rng: np.random.Generator) -> str:
        if self._by == "majority":
            return Counter(question.answer for question in found).most_common(1)[0][0]
        drawn = [found[i] for i in rng.permutation(len(found))[:_CANDIDATES]]
        candidates: list[str] = [*dict.fromkeys(question.answer for question in drawn)]
        return max(candidates, key=lambda text: sum(is_right(one, text) for one in drawn))


def gain(ours: Sequence[Answered], theirs: Sequence[Answered], seed: int = 0) -> Interval:
    """Return how many more questions one method answers rightly than another, paired over people.

    Both must have answered the same questions in the same order, else it is a ValueError.
    """
    if [one.question for one in ours] != [one.question for one in theirs]:
        raise ValueError("the two methods have answered different questions")
    differences = [
        is_right(a.question, a.text) - is_right(b.question, b.text)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return bootstrap_people(differences, [one.subject for one in ours], seed)


class _NoSynonyms:
    """A WordNet that knows no word."""

    def synsets(self, word: str) -> list[Any]:
        return []


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rougeL"], use_stemmer=True)
