"""Lists, times and energies in words."""

import pytest

from lib import text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "?"),
        (0, "0 s"),
        (0.0421, "0.042 s"),
        (4, "4.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (75.2, "1 min 15 s"),
        (3599.6, "1 h 00 min"),
        (90_061, "25 h 01 min"),
    ],
)
def test_durations(seconds, said):
    assert text.duration(seconds) == said


@pytest.mark.parametrize(
    ("kwh", "said"),
    [
        (None, "?"),
        (0, "0.00 kWh"),
        (7.4e-6, "7.40 mWh"),
        (9.21e-6, "9.21 mWh"),
        (1.42e-4, "0.142 Wh"),
        (0.004, "4.00 Wh"),
        (0.75, "0.750 kWh"),
        (1234.5, "1,234 kWh"),
        (-2e-3, "−2.00 Wh"),
    ],
)
def test_energies_have_three_digits(kwh, said):
    assert text.energy(kwh) == said


def test_lists():
    assert text.listed([]) == ""
    assert text.listed(["A"]) == "A"
    assert text.listed(["A", "B", "C"]) == "A, B and C"
