"""Run a study: `python run_all.py params/quick.yaml`."""

import sys

from lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
