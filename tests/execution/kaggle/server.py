"""A server on loopback that speaks as much of Kaggle's API as its real client uses here."""

import json
import shutil
import subprocess
import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CAPACITY = "Maximum batch GPU session count of 2 reached."
PAPERMILL = """
import sys
sys.modules["rfc3987_syntax"] = None  # see lib.patching.import_nbformat
from papermill.__main__ import papermill
papermill()
"""
QUOTA = "Accelerator Quota Exceeded: your quota will reset to 30 hours in 2 days."


@dataclass
class Session:
    """A kernel and the newest session of it."""

    request: dict
    version: int
    state: str = "RUNNING"
    message: str | None = None
    log: str = ""
    files: dict[str, bytes] = field(default_factory=dict)


class FakeKaggle:
    """Accepts kernels, runs them as `run` says, and serves what they leave.

    Attributes:
        kernels: By `owner/slug`.
        pushed: Every accepted upload, in order.
        errors: Texts that the next uploads are refused with.
        faults: HTTP statuses that the next calls are answered with, by the call's name.
        lose_answers: Of so many uploads, the kernel is taken but the answer is a 500.
        hold: Set: uploads are taken, but not answered before it is cleared.
        run: Called in a thread with every new session; it sets state, files and log.
        at_once: The most sessions that ran at a time.
        page: Files in one page of a listing.
    """

    def __init__(self, run=None):
        self.kernels = {}
        self.pushed = []
        self.errors = deque()
        self.faults = defaultdict(deque)
        self.lose_answers = 0
        self.hold = threading.Event()
        self.run = run
        self.at_once = 0
        self.page = 2
        self._lock = threading.Lock()
        self._threads = []

    @property
    def running(self):
        return [s for s in self.kernels.values() if s.state in ("QUEUED", "RUNNING")]

    def join(self):
        for thread in self._threads:
            thread.join(120)

    def answer(self, handler, call, body):
        if self.faults[call]:
            return self.faults[call].popleft(), {"message": "a made-up fault"}
        return getattr(self, f"_{call}")(handler, body)

    def _SaveKernel(self, handler, body):  # noqa: N802 (the API's name)
        with self._lock:
            if self.errors:
                return 200, {"error": self.errors.popleft()}
            if len(self.running) >= 2:
                return 200, {"error": CAPACITY}
            reference = body["slug"]
            before = self.kernels.get(reference)
            session = Session(body, before.version + 1 if before else 1)
            self.kernels[reference] = session
            self.pushed.append(reference)
            self.at_once = max(self.at_once, len(self.running))
        if self.run is not None:
            thread = threading.Thread(target=self.run, args=(session,), daemon=True)
            thread.start()
            self._threads.append(thread)
        while self.hold.is_set():
            time.sleep(0.02)
        if self.lose_answers:
            self.lose_answers -= 1
            return 500, {}
        return 200, {"ref": f"/code/{reference}", "versionNumber": session.version}

    def _session(self, body):
        return self.kernels.get(f"{body['userName']}/{body['kernelSlug']}")

    def _GetKernelSessionStatus(self, handler, body):  # noqa: N802
        session = self._session(body)
        if session is None:
            return 403, {"code": 403, "message": "Permission 'kernels.get' was denied"}
        answer = {"status": session.state, "failureMessage": session.message}
        return 200, {name: value for name, value in answer.items() if value is not None}

    def _ListKernelSessionOutput(self, handler, body):  # noqa: N802
        session = self._session(body)
        start = int(body.get("pageToken") or 0)
        names = sorted(session.files)
        port = handler.server.server_address[1]
        reference = f"{body['userName']}/{body['kernelSlug']}"
        files = [
            {"fileName": name, "url": f"http://127.0.0.1:{port}/files/{reference}/{name}"}
            for name in names[start : start + self.page]
        ]
        more = {"nextPageToken": str(start + self.page)} if start + self.page < len(names) else {}
        return 200, {"files": files, "log": session.log, **more}

    def file(self, path):
        owner, slug, name = path.removeprefix("/files/").split("/", 2)
        return self.kernels[f"{owner}/{slug}"].files[name]


class Handler(BaseHTTPRequestHandler):
    """Requests as they come through an HTTP proxy, and downloads as they come directly."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        call = self.path.rpartition("/")[2]
        status, answer = self.server.kaggle.answer(self, call, body)
        self._send(status, json.dumps(answer).encode(), "application/json")

    def do_GET(self):
        self._send(200, self.server.kaggle.file(self.path), "application/octet-stream")

    def _send(self, status, content, kind):
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def serve(kaggle):
    """Start to serve; the server, whose `server_address` has the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.kaggle = kaggle
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def executing(python, folder, offline=()):
    """A way to run sessions: papermill in an empty folder and a clean environment, as Kaggle does.

    Args:
        python: Of an environment without this project.
        folder: Where every session gets a folder of its own.
        offline: A command that takes a network away from what follows it.
    """

    def run(session):
        home = Path(folder) / session.request["slug"].replace("/", "-")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "source.ipynb").write_text(session.request["text"])
        done = subprocess.run(
            [*offline, str(python), "-I", "-c", PAPERMILL, "source.ipynb", "__notebook__.ipynb"],
            cwd=home,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home)}
            | {"KAGGLE_KERNEL_RUN_TYPE": "Batch"},
            capture_output=True,
            text=True,
        )
        (home / "source.ipynb").unlink()
        session.log = done.stdout + done.stderr
        session.files = {
            path.relative_to(home).as_posix(): path.read_bytes()
            for path in home.rglob("*")
            if path.is_file() and not path.relative_to(home).as_posix().startswith(".")
        }
        session.message = None if done.returncode == 0 else "the notebook raised an exception"
        session.state = "COMPLETE" if done.returncode == 0 else "ERROR"

    return run
