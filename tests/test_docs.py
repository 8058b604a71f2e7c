"""What the documentation tells people to write works as it stands there."""

import re
import subprocess
import sys

import pytest

from lib import records
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "own-training.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def test_the_script_leaves_its_runs(tmp_path, monkeypatch):
    _, script = blocks("python")
    seeds = "range(1, 5)"
    assert seeds in script
    script = script.replace(seeds, "range(1, 3)").replace("5_000", "50")  # few show what many do
    (tmp_path / "my_script.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(
        [sys.executable, "my_script.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = records.merge(tmp_path / "outputs" / "my-study").results
    assert sorted(results["penalty"]) == ["l1"] * 2 + ["l2"] * 2
    assert (results["energy_consumed"] > 0).all()
    assert set(results["notebook"]) == {"my_script.py"}


@pytest.mark.parametrize("diff", blocks("diff"), ids=["tabular", "torch"])
def test_measuring_adds_few_lines(diff):
    lines = [line for line in diff.splitlines() if line[1:].strip()]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    assert 0 < added - removed <= 15
