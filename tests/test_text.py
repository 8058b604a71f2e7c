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


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ((1.42e-4, 0.6e-4, 1.9e-4), "0.142 Wh (0.06 to 0.19)"),
        ((1.42e-4, 1.3e-4, 1.54e-4), "0.142 Wh (0.130 to 0.154)"),
        ((1.65e-5, 2.65e-6, 4.07e-5), "16.5 mWh (3 to 41)"),
        ((3.4e-6, -2e-6, 2.4e-5), "3.40 mWh (−2 to 24)"),
        ((0.5, 0.4456, 0.5431), "0.500 kWh (0.45 to 0.54)"),
        ((2.13456, 2.13411, 2.13499), "2.1346 kWh (2.1341 to 2.1350)"),
        ((12_345.6, 12_000, 13_000), "12,346 kWh (12,000 to 13,000)"),
        ((0.0, 0.0, 0.2), "0.00 kWh (0.00 to 0.20)"),
        ((0.5, None, None), "0.500 kWh"),
        ((0.5, 0.5, 0.5), "0.500 kWh"),
        ((0.5, float("nan"), float("nan")), "0.500 kWh"),
        ((None, None, None), "?"),
    ],
)
def test_a_figure_is_rounded_to_what_its_limits_carry(figure, said):
    assert text.with_limits(*figure) == said


def test_other_figures_have_limits_too():
    assert text.with_limits(1e-3, 1e-4, 3e-3, "emissions") == "1.00 g CO₂-eq (0.1 to 3.0)"


def test_text_of_others_commands_no_terminal():
    said = "\x1b[2J\x07red\u202eevil\u2066\x9b31m\ud800 [bold]\\[/"
    shown = text.readable(said)
    assert shown.isprintable()
    assert "red" in shown
    assert shown.endswith("[bold]\\[/"), "markup is text, and stays"
    assert text.readable("one\ntwo\tthree") == "one\ntwo\tthree"


def test_what_is_very_long_is_cut_and_said():
    shown = text.readable("x" * 5_000_000)
    assert len(shown) < 2100
    assert shown.endswith("and 4,998,000 characters more")
