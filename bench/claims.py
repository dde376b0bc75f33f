"""How well the claim checker tells true from false on hand-written claims, and how fast it is.

python -m bench.claims                 # the table the rules were written with, and the held-out one
python -m bench.claims --wrong         # the claims it judges wrongly, too
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

from eval.metrics import wilson
from prompts.claims import check_claims
from prompts.facts import Facts
from tests.claim_recordings import fixed_recordings

TABLES = Path(__file__).resolve().parents[1] / "tests" / "data"


def judge(name: str, wrong: bool) -> None:
    """Print precision and recall of contradiction on one table."""
    with (TABLES / f"claims_{name}.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    facts = {key: Facts(rec) for key, rec in fixed_recordings().items()}
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        report = check_claims(row["text"], facts[row["recording"]])
        verdict = next(
            (v for v in ("contradicted", "supported") if getattr(report, v)), "unchecked"
        )
        found[row["truth"], verdict] += 1
        right = {"true": "supported", "false": "contradicted"}[row["truth"]]
        if wrong and verdict != right:
            told = [(row["text"][c.start : c.end], *c.__dict__.values()) for c in report.claims]
            print(f"  {row['truth']} → {verdict}: {row['recording']}: {row['text']}\n     {told}")
    hit, false = (
        found["false", "contradicted"],
        sum(n for (t, _), n in found.items() if t == "false"),
    )
    called = hit + found["true", "contradicted"]
    true = len(rows) - false
    print(f"{name}: {len(rows)} claims, {true} true, {false} false")
    for what, k, n in (
        ("precision of contradiction", hit, called),
        ("recall of contradiction", hit, false),
        ("true claims supported", found["true", "supported"], true),
    ):
        low, high = wilson(k, n)
        print(f"  {what}: {k}/{n} {k / n:.3f} [{low:.3f}, {high:.3f}]")
    print(f"  unchecked: {found['true', 'unchecked']} true, {found['false', 'unchecked']} false")


if __name__ == "__main__":
    for table in ("dev", "prose", "heldout"):
        if (TABLES / f"claims_{table}.tsv").exists():
            judge(table, "--wrong" in sys.argv)
