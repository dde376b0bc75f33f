"""The files of an audit, its summary, and a run's accuracy without what it flags."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.environment import as_json
from imuscribe.eval.metrics import share
from imuscribe.eval.report.figures import drawings
from imuscribe.eval.report.page import Page, Picture, Section, Text, counted
from imuscribe.eval.report.render import as_html, markdown_table
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, parsed_json, write_text
from imuscribe.signals.motion.audit import (
    ODD_FORM,
    ODD_RECORDING,
    Audit,
    AuditConfig,
    Form,
    Judged,
    audit,
)
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    import pandas as pd


_ACROSS = 6
"""Drawings in a row."""
_MOST_DRAWN = 30
"""Odd recordings on the page; all are in ``flagged.csv``."""


def audit_file(
    path: Path, out: Path, labels: str = "A-Z", neighbours: int = 10, progress: bool = False
) -> str:
    """Audit a file of recordings, cleaned as a run cleans them; return the summary."""
    from imuscribe.eval.methods.baselines import Views
    from imuscribe.finetune.rows import load_recordings
    from imuscribe.prompts.serialize import build_serializer
    from imuscribe.recipes.schema import Recipe
    from imuscribe.signals.files import sha256

    config = AuditConfig.parse({"neighbours": neighbours}, "audit")
    recipe = Recipe.parse({"name": "audit", "data": str(path), "labels": labels}, "audit")
    recordings = load_recordings(recipe)
    sequences = Views(build_serializer(recipe.text)).sequences(recordings)
    found = audit(recordings, sequences, config, progress)
    write_audit(found, recordings, out, path.name, sha256(path))
    return summary(found, path.name)


def write_audit(
    found: Audit, recordings: Sequence[Recording], folder: Path, data: str, sha256: str
) -> None:
    """Write ``audit.json``, ``recordings.parquet``, ``flagged.csv`` and ``audit.html``.

    `data` and `sha256` are name and fingerprint of the file that the cleaned recordings are of.
    """
    import pandas as pd

    values = {
        "data": data,
        "sha256": sha256,
        "labels": sorted({one.label for one in found.recordings}),
        "rule": found.config.model_dump(mode="json"),
        "n": len(found.recordings),
        "flagged": {
            flag: [one.id for one in found.flagged(flag)] for flag in (ODD_FORM, ODD_RECORDING)
        },
        "forms": [asdict(form) for form in found.forms],
    }
    frame = pd.DataFrame([asdict(one) for one in found.recordings])
    with atomic_path(folder / "recordings.parquet") as temporary:
        frame.to_parquet(temporary, index=False)
    chosen = frame[frame["flag"] != ""].sort_values(["flag", "subject", "label", "id"])
    write_text(folder / "flagged.csv", chosen.to_csv(index=False, float_format="%.2f"))
    write_text(folder / "audit.html", as_html(audit_page(found, recordings, data)))
    write_text(folder / "audit.json", as_json(values))


def audit_page(found: Audit, recordings: Sequence[Recording], data: str) -> Page:
    """Return what is odd, drawn beside what the others write."""
    draw = _Drawer(found, recordings)
    odd = sorted(found.flagged(ODD_RECORDING), key=lambda one: (one.habit, one.own or 0, one.id))
    sections: list[Section] = [Text(verbatim=summary(found, data)), Text(heading="Odd forms")]
    for form in found.forms:
        if form.odd:
            shows = f"{form.label} by {form.subject} and by others"
            sections += [Text([str(form)]), Picture(drawings(draw.form(form)), shows)]
    sections.append(Text(heading="Odd recordings"))
    if len(odd) > _MOST_DRAWN:
        about = f"{_MOST_DRAWN} of {len(odd):,}, those least like the person's own first."
        sections.append(Text([about]))
    for one in odd[:_MOST_DRAWN]:
        sections.append(Picture(drawings(draw.recording(one)), f"{one.id} and its neighbours"))
    lead = (
        "Position in the writing plane; colour runs from the dark start (dot) to the light end. "
        "What drift is left opens loops."
    )
    return Page(f"Audit of {data}", lead, sections)


def summary(found: Audit, data: str) -> str:
    """Return the audit as text: agreement of every person and label, and what is odd."""
    rule = found.config
    by = {(form.subject, form.label): form for form in found.forms}
    people, labels = (sorted(set(names)) for names in zip(*by, strict=True))
    width, first = max(6, *map(len, people)) + 1, max(5, *map(len, labels))
    rows = [("label", *people)]
    for label in labels:
        rows.append((label, *(_agreement(by.get((person, label))) for person in people)))
    forms = [form for form in found.forms if form.odd]
    odd = found.flagged(ODD_RECORDING)
    slips = sum(not one.habit for one in odd)
    return "\n".join(
        [
            f"{data}: {len(found.recordings):,} recordings of {len(labels)} labels by "
            f"{len(people)} people",
            f"agreement: share of the {rule.neighbours} nearest recordings of other people that "
            "bear the label (* odd form)",
            *(row[0].ljust(first) + "".join(x.rjust(width) for x in row[1:]) for row in rows),
            "",
            f"odd forms: {len(forms)}, {len(found.flagged(ODD_FORM)):,} recordings (mean agreement "
            f"below {rule.form_below:g} while the others reach {rule.others_from:g} among "
            "themselves)",
            *(f"  {form}" for form in forms),
            f"odd recordings: {len(odd):,} more (agreement 0, at least {rule.against:g} of the "
            f"neighbours bear one other label); {slips:,} are unlike the person's own as well",
            *(_odd_recordings(person, odd, by) for person in people),
        ]
    )


def _agreement(form: Form | None) -> str:
    if form is None or form.agreement is None:
        return "–"
    return f"{'*' if form.odd else ''}{form.agreement:.2f}"


def _odd_recordings(
    person: str, odd: Sequence[Judged], forms: Mapping[tuple[str, str], Form]
) -> str:
    """Return a line on one person's odd recordings."""
    theirs = [one for one in odd if one.subject == person]
    unlike = sum(not one.habit for one in theirs)
    line = f"  {person}: {len(theirs):,}, {unlike:,} unlike their own"
    # Where others do not agree either, a person's whole letter is no odd form, but lands here.
    counts = Counter(one.label for one in theirs)
    whole = [
        f"{label} ({n} of {forms[person, label].n})"
        for label, n in sorted(counts.items())
        if 2 * n >= forms[person, label].n
    ]
    return line + (f"; at least half of {', '.join(whole)}" if whole else "")


