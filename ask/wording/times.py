"""Time in the words of a question: days, dates, parts of the day, clock times, amounts, counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from imuscribe.ask.query import PARTS, WEEKDAYS, When
from imuscribe.ask.result import CannotTell
from imuscribe.ask.wording.mentions import table

DAYS, OTHER_PARTS, AMOUNT, COUNT = "<d>", "<p>", "<amount>", "<count>"
"""Tokens: days or parts of the day that are compared, a duration, a number."""

_MONTHS = "january february march april may june july august september october november december"
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS.split()) + "|sept"
_SHORT = {name[:3].lower(): name for name in WEEKDAYS}
_WEEKDAY = (
    r"(?:mon|tues|wednes|wedns|thurs|fri|satur|sun)day'?s?"
    r"|(?:mon|tue|tues|wed|thu|thur|thurs|fri)\b\.?"
)
_CLOCK = (
    r"(?:(?:the )?(?:noon|midday|midnight)|\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]\.?m\b\.?)?"
    r"|\d{1,2} ?(?:[ap]\.?m\b\.?|o'?clock))"
)
_BARE = rf"(?:{_CLOCK}|\d{{1,2}})"
_UNIT = {"hour": 3600.0, "hr": 3600.0, "min": 60.0, "sec": 1.0, "minute": 60.0, "second": 1.0}


@dataclass
class Times:
    """What a question says of time, and the words without it."""

    text: str
    days: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    since: str = ""
    until: str = ""
    among: tuple[str, ...] = ()
    """Days or parts of the day that are compared with each other."""
    amount: float = 0.0
    """Seconds of an amount, or the number of a count."""

    @property
    def when(self) -> When:
        """As queries say it."""
        return When.model_validate(
            {
                "days": tuple(dict.fromkeys(self.days)),
                "parts": tuple(dict.fromkeys(self.parts)),
                "since": self.since,
                "until": self.until,
            }
        )


def find_times(text: str) -> Times:
    """Take what is said of time out of a question, lower case, contractions written out.

    CannotTell if a date or clock time cannot be, or two ranges are named.
    """
    found = Times(text)
    for pattern, take in _RULES:
        while (match := pattern.search(found.text)) is not None:
            token = take(found, match)
            found.text = f"{found.text[: match.start()]} {token} {found.text[match.end() :]}"
    _compared(found)
    return found


def _compared(found: Times) -> None:
    """Turn two days or parts joined by "or" or "than" into alternatives, the others into when."""
    for kind, given, token in (("zday", found.days, DAYS), ("zpart", found.parts, OTHER_PARTS)):
        item = rf"(?:on|in|at|the|during|from| )*{kind}\d+ *"
        joint = r"(?:,|or|than|vs\.?|versus|compared (?:to|with)|,? or)"
        match = re.search(rf"{item}(?:{joint} {item})+", found.text)
        if match:
            named = [given[int(i)] for i in re.findall(rf"{kind}(\d+)", match[0])]
            found.among = tuple(named)
            given[:] = [name for name in given if name not in named]
            left, right = found.text[: match.start()], found.text[match.end() :]
            found.text = f"{left} {token} {right}"
        if re.search(rf"not (?:on|in|at|the| )*{kind}\d", found.text):
            raise CannotTell("which time is meant by a time it is not")
        found.text = re.sub(rf"(?:\b(?:on|in|at|the|during|and|of) )*\b{kind}\d+", " ", found.text)


def _day(found: Times, name: str) -> str:
    found.days.append(name)
    return f"zday{len(found.days) - 1}"


def _iso(found: Times, match: re.Match[str]) -> str:
    return _day(found, f"{match[1]}-{int(match[2]):02d}-{int(match[3]):02d}")


def _american(found: Times, match: re.Match[str]) -> str:
    month, day = int(match[1]), int(match[2])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise CannotTell(f"'{match[0].strip()}' is no date: write 2015-11-05")
    year = f"{match[3]}-" if match[3] else ""
    return _day(found, f"{year}{month:02d}-{day:02d}")


def _month_day(found: Times, match: re.Match[str]) -> str:
    name, day, year = (
        match["month"] or match["month2"],
        match["day"] or match["day2"],
        match["year"],
    )
    month = [m[:3] for m in _MONTHS.split()].index(name[:3]) + 1
    if not 1 <= int(day) <= 31:
        raise CannotTell(f"'{match[0].strip()}' is no date: write 2015-11-05")
    return _day(found, f"{year + '-' if year else ''}{month:02d}-{int(day):02d}")


def _of_month(found: Times, match: re.Match[str]) -> str:
    if not 1 <= int(match["n"]) <= 31:
        raise CannotTell(f"'{match[0].strip()}' is no date: write 2015-11-05")
    return _day(found, str(int(match["n"])))


def _weekday(found: Times, match: re.Match[str]) -> str:
    word = match["day"]
    name = _SHORT[word[:3]]
    return _day(found, name + "s" if re.search(r"day'?s$", word) and "'" not in word else name)


def _named_day(found: Times, match: re.Match[str]) -> str:
    word = match["day"]
    if "weekend" in word:
        return _day(found, "weekend")
    return _day(found, "weekdays" if "weekday" in word else word)


def _part(found: Times, match: re.Match[str]) -> str:
    word = match["part"].rstrip("s'")
    name = {"overnight": "night", "nighttime": "night", "tonight": "night", "am": "morning"}.get(
        word, word
    )
    assert name in PARTS
    found.parts.append(name)
    return f"zpart{len(found.parts) - 1}"


def _clock_of(text: str, like: str = "") -> str:
    """Read a clock time; a bare hour takes a.m. or p.m. from the time it stands beside."""
    text = text.strip().removeprefix("the ")
    if text in ("noon", "midday"):
        return "12:00"
    if text == "midnight":
        return "00:00"
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    half = re.search(r"([ap])\.?m", text) or re.search(r"([ap])\.?m", like)
    hour = numbers[0]
    if half and hour <= 12:
        hour = hour % 12 + (12 if half[1] == "p" else 0)
    rest = [*numbers[1:], 0][:2] if len(numbers) < 3 else numbers[1:3]
    if hour > 24 or rest[0] > 59:
        raise CannotTell(f"'{text}' is no time of day: write 7:30 or 7 pm")
    return ":".join(
        f"{n:02d}" for n in ([hour, *rest] if len(rest) > 1 and rest[1] else [hour, rest[0]])
    )


def _range(found: Times, match: re.Match[str]) -> str:
    since, until = match["since"], match["until"]
    _set(
        found, _clock_of(since, until), _clock_of(until, since if re.search(r"[ap]", since) else "")
    )
    return " "


def _before(found: Times, match: re.Match[str]) -> str:
    until = _clock_of(match["clock"])
    _set(found, "", "24:00" if until == "00:00" else until)
    return " "


def _after(found: Times, match: re.Match[str]) -> str:
    _set(found, _clock_of(match["clock"]), "")
    return " "


def _at(found: Times, match: re.Match[str]) -> str:
    clock = _clock_of(match["clock"])
    _set(found, clock, clock)
    return " "


def _set(found: Times, since: str, until: str) -> None:
    if (since and found.since) or (until and found.until):
        raise CannotTell("two different times are named: ask about one of them")
    found.since, found.until = since or found.since, until or found.until
    if found.until == "00:00" and found.since != "00:00":
        found.until = "24:00"


def _amount(found: Times, match: re.Match[str]) -> str:
    total = 0.0
    for number, unit in re.findall(rf"({_NUMBER}) ?-?(hour|hr|minute|min|second|sec)", match[0]):
        value = 1.0 if number in ("a", "an") else 0.5 if "half" in number else float(number)
        total += value * _UNIT[unit]
    if "and a half" in match[0]:
        total += 1800
    found.amount = total
    return f" {AMOUNT} "


def _count(found: Times, match: re.Match[str]) -> str:
    found.amount = float(match["n"])
    return f" {COUNT} "


_NUMBER = r"half an?|an?|\d+(?:\.\d+)?"
_ONE_AMOUNT = (
    rf"\b(?:{_NUMBER})[ -]?(?:full )?(?:hours?|hrs?|minutes?|mins?|seconds?|secs?)\b"
    r"(?: and a half)?"
)

_Take = Callable[[Times, "re.Match[str]"], str]
_RULES: list[tuple[re.Pattern[str], _Take]] = [
    (re.compile(pattern), take)
    for pattern, take in (
        (r"\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})\b", _iso),
        (r"\b(\d{1,2})[-/](\d{1,2})(?:[-/](\d{4}))?\b", _american),
        (rf"(?:(?:{_WEEKDAY}),? )?(?:the )?(?:\b(?P<month>{_MONTH})\.? (?:the )?(?P<day>\d{{1,2}})"
         rf"(?:st|nd|rd|th)?|\b(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month2>{_MONTH}))\b"
         rf"(?:,? (?P<year>\d{{4}}))?", _month_day),
        (rf"(?:\b(?:{_WEEKDAY}),? )?(?:the )?\b(?P<n>\d{{1,2}})(?:st|nd|rd|th)\b", _of_month),
        (rf"\b(?:last |this |next |past )?(?P<day>{_WEEKDAY})(?= |$|[?,.])", _weekday),
        (r"\b(?:the |this |last |per )?(?P<day>weekends?|weekdays?|today|yesterday)\b", _named_day),
        (rf"\b(?:between|from)\b (?:the hours of )?(?P<since>{_BARE}) ?(?:to|until|till|and|-|–) "
         rf"?(?P<until>{_BARE})(?= |$|[?,.])", _range),
        (rf"\b(?:before|until|till|prior to|by|earlier than)\b (?P<clock>{_CLOCK})", _before),
        (rf"\b(?:after|since|past|later than|from)\b (?P<clock>{_CLOCK})(?: onwards?)?"
         r"(?= |$|[?,.])", _after),
        (rf"\b(?:at|around|about)\b (?P<clock>{_CLOCK})", _at),
        (rf"{_ONE_AMOUNT}(?:,? (?:and )?{_ONE_AMOUNT})*", _amount),
        (r"\b(?:in |at |during |this |the |any )*(?P<part>mornings?|afternoons?|evenings?"
         r"|nights?|overnight|nighttime|tonight)\b", _part),
        (r"(?<!how many )\b(?P<n>\d+) (?:or more )?(?:different |separate )?(?:times?|days?)\b",
         _count),
    )
]  # fmt: skip


def spelt(text: str) -> str:
    """Write number words as digits: "twice" is "2 times", "once" "1 times"."""
    for word, number in table("lexicon.yaml")["numbers"].items():
        often = " times" if word in ("once", "twice", "thrice") else ""
        text = re.sub(rf"\b{word}\b", f"{number}{often}", text)
    return text
