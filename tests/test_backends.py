import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib import backends

ROOT = Path(__file__).resolve().parents[1]


def test_a_backend_starts_without_notes():
    program = "from lib import backends; backends.use('tensorflow'); print(backends.current())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "tensorflow\n", "")


def test_notes_are_held_back_and_kept(capfd):
    with backends._notes_held_back() as notes:
        os.write(2, b"no GPU\n")
    assert notes.text == "no GPU\n"
    assert capfd.readouterr().err == ""


def test_notes_are_shown_when_the_start_fails(capfd):
    def start():
        with backends._notes_held_back():
            os.write(2, b"a library is missing\n")
            raise ImportError

    with pytest.raises(ImportError):
        start()
    assert "a library is missing" in capfd.readouterr().err


def test_another_backend_in_the_same_process_is_refused():
    import keras

    other = next(name for name in backends.EXTRAS if name != keras.backend.backend())
    if not backends.installed(other):
        pytest.skip(f"{other} is not installed")
    with pytest.raises(backends.BackendError, match="restart the kernel"):
        backends.use(other)
    assert os.environ.get("KERAS_BACKEND") != other
