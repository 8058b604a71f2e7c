import json

import pandas as pd
import pytest

from lib.experiment import Run, RunError
from lib.records.record import Record
from lib.study.config import RunConfig


def run_in(folder, **fields):
    return Run(RunConfig(output_dir=str(folder), **fields))


def test_a_run_from_its_parameters_to_its_record(meter, tmp_path):
    run = run_in(tmp_path, location="FRA", idle_seconds=0.01, epochs=2)
    warmed = []
    with run.measured(warm_up=lambda: warmed.append(1)):
        assert not (run.folder / "run.json").exists()
        run.epoch(accuracy=0.5, val_accuracy=0.4)
        run.epoch(accuracy=0.7, val_accuracy=0.6)
    record = run.finish(accuracy=0.6, perplexity=3.5)
    assert warmed == [1]
    assert [phase.name for phase in record.phases] == [
        *("checks", "idle", "warmup", "training", "cooldown")
    ]
    assert record.started_at <= record.ended_at
    written = Record.model_validate_json((run.folder / "run.json").read_bytes())
    assert written == Record.model_validate_json(record.model_dump_json())
    assert not (run.folder / "progress.json").exists()
    history = pd.read_csv(run.folder / "history.csv")
    assert list(history) == ["epoch", "accuracy", "val_accuracy", "seconds", "energy_consumed"]
    assert history["epoch"].tolist() == [1, 2]
    assert history["energy_consumed"].tolist() == pytest.approx([0.0001, 0.0002])
    assert history["seconds"].is_monotonic_increasing


def test_the_warm_up_goes_on_for_as_long_as_it_should(meter, tmp_path):
    times = []
    with run_in(tmp_path, warmup_seconds=0.05).measured(warm_up=lambda: times.append(1)):
        pass
    assert len(times) > 1


def test_without_epochs_there_is_no_history(meter, tmp_path):
    run = run_in(tmp_path)
    with run.measured():
        pass
    run.finish(accuracy=1)
    assert not (run.folder / "history.csv").exists()


def test_progress_follows_steps_and_epochs(meter, tmp_path):
    told = []

    class Watcher:
        def progress(self, progress):
            told.append((progress.phase, progress.fraction, progress.accuracy))

        def epoch(self, history):
            told.append(len(history))

    run = run_in(tmp_path, epochs=2)
    with run.measured(watcher=Watcher()):
        run.step(0.25, 1, 0.3)
        said = json.loads((run.folder / "progress.json").read_text())
        assert said["phase"] == "training"
        run.epoch(val_accuracy=0.4)
    assert told == [
        *(("checks", 0, None), ("training", 0, None)),
        *(("training", 0.25, 0.3), ("training", 0.5, 0.4), 1, ("cooldown", 0.5, 0.4)),
    ]


def test_inference_is_measured_apart_and_once_before(meter, tmp_path):
    run = run_in(tmp_path, inference_seconds=0.02, idle_seconds=0.01)
    with run.measured():
        pass
    passes = []
    run.inference(lambda: passes.append(1), samples=50)
    record = run.finish(accuracy=0.5)
    assert len(passes) > 1
    samples = record.extra["inference_samples"]
    assert samples == 50 * (len(passes) - 1), "the first is not measured"
    assert record.extra["inference_energy"] == pytest.approx(0.001)
    assert record.extra["inference_energy_per_1000"] == pytest.approx(1 / samples)
    assert record.extra["inference_seconds_per_1000"] == pytest.approx(1e5 / samples)
    assert record.extra["inference_net_energy"] is None, "it drew what the idle machine did"
    assert "baseline drew as much" in record.reasons["inference_net_energy"]
    assert record.phases[-1].name == "inference"
    assert [one["instrument"] for one in record.readings][-1] == "codecarbon, inference"


def test_inference_that_is_not_asked_for_does_nothing(meter, tmp_path):
    run = run_in(tmp_path)
    with run.measured():
        pass
    run.inference(pytest.fail, samples=1)
    record = run.finish(accuracy=0.5)
    assert not any(name.startswith("inference") for name in record.extra)


def test_inference_that_is_asked_for_and_not_given_is_missed(meter, tmp_path):
    run = run_in(tmp_path, inference_seconds=1)
    with run.measured():
        pass
    assert "no function" in run.finish(accuracy=0.5).reasons["inference_energy"]


def measured(folder):
    run = run_in(folder)
    with run.measured():
        pass
    return run


def finished(folder):
    run = measured(folder)
    run.finish(accuracy=0.5)
    return run


def twice(folder):
    with measured(folder).measured():
        pass


def nested(folder):
    run = run_in(folder)
    with run.measured(), run.measured():
        pass


def after_a_failure(folder):
    run = run_in(folder)
    with pytest.raises(ZeroDivisionError), run.measured():
        raise ZeroDivisionError
    run.finish(accuracy=0.5)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda folder: run_in(folder).finish(accuracy=1), "finish: comes after the measured"),
        (lambda folder: finished(folder).finish(accuracy=1), "finish: the run is finished"),
        (lambda folder: finished(folder).results(accuracy=1), "results: the run is finished"),
        (twice, "measured: a run is measured once"),
        (nested, "measured: a run is measured once"),
        (after_a_failure, "finish: comes after the measured block"),
        (lambda folder: run_in(folder).epoch(loss=1), "epoch: comes inside the measured block"),
        (lambda folder: measured(folder).epoch(loss=1), "epoch: comes inside the measured block"),
        (lambda folder: run_in(folder).inference(print, 1), "inference: comes after the measured"),
        (lambda folder: measured(folder).inference(print, 0), "a whole number of at least 1"),
        (lambda folder: measured(folder).finish(accuracy=float("nan")), "accuracy: is nan"),
        (lambda folder: measured(folder).finish(loss=float("inf")), "loss: is inf"),
        (lambda folder: measured(folder).finish(accuracy="high"), "accuracy: 'high' is no number"),
        (lambda folder: measured(folder).finish(accuracy=True), "accuracy: True is no number"),
        (lambda folder: measured(folder).finish(accuracy=[1]), r"accuracy: \[1\] is no number"),
        (lambda folder: measured(folder).finish(accuracy=None), "accuracy: is None; give a number"),
        (lambda folder: measured(folder).finish(energy_consumed=1), "is measured here"),
        (lambda folder: measured(folder).finish(training_duration=1), "is measured here"),
        (lambda folder: measured(folder).finish(batch_size=1), "batch_size: is a parameter"),
    ],
)
def test_what_leaves_no_sound_record_is_refused_in_one_sentence(meter, tmp_path, use, said):
    with pytest.raises(RunError, match=said) as error:
        use(tmp_path)
    assert "\n" not in str(error.value)


def test_real_instruments_measure_a_block(tmp_path):
    run = run_in(tmp_path, location="FRA", idle_seconds=0.3)
    with run.measured():
        total = sum(range(10**6))
    record = run.finish(accuracy=1.0)
    assert total
    assert record.energy_consumed > 0
    assert record.idle_energy > 0
    assert record.emissions == pytest.approx(record.energy_consumed * record.carbon_intensity / 1e3)
    assert (run.folder / "emissions.csv").is_file()
    assert (run.folder / "power.csv").is_file()
