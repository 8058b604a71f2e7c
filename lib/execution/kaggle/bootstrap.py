"""The program that this notebook runs, packed into the last lines of this cell.

It is unpacked outside the working folder, all of which Kaggle ships back, and what it needs is
installed where it is missing. Made by `run_all.py --kaggle build`; works on Kaggle, on Colab and
elsewhere.
"""

import atexit
import base64
import importlib
import importlib.metadata
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

MEASURES_ONLY = ("codecarbon", "keras-flops")  # without them it trains, and says what is missing


def set_up(requirements: list[str], archive: str) -> None:
    """Make `import lib` find the program, and install the requirements that are missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    folder = tempfile.mkdtemp(prefix="training-energy-study-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))) as program:
        program.extractall(folder)
    for name in [name for name in sys.modules if name.split(".")[0] == "lib"]:
        del sys.modules[name]  # another copy of it, or of an earlier run of this cell
    sys.path.insert(0, folder)
    if absent := missing(requirements):
        install(absent)


def missing(requirements: list[str]) -> list[str]:
    """Those that are not installed, or in another version."""
    from packaging.requirements import Requirement

    absent = []
    for text in requirements:
        wanted = Requirement(text)
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            # TensorFlow has several distributions that hold the same module.
            if importlib.util.find_spec(wanted.name.replace("-", "_")) is None:
                absent.append(text)
        else:
            if not wanted.specifier.contains(version, prereleases=True):
                absent.append(text)
    return absent


def install(requirements: list[str]) -> None:
    """Install with pip; say what can't be measured if that fails, and stop if it can't train."""
    print("Installing", ", ".join(requirements))
    # What keras-flops asks for would replace a TensorFlow that is there under another name.
    alone = [text for text in requirements if text.startswith("keras-flops")]
    others = [text for text in requirements if text not in alone]
    said = [pip(*others), pip("--no-deps", *alone)]
    importlib.invalidate_caches()
    absent = missing(requirements)
    if not absent:
        return
    print(*filter(None, said), sep="\n")
    if essential := [text for text in absent if not text.startswith(MEASURES_ONLY)]:
        raise RuntimeError(
            f"{', '.join(essential)} could not be installed, and training needs it. "
            "Is the internet on in this notebook's settings?"
        )
    print(
        f"{', '.join(absent)} could not be installed, so what it measures stays empty in the "
        "record, with the reason. With the internet on, it is installed."
    )


def pip(*arguments: str) -> str:
    """Let pip install; the last line of its complaint, or nothing."""
    if not any(text[0] != "-" for text in arguments):
        return ""
    options = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    command = [sys.executable, "-m", "pip", "install", *options, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]
