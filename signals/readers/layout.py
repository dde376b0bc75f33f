"""What a table of text holds: the settings that `data import` and the dialects' readers fill."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from imuscribe.signals.config import Config
from imuscribe.signals.errors import nearest
from imuscribe.signals.recording import METADATA, SENSORS

Missing = Literal["refuse", "drop", "fill"]

_SPLITS = ("blank-lines", "restarts", "none")
_WITH_VALUE = re.compile(r"rows:[1-9]\d*|gap:\d*\.?\d+|column:.+")
_DELIMITERS = {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";"}


class TableLayout(Config):
    """How a file of text, or several, becomes recordings; what is empty is found out or absent."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Our name (``t``, ``acc_x`` … ``gyro_z``, ``lin_acc_*``, an attitude's) to the file's column.
    A unit in brackets may be left out: ``ax`` is also found as ``ax (g)``. Columns may be added and
    turned over: ``gravity.x+user.x``, ``-ay``. Without a header line, columns are numbers, the
    first is ``1``; with one, a name that occurs again is ``X.1``, then ``X.2``. ``gyro_t`` and the
    like are the times in the file of a sensor, where they are called otherwise than ``t``."""
    acc_unit: str = ""
    """As `signals.units` reads it; beats a unit in the header."""
    gyro_unit: str = ""
    time_unit: str = ""
    """Seconds where nothing is said; ``iso`` for dates, or a pattern such as ``%H:%M:%S.%f``."""
    angle_unit: str = ""
    rate: float | None = None
    """Hz, for files without times."""
    rates: dict[str, float] = Field(default_factory=dict)
    """Hz by sensor, where each has a file of its own without times."""
    acc_sign: str = ""
    """``up`` (face up at rest reads +9.81 m/s² on z, the default) or ``down``."""
    attitude: str = ""
    """One of `signals.readers.attitude.Attitude`, where gravity is restored from an attitude."""

    header: int | Literal["none"] | None = None
    """Line of the file, from 1, that holds the names; the first that holds those in `columns`."""
    units_row: int | None = Field(default=None, ge=1)
    """Line of the file, from 1, that holds the units; rows begin after it."""
    skip: int = Field(default=0, ge=0)
    """Lines at the top that are no part of the table."""
    comment: str = ""
    """Lines that begin with this are left out, such as ``#``."""
    delimiter: str = ""
    """Between cells; ``space`` is any white space."""
    decimal: Literal["", ".", ","] = ""
    encoding: str = ""

    split: tuple[str, ...] = ()
    """Where a recording ends and the next begins: ``blank-lines``, ``restarts`` of the clock,
    ``rows:N``, ``gap:SECONDS``, ``column:NAME`` where its value changes; ``none`` where nothing of
    that kind is to be looked for."""
    missing: Missing = "refuse"
    """Rows with an empty cell: an error, left out, or filled by the line between a sensor's own
    samples."""
    files: dict[str, str] = Field(default_factory=dict)
    """Sensor to the pattern of its file, such as ``Gyroscope.csv`` or ``*_gyro.csv``, where every
    sensor has a file of its own."""
    rows: dict[str, str] = Field(default_factory=dict)
    """Sensor to the rows that are its own, such as ``type=Gyroscope``, where sensors share a file
    and columns."""
    offsets: dict[str, float] = Field(default_factory=dict)
    """Seconds added to the times of a sensor that has a file of its own."""
    name_pattern: str = ""
    """What a file is named after, such as ``{label}_{subject}_{hand}``, without the ending."""

    label: str = ""
    """What was done: text in which ``{file}``, ``{folder}``, ``{parent}``, a part of `name_pattern`
    or a column of the table stand for what they hold. The same goes for the five below."""
    subject: str = ""
    session: str = ""
    device: str = ""
    case: str = ""
    placement: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """What is said of every recording, before names are filled in."""
        return {name: text for name in METADATA[1:] if (text := getattr(self, name))}

    @property
    def apart(self) -> tuple[str, ...]:
        """The sensors that have files, or rows, of their own."""
        return (*self.files, *self.rows)

    @property
    def separator(self) -> str:
        """The character between cells; empty where it is to be found out."""
        return _DELIMITERS.get(self.delimiter, self.delimiter)

    @field_validator("header", mode="before")
    @classmethod
    def _line(cls, header: object) -> object:
        line = int(header) if isinstance(header, str) and header.isdigit() else header
        if not (line in (None, "none") or (type(line) is int and line > 0)):
            raise ValueError("a line of the file, from 1; 'none' where no line holds names")
        return line

    @field_validator("split")
    @classmethod
    def _known_splits(cls, split: tuple[str, ...]) -> tuple[str, ...]:
        for rule in split:
            if not (
                rule in _SPLITS or re.fullmatch(r"rows:[1-9]\d*|gap:\d*\.?\d+|column:.+", rule)
            ):
                raise ValueError(nearest(rule, (*_SPLITS, "rows:N", "gap:SECONDS", "column:NAME")))
        if "none" in split and len(split) > 1:
            raise ValueError("'none' stands alone")
        return split

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.header == "none" and self.units_row:
            raise ValueError("units_row: a file without a header line has no row of units")
        if isinstance(self.header, int) and self.units_row and self.units_row <= self.header:
            raise ValueError(f"units_row is {self.units_row}: it comes after the header line")
        if len(self.separator) > 1 or self.separator in {"\n", "\r", '"'}:
            given = self.delimiter.encode("unicode_escape").decode()
            raise ValueError(
                f"delimiter is '{given}': {nearest(self.delimiter, _DELIMITERS)}, or one character"
            )
        for sensor in (*self.apart, *self.offsets, *self.rates):
            if sensor not in SENSORS:
                raise ValueError(f"sensor '{sensor}' is unknown: {nearest(sensor, SENSORS)}")
            if sensor not in self.apart:
                raise ValueError(f"sensor {sensor} has no file of its own: --sensor-file names it")
        if self.files and self.rows:
            raise ValueError("sensors have files of their own or rows, not both")
        if odd := [rule for rule in self.rows.values() if not re.fullmatch("[^=]+=.+", rule)]:
            raise ValueError(f"rows '{odd[0]}': write COLUMN=VALUE, such as type=Gyroscope")
        return self
