import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lib.execution import lock
from lib.study.errors import StudyError

SECOND = """
import json, os, sys
from pathlib import Path
from lib.execution import lock
for line in sys.stdin:
    what, environment = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    held = lock.alone_on_this_machine("two") if what == "machine" else (
        lock.alone_in_study(Path(what)))
    said = None
    try:
        with held: pass
    except lock.BusyError as error: said = str(error)
    print(json.dumps(said), flush=True)
"""
ASKED = [sys.executable, "-c", SECOND]

HOLD = """
import sys, time
from lib.execution import lock
with lock.alone_on_this_machine("holder"):
    print("held", flush=True)
    time.sleep(60)
"""


def question(what, **environment):
    return json.dumps([str(what), os.environ | environment]) + "\n"


@pytest.fixture(scope="module")
def second():
    """What another process is told: None where nobody is in its way."""
    pipe = subprocess.PIPE
    with subprocess.Popen(ASKED, stdin=pipe, stdout=pipe, text=True) as process:

        def ask(what, **environment):
            process.stdin.write(question(what, **environment))
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask


def machine_lock():
    return Path(os.environ[lock.FOLDER]) / lock._NAME


def test_two_measurements_do_not_run_beside_each_other(second):
    with lock.alone_on_this_machine("study one"):
        assert f"process {os.getpid()} (study one) since 20" in second("machine")
    assert second("machine") is None


def test_two_calls_do_not_work_on_one_study_whatever_their_temporary_folders(second, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "one")
    with lock.alone_in_study(tmp_path / "one"):
        said = f"process {os.getpid()} (study one)"
        assert said in second(tmp_path / "one", TMPDIR=str(tmp_path), TRAINING_ENERGY_LOCKS="/x")
        assert said in second(tmp_path / "link")
        assert second(tmp_path / "other") is None


def test_two_hosts_do_not_work_on_one_study(tmp_path):
    """Played by a second set of namespaces, which shares nothing but the folder."""
    alone = [shutil.which("unshare") or "", "--user", "--map-root-user", "--mount", "--pid"]
    alone += ["--fork", "--uts", "--ipc"]
    if not alone[0] or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no namespaces")

    def told():
        asked = question(tmp_path / "one")
        return json.loads(subprocess.check_output([*alone, *ASKED], input=asked, text=True))

    with lock.alone_in_study(tmp_path / "one"):
        assert "another call works on" in told()
    assert told() is None


def test_a_dead_holder_holds_nothing():
    machine_lock().write_text(json.dumps({"pid": 1, "what": "gone", "since": "2020"}))
    with lock.alone_on_this_machine("study"):
        pass
    assert not machine_lock().exists()


def test_a_file_of_another_user_locks_too(second, monkeypatch):
    """Linux refuses to create or write what another user has in a shared temporary folder."""
    machine_lock().touch()
    real = os.open

    def refusing(path, flags, *mode, **options):
        if flags & (os.O_CREAT | os.O_RDWR) and str(path).endswith(".lock"):
            raise PermissionError
        return real(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", refusing)
    with lock.alone_on_this_machine("me"):
        assert "another measurement is under way" in second("machine")


def test_the_umask_of_one_user_locks_nobody_out(tmp_path):
    before = os.umask(0o077)
    try:
        with lock.alone_on_this_machine("private"), lock.alone_in_study(tmp_path / "one"):
            paths = machine_lock(), tmp_path / ".one.lock"
            assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o666, 0o666]
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_somebody_put_in_the_place_of_a_lock_is_not_followed(tmp_path, kind):
    victim = tmp_path / "victim"
    victim.write_text("{precious}")
    make = {
        "link": lambda path: path.symlink_to(victim),
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
    }
    make[kind](machine_lock())
    with (
        pytest.raises(StudyError, match=r"there can be no lock.* is no plain"),
        lock.alone_on_this_machine("x"),
    ):
        pass
    assert victim.read_text() == "{precious}"


def test_what_is_in_the_place_of_a_lock_is_not_overwritten(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("{precious}")
    machine_lock().hardlink_to(victim)
    with lock.alone_on_this_machine("x"):
        pass
    assert victim.read_text() == "{precious}"


def test_a_lock_that_was_taken_away_is_made_anew(second, monkeypatch):
    real = lock.lock_descriptor

    def stolen(file, *, blocking):
        taken = real(file, blocking=blocking)
        if not again:
            again.append(machine_lock().unlink())
        return taken

    again = []
    monkeypatch.setattr(lock, "lock_descriptor", stolen)
    with lock.alone_on_this_machine("me"):
        assert "(me)" in second("machine")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said(monkeypatch, tmp_path, code):
    def refuse(file, *, blocking):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(lock, "lock_descriptor", refuse)
    refused = pytest.raises(StudyError, match=r"has no locks .* put --outputs on one that has")
    with refused, lock.alone_in_study(tmp_path / "one"):
        pass


def test_the_machines_lock_lies_where_every_user_looks(monkeypatch, tmp_path):
    monkeypatch.delenv(lock.FOLDER)
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(lock, "_SHARED", (str(tmp_path / "absent"), str(tmp_path), str(shared)))
    shared.chmod(0o1777)
    assert lock._of_this_machine() == shared
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert lock._of_this_machine() == shared


def test_waiting_ends_when_the_holder_is_gone():
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(lock.BusyError), lock.alone_on_this_machine("impatient"):
        pass
    holder.kill()
    with lock.alone_on_this_machine("patient", wait=True):
        pass
    holder.wait()
    holder.stdout.close()
