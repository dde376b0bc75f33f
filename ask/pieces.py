"""Sets of time: sorted lists of pieces (start, end) in seconds that neither touch nor overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Piece = tuple[float, float]
Pieces = list[Piece]


def union(pieces: Iterable[Piece], gap: float = 0.0) -> Pieces:
    """Return the time in any of the pieces; those at most `gap` seconds apart become one."""
    found: Pieces = []
    for start, end in sorted(piece for piece in pieces if piece[1] > piece[0]):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def intersect(first: Pieces, second: Pieces) -> Pieces:
    """Return the time in both sets."""
    found: Pieces = []
    i = j = 0
    while i < len(first) and j < len(second):
        start, end = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if end > start:
            found.append((start, end))
        if first[i][1] <= second[j][1]:
            i += 1
        else:
            j += 1
    return found


def subtract(first: Pieces, second: Pieces) -> Pieces:
    """Return the time in the first set and not in the second."""
    if not first:
        return []
    outside: Pieces = []
    at = first[0][0]
    for start, end in second:
        if start > at:
            outside.append((at, start))
        at = max(at, end)
    if first[-1][1] > at:
        outside.append((at, first[-1][1]))
    return intersect(first, outside)


def length(pieces: Sequence[Piece]) -> float:
    """Return the seconds in a set."""
    return sum(end - start for start, end in pieces)
