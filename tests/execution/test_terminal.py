import io

import pytest
from rich.console import Console

from lib.execution import terminal
from lib.execution.forecast import Left
from lib.records import Record
from lib.records.progress import Progress
from lib.study.config import RunConfig

ONE, TWO = RunConfig(repetition=1), RunConfig(repetition=2)
TRAINING = Progress("training", 2, 5, 0.3, 0.75, 41.26, 0.0012)


def record(config, **fields):
    content = {"status": "completed", "accuracy": 0.5, "energy_consumed": 0.002, "duration": 75.0}
    return Record(**{**content, **fields}, run_id=config.run_id, config={})


def failed(config):
    return record(config, status="failed", error="no [such] thing")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)


def test_plain_lines_say_each_epoch_once(capsys):
    watcher = terminal.PlainWatcher(2)
    watcher.begin(ONE)
    for _ in range(3):
        watcher.progress(ONE, TRAINING, Left(130.0, 0.004))
    watcher.end(record(ONE), 80.0, Left(70.0, 0.002))
    watcher.end(failed(TWO), 4.0, Left(0.0, 0.0))
    assert capsys.readouterr().out.splitlines() == [
        f"{ONE.run_id}: starts",
        f"{ONE.run_id}: epoch 2/5, accuracy 0.750, 41.3 W, 1.20 Wh, 2 min 10 s and 4.00 Wh to go",
        f"[1/2] {ONE.run_id}: accuracy 0.5000, 2.00 Wh in 1 min 15 s of training "
        "(1 min 20 s in all), "
        "1 min 10 s and 2.00 Wh to go",
        f"[2/2] {TWO.run_id}: FAILED after 4.0 s: no [such] thing",
    ]


def test_bars_show_study_and_runs_and_leave_results(console):
    watcher = terminal.BarWatcher(console, 3)
    for config in (ONE, TWO):
        watcher.begin(config)
        watcher.progress(config, TRAINING, Left(130.0, 0.004))
    assert [task.completed for task in watcher._bars.tasks] == pytest.approx([0.6, 0.3, 0.3])
    watcher.end(failed(ONE), 80.0, Left())
    assert [task.completed for task in watcher._bars.tasks] == pytest.approx([1, 0.3])
    watcher.say("another [sentence]")
    watcher.close()
    said = console.file.getvalue()
    assert "epoch 2/5, accuracy 0.750, 41.3 W, 1.20 Wh" in said
    assert "2 min 10 s and 4.00 Wh to go" in said
    assert f"[1/3] {ONE.run_id}: FAILED after 1 min 20 s: no [such] thing" in said
    assert "another [sentence]" in said


def test_of_a_long_plan_the_first_rows_are_shown():
    runs = [RunConfig(repetition=number) for number in range(1, 500)]
    states = ["complete"] * 497 + ["failed", "damaged record: ..."]
    assert terminal.plan_table(runs, states).row_count == terminal.MOST_ROWS
    assert terminal.counts(states) == "499 runs: 497 complete, 1 failed, 1 to be set aside"


def test_the_summary_puts_failed_runs_first_and_names_the_last_error(console):
    ended = [record(ONE)] * 300 + [failed(TWO)]
    table = terminal.summary_table(ended)
    assert table.row_count == terminal.MOST_ROWS
    console.print(table)
    rows = [line for line in console.file.getvalue().splitlines() if "VGG16" in line]
    assert "failed: no [such] thing" in rows[0]
    assert terminal.summary(ended, len(ended)) == (
        "300 of 301 runs complete, 0.600 kWh measured, 1 failed, "
        f"the last one is {TWO.run_id}: no [such] thing"
    )


@pytest.mark.parametrize("text", ["back\\[/", "[/b]", "[link=x]", "\\", "x" * 5_000_000, "\x1b[2J"])
def test_text_of_others_ends_nothing(capsys, text):
    """Whatever an error says, or a title: it is shown as text, and cut."""
    bad = failed(TWO).model_copy(update={"error": text})
    console = terminal.console()
    console.print(terminal.summary_table([bad]))
    console.print(terminal.summary([bad], 1))
    for watcher in (terminal.PlainWatcher(1), terminal.BarWatcher(console, 1)):
        watcher.begin(TWO)
        watcher.end(bad, 1.0, Left())
        watcher.close()
    said = capsys.readouterr().out
    assert len(said) < 100_000
    assert "\x1b[2J" not in said


def test_a_run_without_an_accuracy_is_shown(console):
    odd = record(ONE).model_copy(update={"accuracy": None, "duration": None, "score": None})
    console.print(terminal.summary_table([odd]))
    assert "complete" in console.file.getvalue()


def test_limits_stand_beside_an_energy(console):
    sure = record(ONE).model_copy(
        update={"extra": {"energy_consumed_low": 0.0011, "energy_consumed_high": 0.0035}}
    )
    console.print(terminal.summary_table([sure, record(TWO)]))
    assert "1.1 to 3.5" in console.file.getvalue()
    watcher = terminal.BarWatcher(console, 1)
    watcher.end(sure, 80.0, Left())
    watcher.close()
    assert "2.00 Wh (1.1 to 3.5) in" in console.file.getvalue()
