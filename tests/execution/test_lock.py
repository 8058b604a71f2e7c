import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lib.execution import lock

SECOND = """
import sys, tempfile
from pathlib import Path
from lib.execution import lock
tempfile.tempdir = sys.argv[1]
held = lock.alone_on_this_machine("two") if sys.argv[2] == "machine" else (
    lock.alone_in_study(Path(sys.argv[2])))
try:
    with held: pass
except lock.BusyError as error: print(error)
"""


def second(what):
    command = [sys.executable, "-c", SECOND, tempfile.gettempdir(), str(what)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_two_measurements_do_not_run_beside_each_other():
    with lock.alone_on_this_machine("study one"):
        assert f"process {os.getpid()} (study one) since 20" in second("machine")
    assert second("machine") == ""


def test_two_calls_do_not_work_on_one_study(tmp_path):
    with lock.alone_in_study(tmp_path / "one"):
        assert f"{tmp_path / 'one'}: process {os.getpid()}" in second(tmp_path / "one")
        assert second(tmp_path / "other") == ""


def test_a_dead_holder_holds_nothing():
    for ending in (".lock", ".json"):
        path = Path(tempfile.gettempdir()) / f"training-energy-study{ending}"
        path.write_text(json.dumps({"pid": 1, "what": "gone", "since": "2020"}))
    with lock.alone_on_this_machine("study"):
        pass


def test_a_file_of_another_user_locks_too(monkeypatch):
    """Linux refuses to create or write what another user has in a shared temporary folder."""
    with lock.alone_on_this_machine("the other user"):
        pass
    real = os.open

    def refusing(path, flags, *mode, **options):
        if flags & (os.O_CREAT | os.O_RDWR) and str(path).endswith(".lock"):
            raise PermissionError
        return real(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", refusing)
    with lock.alone_on_this_machine("me"):
        assert f"process {os.getpid()} (me)" in second("machine")


def test_waiting_ends_when_the_holder_is_gone():
    command = [sys.executable, "-c", HOLD, tempfile.gettempdir()]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(lock.BusyError), lock.alone_on_this_machine("impatient"):
        pass
    holder.kill()
    with lock.alone_on_this_machine("patient", wait=True):
        pass
    holder.wait()
    holder.stdout.close()


HOLD = """
import sys, tempfile, time
from lib.execution import lock
tempfile.tempdir = sys.argv[1]
with lock.alone_on_this_machine("holder"):
    print("held", flush=True)
    time.sleep(60)
"""
