import errno
import os

import pandas as pd
import pytest

from lib.study import plan
from lib.study.config import RunConfig
from lib.study.errors import StoppedError, StudyError


def test_the_frozen_order_stays_when_a_study_grows(tmp_path):
    runs = [RunConfig(repetition=r) for r in (3, 1, 2)]
    plan.freeze(runs, tmp_path)
    grown = [RunConfig(repetition=r) for r in (4, 1, 2, 3)]
    assert [run.repetition for run in plan.freeze(grown, tmp_path)] == [3, 1, 2, 4]
    assert plan.read(tmp_path) == [run.run_id for run in (*runs, grown[0])]


def test_looking_at_the_order_freezes_nothing(tmp_path):
    runs = [RunConfig(repetition=r) for r in (2, 1)]
    assert plan.ordered(runs, tmp_path) == runs
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "position\n1\n", "a,b\n1,2,3\n"])
def test_a_damaged_plan_is_one_message(tmp_path, content):
    (tmp_path / "plan.csv").write_text(content)
    with pytest.raises(StudyError, match=r"plan\.csv: 1 mistake\n  - is no table of runs"):
        plan.read(tmp_path)


def test_a_plan_that_can_not_be_read_is_not_damaged(tmp_path, monkeypatch):
    plan.freeze([RunConfig()], tmp_path)

    def fails(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(pd, "read_csv", fails)
    with pytest.raises(StoppedError, match=r"plan\.csv: can't be read: Input/output error"):
        plan.read(tmp_path)