def read_audit(path: Path, facts: Mapping[str, Any], labels: Iterable[str]) -> dict[str, set[str]]:
    """Return the flagged ids of an audit of a run's own data, by flag."""
    try:
        values = parsed_json(path.read_text(encoding="utf-8"))
        flagged = {flag: set(ids) for flag, ids in values["flagged"].items()}
        audited, sha256, labelled = values["data"], values["sha256"], set(values["labels"])
    except OSError:
        raise InputError(f"{path}: cannot be read: make it with imuscribe data audit") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: is no audit: give the audit.json of a data audit") from None
    data = facts["data"]
    if sha256 != data["sha256"]:
        raise InputError(
            f"{path}: audits {audited}, SHA-256 {sha256[:12]}, but the run read {data['path']}, "
            f"{'SHA-256 ' + data['sha256'][:12] if data['sha256'] else 'no file'}: audit the file "
            "the run read"
        )
    if missing := [label for label in labels if label not in labelled]:
        raise InputError(
            f"{path}: has not audited {', '.join(missing[:5])}: audit all labels of the run"
        )
    return flagged


def without(predictions: pd.DataFrame, flagged: Mapping[str, set[str]]) -> str:
    """Return each method's accuracy with all recordings beside that without the flagged ones."""
    tested = set(predictions["id"])
    out = set().union(*flagged.values())
    counts = ", ".join(f"{len(ids & tested):,} {flag}" for flag, ids in flagged.items())
    right = predictions["top1"] == predictions["label"]
    kept = ~predictions["id"].isin(out)
    rows = []
    for method in predictions["method"].unique():
        mine = predictions["method"] == method
        found = (share(hits.sum(), len(hits)) for hits in (right[mine], right[mine & kept]))
        rows.append([method, *(counted(one) if one["n"] else "none left" for one in found)])
    return markdown_table(["method", "all recordings", "without flagged"], rows) + (
        f"\n\n{len(out & tested):,} of {len(tested):,} test recordings are flagged ({counts}), by "
        "their neighbours alone, no model asked. Leaving them out favours every method: the figure "
        "over all recordings is the result."
    )


class _Drawer:
    """Chooses the recordings to draw beside an odd one."""

    def __init__(self, found: Audit, recordings: Sequence[Recording]) -> None:
        self._recordings = {rec.id: rec for rec in recordings}
        self._groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
        # The most typical of every person first.
        for one in sorted(found.recordings, key=lambda one: (-(one.agreement or 0), one.id)):
            self._groups[one.label, one.subject].append(one)

    def form(self, form: Form) -> list[list[tuple[str, Array]]]:
        """Return two rows: the person's own spread over their recordings, then the others'."""
        mine = sorted(self._groups[form.label, form.subject], key=lambda one: one.id)
        spread = np.linspace(0, len(mine) - 1, min(_ACROSS, len(mine))).round().astype(int)
        own = [self._drawn(mine[i], f"{form.label} by {form.subject}") for i in spread]
        return [own, self._others(form.label, form.subject, _ACROSS)]

    def recording(self, one: Judged) -> list[list[tuple[str, Array]]]:
        """Return one row: it, the person's best, others' of its label, others' of the other."""
        row = [self._drawn(one, f"{one.id}\n{one.label} by {one.subject}")]
        best = self._groups[one.label, one.subject][0]
        if best.id != one.id:
            row.append(self._drawn(best, f"{best.label} by {best.subject}"))
        row += self._others(one.label, one.subject, 2)
        row += self._others(one.instead, one.subject, 2)
        return [row]

    def _others(self, label: str, but: str, n: int) -> list[tuple[str, Array]]:
        """Return drawings of a label by other people, who take turns."""
        turns = sorted(
            (i, subject, one)
            for (written, subject), group in self._groups.items()
            if written == label and subject != but
            for i, one in enumerate(group[:n])
        )
        return [self._drawn(one, f"{label} by {subject}") for _, subject, one in turns[:n]]

    def _drawn(self, one: Judged, title: str) -> tuple[str, Array]:
        return title, writing_motion(self._recordings[one.id]).plane("position")
