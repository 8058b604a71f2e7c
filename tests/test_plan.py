from lib import plan
from lib.study import RunConfig


def test_the_frozen_order_stays_when_a_study_grows(tmp_path):
    runs = [RunConfig(repetition=r) for r in (3, 1, 2)]
    plan.freeze(runs, tmp_path)
    grown = [RunConfig(repetition=r) for r in (4, 1, 2, 3)]
    assert [run.repetition for run in plan.freeze(grown, tmp_path)] == [3, 1, 2, 4]
    assert plan.read(tmp_path) == [run.run_id for run in (*runs, grown[0])]
