"""Studies with their reports, made once for all tests that look at them."""

import json
from pathlib import Path

from lib import published, records, report
from tests import small_study
from tests.replication_package import FOLDER

SCRIPT = "<script>document.title='hacked'</script>"
HOSTILE = f'{SCRIPT}<b>&amp; "bold"</b>'


def hostile(folder: Path) -> Path:
    """A small study with markup wherever a study holds text of others, and with a failed run."""
    small_study.make(folder, title=HOSTILE, location="USA/oregon", failed=HOSTILE)
    put(folder, location=HOSTILE, data_dir=f"/data/{HOSTILE}")
    put(folder, "VGG19-*", architecture=SCRIPT)
    report.build(folder)
    return folder


def large(folder: Path) -> Path:
    """102 runs with learning curves of 50 epochs."""
    small_study.make(folder, repetitions=17)
    for path in folder.glob("runs/*/history.csv"):
        head, *rows = path.read_text().splitlines(keepends=True)
        more = (row.replace(row[0], str(epoch), 1) for epoch, row in enumerate(rows * 25, start=1))
        path.write_text(head + "".join(more))
    report.build(folder)
    return folder


def varied(folder: Path) -> Path:
    """As many configurations as in params/greener.yaml, and more: figures taller than a page."""
    options = [{}, {"features": "cached"}, {"precision": "mixed"}, {"head": "linear"}]
    options += [{**one, "batch_size": 128} for one in options]
    small_study.make(folder, repetitions=1, variants=tuple(options))
    report.build(folder)
    return folder


def papers(folder: Path) -> Path:
    """The authors' raw data."""
    records.write_results(published.import_package(FOLDER), folder)
    report.build(folder)
    return folder


def put(folder: Path, runs: str = "*", **config: str) -> None:
    """Change the configuration of records, behind the back of what would check it."""
    for path in folder.glob(f"runs/{runs}/run.json"):
        record = json.loads(path.read_text())
        record["config"] |= config
        path.write_text(json.dumps(record))
