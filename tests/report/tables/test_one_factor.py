"""A study of one factor that is neither architecture nor dataset: its levels are variants."""

from lib import records
from lib.analysis import results
from lib.report import tables
from lib.study import plan
from lib.study.study import load_study


def test_the_answer_has_a_row_for_each_level(tmp_path):
    (tmp_path / "s.yaml").write_text("title: t\nfactors: {epochs: [1, 2]}\n")
    study = load_study(tmp_path / "s.yaml")
    runs, folder = study.runs("s", tmp_path), tmp_path / "s"
    plan.freeze(runs, folder)
    (folder / "study.yaml").write_text(study.as_yaml())
    for run in runs:
        records.Record(
            run_id=run.run_id,
            status="completed",
            config=run.recorded,
            accuracy=0.5,
            energy_consumed=0.001 * run.epochs,
            duration=1.0,
        ).write(run.run_dir)
    frame = tables.answer(results.load(folder)).frame
    ratio = dict(zip(frame["variant"], frame["energy_ratio"], strict=True))
    known = [round(value, 9) for value in sorted(ratio.values())]
    assert known in ([1.0, 2.0], [0.5, 1.0])
    assert "epochs: 2" in ratio
