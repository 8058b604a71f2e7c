"""Run a study: `python run_all.py params/quick.yaml`."""

import importlib.util
import sys

if sys.version_info[:2] >= (3, 14) and not importlib.util.find_spec("tensorflow"):
    print(
        f"Python {sys.version_info[0]}.{sys.version_info[1]} is too new: TensorFlow has no wheels\n"
        "for it. Install 3.11, 3.12 or 3.13 beside it, and `make study PYTHON=python3.13`.",
        file=sys.stderr,
    )
    sys.exit(2)

from lib.cli import main  # what it imports may not install on such a Python

if __name__ == "__main__":
    sys.exit(main())
