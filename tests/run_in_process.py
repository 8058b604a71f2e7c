"""In place of `python -m lib.execution.run_process`: the same task, without papermill and a kernel.

For tests that are about what comes before and after a run. It executes the notebook's cells in this
process, which has the standard library alone: `python -S run_in_process.py RECORD`, where RECORD is
the record of a run that fails, but for its id, its configuration and the error.
"""

import json
import sys
from pathlib import Path

task = json.load(sys.stdin)
(folder,) = Path(task["parameters"]["output_dir"]).expanduser().glob("runs/*")
notebook = json.loads(Path(task["notebook"]).read_text(encoding="utf-8"))
first, *cells = ("".join(cell["source"]) for cell in notebook["cells"])
(folder / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
names = {}
try:
    exec(first, names)
    names.update(task["parameters"])
    for cell in cells:
        exec(cell, names)
except Exception as error:
    record = json.loads(sys.argv[1])
    record |= {"run_id": folder.name, "error": f"{type(error).__name__}: {error}"}
    record["config"] = {name: task["parameters"][name] for name in record["config"]}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    sys.exit(1)
