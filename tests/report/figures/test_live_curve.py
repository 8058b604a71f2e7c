import re
from types import SimpleNamespace

import pytest

from lib.records.progress import Progress
from lib.report import figures
from lib.report.figures import live

HOSTILE = "<a href='javascript:alert(1)'>x</a>"
EPOCHS = [
    {"epoch": n, "accuracy": 0.1 * n, "loss": 1.0, "val_accuracy": 0.2, "val_loss": 1.0}
    | {"seconds": 10.0 * n, "energy_consumed": 1e-4 * n}
    for n in (1, 2, 3)
]


@pytest.fixture
def screen(monkeypatch):
    """What LiveCurve shows, in order; the time is `screen.now`."""
    import IPython.display

    shown = SimpleNamespace(pictures=[], now=0.0)
    handle = SimpleNamespace(update=lambda picture: shown.pictures.append(picture.data))

    def display(thing, display_id=False):
        shown.pictures.append(thing.data)
        return handle if display_id else None

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(IPython.display, "clear_output", lambda: shown.pictures.clear())
    monkeypatch.setattr(live.front_end, "is_watched", lambda: True)
    monkeypatch.setattr(live.time, "monotonic", lambda: shown.now)
    return shown


def training(second, **fields):
    return Progress("training", 2, 3, 0.4, 0.25, 28.4 + second, 1e-5 * second, **fields)


def test_the_live_curve_shows_watts_within_an_epoch(screen):
    curve = figures.LiveCurve("a-run")
    curve.progress(Progress("idle", epochs=3))
    assert "Measuring the idle machine" in screen.pictures[-1]
    curve.epoch(EPOCHS[:1])
    for tenth in range(41):
        screen.now = 10 + tenth / 10
        curve.progress(training(tenth // 10))
    assert "epoch 2 of 3 (40 % done): 32.4 W, 40.0 mWh" in screen.pictures[-1]
    (watts,) = re.findall(r'points="([^"]*)"', screen.pictures[-1])[2:]
    assert len(watts.split()) == 5, "one point a sample of CodeCarbon, not one a step"
    # The phase, its first step, and every two seconds.
    assert len(screen.pictures) == 4


def test_drawing_takes_no_more_than_its_share(screen, monkeypatch):
    curve = figures.LiveCurve("a-run")
    draw = curve._picture

    def slowly(now):
        screen.now += 0.1
        return draw(now)

    monkeypatch.setattr(curve, "_picture", slowly)
    for second in range(1000):
        screen.now = max(screen.now, float(second))
        curve.progress(training(second))
    assert 1000 * 0.005 / 0.1 * 0.9 < len(screen.pictures) <= 1000 * 0.005 / 0.1


def test_at_the_end_what_moved_is_gone(screen):
    curve = figures.LiveCurve("a-run")
    curve.progress(training(1))
    curve.epoch(EPOCHS)
    curve.end()
    assert not screen.pictures


def test_nothing_moves_where_nobody_watches(screen, monkeypatch):
    monkeypatch.setattr(live.front_end, "is_watched", lambda: False)
    curve = figures.LiveCurve("a-run")
    for second in range(10):
        screen.now = float(second)
        curve.progress(training(second))
        curve.epoch(EPOCHS)
    assert not screen.pictures
    curve.end()
    assert not screen.pictures


def test_the_live_curve_shows_names_as_text(screen):
    figures.LiveCurve(HOSTILE).progress(Progress(HOSTILE))
    assert "<a" not in screen.pictures[0]
