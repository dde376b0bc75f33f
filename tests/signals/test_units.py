import numpy as np
import pytest

from imuscribe.signals.errors import InputError
from imuscribe.signals.labels import parse_labels
from imuscribe.signals.units import to_si


@pytest.mark.parametrize(
    ("value", "unit", "quantity", "expected"),
    [
        (1.0, "g", "acceleration", 9.80665),
        (1000.0, "mg", "acceleration", 9.80665),
        (9.81, "m/s^2", "acceleration", 9.81),
        (9.81, "m/s²", "acceleration", 9.81),
        (180.0, "deg/s", "rotation", np.pi),
        (180.0, "dps", "rotation", np.pi),
        (180.0, "°/s", "rotation", np.pi),
        (1.5, " rad/s ", "rotation", 1.5),
        (250.0, "ms", "time", 0.25),
        *(
            (9.81, u, "acceleration", 9.81)
            for u in ("m/(sec^2)", "m s^-2", "m·s⁻²", "M/S²", "ms-2")
        ),
        (9.81, "meters per second squared", "acceleration", 9.81),
        *((1.0, unit, "acceleration", 9.80665) for unit in ("G", "g's", "gee", "1000 mg")),
        *((64.0, unit, "acceleration", 9.80665) for unit in ("1/64 g", "64 LSB/g", "g/64", "64/g")),
        (16384.0, "16384 counts per g", "acceleration", 9.80665),
        (1000.0, "0.061 mg/LSB", "acceleration", 0.061 * 9.80665),
        *((180.0, unit, "rotation", np.pi) for unit in ("degrees/second", "deg/sec", "1000 mdps")),
        *((16.4 * 180, unit, "rotation", np.pi) for unit in ("16.4 LSB/(deg/s)", "16.4 LSB/°/s")),
        *((250.0, unit, "time", 0.25) for unit in ("mSecs", "milliseconds", "millis")),
        *((250.0, unit, "time", 0.25e-3) for unit in ("μs", "µs", "usec", "microseconds")),
    ],
)
def test_known_quantities(value, unit, quantity, expected):
    assert to_si([value], unit, quantity)[0] == pytest.approx(expected, rel=1e-6)


def test_si_values_stay_bit_for_bit():
    values = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    assert np.array_equal(to_si(values, "m/s^2", "acceleration"), values)


@pytest.mark.parametrize(
    ("unit", "quantity", "message"),
    [
        ("", "acceleration", "missing"),
        ("m/s^3", "acceleration", r"did you mean 'm/s\^2'"),
        ("rads/min", "rotation", "did you mean 'rad/s'"),
        ("LSB", "acceleration", "say how many make one, as in '16384 LSB/g'"),
        ("1/0 g", "acceleration", "not one of acceleration"),
        ("0 g", "acceleration", "not one of acceleration"),
        ("g" * 500, "acceleration", "not one of acceleration"),
        ("g", "rotation", "not one of rotation"),
        ("deg/s", "acceleration", "not one of acceleration"),
    ],
)
def test_wrong_units_are_refused(unit, quantity, message):
    with pytest.raises(InputError, match=message):
        to_si([1.0], unit, quantity)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A-D", "A B C D"),
        ("A-C0-2", "A B C 0 1 2"),
        ("x-z", "x y z"),
        ("A,B,walking", "A B walking"),
        ("A-B, stand-up", "A B stand-up"),
        ("Z", "Z"),
    ],
)
def test_label_sets(text, labels):
    assert parse_labels(text) == tuple(labels.split())


def test_all_letters_and_digits():
    assert len(parse_labels("A-Za-z0-9")) == 62


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("A,,B", "empty"),
        ("Z-A", "did you mean 'A-Z'"),
        ("A-z", "one kind"),
        ("A-C,B", "'B' occurs twice"),
    ],
)
def test_wrong_label_sets_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_labels(text)
