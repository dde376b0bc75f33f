"""An audit as one HTML page: what is odd, drawn beside what the others write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape

import numpy as np

from imuscribe.eval.audit import ODD_RECORDING, Audit, Form, Judged
from imuscribe.eval.report.figures import drawings
from imuscribe.eval.report.html import CSS, image
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import Array, Recording

ACROSS = 6
"""Drawings in a row."""
MOST_DRAWN = 30
"""Odd recordings on the page; all are in ``flagged.csv``."""


def page(found: Audit, recordings: Sequence[Recording], data: str, text: str) -> str:
    """Return the page.

    Parameters
    ----------
    found : Audit
    recordings : sequence of Recording
        The audited recordings, cleaned, with a gyroscope.
    data : str
        Name of the file they came from.
    text : str
        Its summary, shown at the top.
    """
    draw = _Drawer(found, recordings)
    odd = found.flagged(ODD_RECORDING)
    odd.sort(key=lambda one: (one.habit, one.own or 0, one.id))
    sections = [
        f"<h1>Audit of {escape(data)}</h1>",
        f"<pre>{escape(text)}</pre>",
        "<p>Position in the writing plane; colour runs from the dark start (dot) to the light end."
        " What drift is left opens loops.</p>",
        "<h2>Odd forms</h2>",
    ]
    for form in found.forms:
        if form.odd:
            sections += [
                f"<h3>{escape(str(form))}</h3>",
                image(drawings(draw.form(form)), f"{form.label} by {form.subject} and by others"),
            ]
    sections.append("<h2>Odd recordings</h2>")
    if len(odd) > MOST_DRAWN:
        sections.append(
            f"<p>{MOST_DRAWN} of {len(odd):,}, those least like the person's own first.</p>"
        )
    for one in odd[:MOST_DRAWN]:
        sections.append(image(drawings(draw.recording(one)), f"{one.id} and its neighbours"))
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>Audit of {escape(data)}</title><style>{CSS}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
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
        spread = np.linspace(0, len(mine) - 1, min(ACROSS, len(mine))).round().astype(int)
        own = [self._drawn(mine[i], f"{form.label} by {form.subject}") for i in spread]
        return [own, self._others(form.label, form.subject, ACROSS)]

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
