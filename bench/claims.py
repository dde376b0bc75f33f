"""How well the claim checker separates true from false on hand-written claims, and how fast it is.

python -m bench.claims              # precision and recall on every table, explanations a second
python -m bench.claims --wrong      # and the claims that get a wrong verdict
"""

from __future__ import annotations

import csv
import math
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from imuscribe.eval.metrics import wilson
from imuscribe.prompts.captions.facts import Facts
from imuscribe.prompts.checking.claims import check_claims
from imuscribe.signals.cleaning import clean
from imuscribe.signals.simulate import SimulateConfig, simulate
from tests.claim_recordings import fixed_recordings

TABLES = Path(__file__).resolve().parents[1] / "tests" / "data"
NAMES = ("dev", "prose", "prose2", "heldout")
RIGHT = {"true": "supported", "false": "contradicted", "open": "unchecked"}

Row = dict[str, str]


def read_table(name: str) -> list[Row]:
    """Return the rows of a table: ``recording``, ``truth``, ``kind``, ``text``."""
    with (TABLES / f"claims_{name}.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def verdict(text: str, facts: Facts) -> str:
    """Return the worst that is said of any claim of a text."""
    report = check_claims(text, facts)
    return next((v for v in ("contradicted", "supported") if getattr(report, v)), "unchecked")


def check_table(name: str) -> tuple[Counter[tuple[str, str]], list[Row]]:
    """Return how often rows of each truth got each verdict, and the rows with a wrong one."""
    facts = {key: Facts(rec) for key, rec in fixed_recordings().items()}
    found: Counter[tuple[str, str]] = Counter()
    wrong = []
    for row in read_table(name):
        got = verdict(row["text"], facts[row["recording"]])
        found[row["truth"], got] += 1
        if got != RIGHT[row["truth"]]:
            wrong.append(row | {"verdict": got})
    return found, wrong


def show(name: str, show_wrong: bool) -> None:
    """Print precision and recall of contradiction on one table."""
    found, wrong = check_table(name)
    total: Counter[str] = Counter()
    for (truth, _), n in found.items():
        total[truth] += n
    hits = found["false", "contradicted"]
    called = sum(found[truth, "contradicted"] for truth in RIGHT)
    print(f"{name}: {total.total()} claims, " + ", ".join(f"{n} {t}" for t, n in total.items()))
    for what, k, n in (
        ("precision of contradiction", hits, called),
        ("recall of contradiction", hits, total["false"]),
        ("true claims supported", found["true", "supported"], total["true"]),
    ):
        low, high = wilson(k, n)
        print(f"  {what}: {k}/{n} = {k / n:.3f} [{low:.3f}, {high:.3f}]")
    for row in wrong if show_wrong else ():
        print(f"  {row['truth']} but {row['verdict']}: {row['recording']}: {row['text']}")


def speed(people: int = 2) -> None:
    """Print how many explanations are checked in a second, all of the computed and the prose."""
    letters = [clean(r) for r in simulate(SimulateConfig(people=people, repetitions=2))]
    computed = [(fact.explanation.text, fact) for fact in map(Facts, letters)]
    spoken: dict[str, list[str]] = defaultdict(list)
    for name in NAMES:
        for row in read_table(name):
            spoken[row["recording"]].append(row["text"])
    # Explanations of six sentences, as long as those a language model writes.
    prose = [
        (" ".join(texts[start : start + 6]), facts)
        for key, texts in spoken.items()
        for facts in [Facts(fixed_recordings()[key])]
        for start in range(len(texts) - 5)
    ]
    for what, pairs in (("computed", computed), ("prose", prose)):
        # Copies: of the recording itself the movement would be known already.
        first = measure([(text, Facts(replace(facts.rec))) for text, facts in pairs])
        again = min(measure(pairs) for _ in range(5))
        size = sum(len(text) for text, _ in pairs) / len(pairs)
        print(
            f"{what}: {len(pairs)} explanations of {size:.0f} characters: {1 / again:,.0f}/s, "
            f"{1 / first:,.0f}/s where each recording is met for the first time"
        )


def measure(pairs: list[tuple[str, Facts]]) -> float:
    """Return the seconds of CPU time an explanation takes."""
    start = time.process_time()
    for text, facts in pairs:
        check_claims(text, facts)
    return max((time.process_time() - start) / len(pairs), math.ulp(1.0))


if __name__ == "__main__":
    for table in NAMES:
        show(table, "--wrong" in sys.argv)
    speed()
