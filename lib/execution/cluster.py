"""Executing a plan on a Dask cluster: the program travels to the workers, run folders come back.

`cluster_admission` gives every worker that fits one unit of a Dask resource, so that it measures
one run at a time. Dask decides who takes a run, and gives the run of a worker that died to another.
"""

import itertools
import logging
import queue
import shutil
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cloudpickle
from distributed import Client, Future, KilledWorker
from distributed.comm import CommClosedError

from lib import program, records
from lib.execution import bundle, cluster_admission, local, run_folders
from lib.execution.forecast import Forecast, Underway
from lib.execution.run_process import failed_record, one_line
from lib.instruments import machine
from lib.records import Record
from lib.records.progress import Progress
from lib.study.config import RunFields
from lib.study.errors import UserError

SAME_VERSIONS = ("program", "tensorflow", "keras", "codecarbon")
"""What may not differ between workers, beside the backends that runs name: their measurements
could not be compared.
"""

SECONDS_TO_CONNECT = 10
SECONDS_BETWEEN_LOOKS = 0.25
EXECUTING = Progress("executing")


class ClusterError(UserError):
    """There is no cluster that can execute the plan; the message says why."""


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at `address`; ClusterError where none answers."""
    # What matters of it is said here in a sentence.
    for part in ("client", "batched"):
        logging.getLogger(f"distributed.{part}").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({one_line(str(error))}); "
            "`dask scheduler` starts one and says its address, as in tcp://HOST:8786"
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=SECONDS_TO_CONNECT)


def execute_all(
    client: Client,
    runs: list[RunFields],
    study_dir: Path,
    watcher: local.Watcher,
    timeout: float | None = None,
) -> Generator[Record, None, None]:
    """Execute `runs` on the workers of a cluster; otherwise as `lib.execution.local.execute_all`.

    Workers may join, leave and die meanwhile.

    Raises:
        ClusterError: If every worker is refused.
        StoppedError: If the scheduler is lost.
        OSError: If the disk is full here.
    """
    run_folders.clear(study_dir)
    call = _Call(client, runs, study_dir, watcher, timeout)
    try:
        with call.admitting():
            yield from call.records()
    finally:
        call.cancel()
        run_folders.clear(study_dir)


class _Call:
    """The state of one call: who was admitted, what waits, what is out, since when."""

    def __init__(
        self,
        client: Client,
        runs: list[RunFields],
        study_dir: Path,
        watcher: local.Watcher,
        timeout: float | None,
    ):
        self._client, self._study_dir = client, study_dir
        self._watcher, self._timeout = watcher, timeout
        # Unique, so that calls that share a cluster, or one that died, do not meet.
        self._name = f"measurement-{uuid.uuid4().hex[:8]}"
        self._runs = {f"{config.run_id}-{self._name}": config for config in runs}
        self._waiting = deque(self._runs)
        self._out: dict[str, Future] = {}
        self._numbers = itertools.count()
        self._begun: dict[str, float] = {}
        self._reports: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._refused: set[str] = set()
        self._forecast = Forecast(runs)
        self._had_one = self._told_to_wait = False

    @contextmanager
    def admitting(self) -> Iterator[None]:
        """Look at every worker there is, and at every one that joins, until this ends."""
        self._check_python()
        cloudpickle.register_pickle_by_value(cluster_admission)
        found = machine.versions()
        used = (getattr(run, "backend", None) for run in self._runs.values())
        backends = {*filter(None, used)} - {*SAME_VERSIONS}
        plugin = cluster_admission.Admission(
            self._name,
            bundle.pack_program([*self._runs.values()]),
            {name: found[name] for name in (*SAME_VERSIONS, *sorted(backends))},
            [run.model_dump(mode="json") for run in self._runs.values()],
        )
        self._client.subscribe_topic(self._name, lambda event: self._reports.put(event[1]))
        self._client.register_plugin(plugin)
        try:
            yield
        finally:
            with suppress(OSError, TimeoutError):  # a lost scheduler has nothing to forget
                if self._client.status == "running":
                    self._client.unsubscribe_topic(self._name)
                    self._client.unregister_worker_plugin(self._name)

    def _check_python(self) -> None:
        """Functions travel as bytecode, which another Python can't read."""
        versions: Any = self._client.get_versions()
        ours = versions["client"]["host"]["python"]
        for member in (versions["scheduler"], *versions["workers"].values()):
            theirs = member["host"]["python"]
            if theirs.split(".")[:2] != ours.split(".")[:2]:
                raise ClusterError(
                    f"the cluster has a member with Python {theirs}, here it is {ours}; both need "
                    "the environment of requirements.txt"
                )

    def records(self) -> Iterator[Record]:
        """Hand out runs and take them back until all are done."""
        while self._waiting or self._out:
            if self._client.status != "running":
                raise run_folders.StoppedError("the connection to the scheduler is lost")
            self._read_reports()
            with _losing_the_scheduler_stops():
                workers = self._client.scheduler_info()["workers"]
            admitted = sum(bool(w["resources"].get(self._name)) for w in workers.values())
            self._check_workers(set(workers), admitted)
            while self._waiting and len(self._out) < admitted:
                self._submit(self._waiting.popleft())
            for key in [key for key, future in self._out.items() if future.done()]:
                yield self._take_back(key, max(admitted, 1))
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def cancel(self) -> None:
        """Call off what is out; the workers stop it."""
        if self._out and self._client.status == "running":
            self._client.cancel(list(self._out.values()))

    def _submit(self, key: str) -> None:
        self._out[key] = self._client.submit(
            cluster_admission.measure,
            self._name,
            self._runs[key].model_dump(mode="json"),
            self._timeout,
            key=f"{key}/{next(self._numbers)}",  # of one that was called off Dask forgets late
            pure=False,
            resources={self._name: 1},
        )

    def _read_reports(self) -> None:
        while not self._reports.empty():
            report = self._reports.get()
            if handed_out := report.get("run"):
                self._begin(handed_out.rpartition("/")[0])
                continue
            name = f"worker on machine {report['machine'] or 'without an id'}"
            if report["problems"]:
                self._refused.add(report["worker"])
                self._watcher.say(f"{name}: refused: {'; '.join(report['problems'])}")
            else:
                self._watcher.say(f"{name}: admitted")
                self._hand_out_again()

    def _hand_out_again(self) -> None:
        """Submit anew what no worker has, now that one is admitted.

        Dask looks at what waits for a resource when a worker joins, which has no resource yet.
        """
        with _losing_the_scheduler_stops():
            held = {key for keys in self._client.processing().values() for key in keys}
            for key, future in self._out.items():
                if future.key not in held and not future.done():
                    future.cancel()
                    self._submit(key)

    def _begin(self, key: str) -> None:
        config = self._runs[key]
        if key in self._begun:
            self._watcher.say(f"{config.run_id}: its worker is gone, another one takes it")
        else:
            self._forecast.begin(config)
        self._begun[key] = time.monotonic()
        self._watcher.begin(config)

    def _check_workers(self, workers: set[str], admitted: int) -> None:
        if admitted:
            self._had_one, self._told_to_wait = True, False
        elif workers and workers <= self._refused and not self._had_one:
            raise ClusterError("every worker of the cluster was refused, see above")
        elif not self._told_to_wait:
            self._told_to_wait = True
            self._watcher.say("waiting for a worker to join the cluster")

    def _take_back(self, key: str, at_once: int) -> Record:
        future, config = self._out.pop(key), self._runs[key]
        started = self._begun.pop(key, time.monotonic())
        staged = run_folders.staged(config, self._study_dir)
        problem = None
        if future.status == "finished":
            with _losing_the_scheduler_stops():
                content = future.result()
            if refused := _taken(content, staged):
                problem = f"what its worker returned is refused: {refused}"
        elif future.status == "error":
            # Of a worker's death Dask's own words name the worker's address.
            died = "every worker that executed it died; it may need more memory than they have"
            error = future.exception()
            problem = died if isinstance(error, KilledWorker) else one_line(str(error))
        else:
            raise run_folders.StoppedError("the scheduler is lost, or called a run off")
        if problem:
            shutil.rmtree(staged.run_dir, ignore_errors=True)
            staged.run_dir.mkdir(parents=True)
            failed_record(staged, problem).write(staged.run_dir)
        run_folders.settle(config, self._study_dir)
        record = records.read(config.run_dir / records.FILE_NAME)
        seconds = time.monotonic() - started
        self._forecast.end(config, seconds, record.energy_consumed)
        underway = [
            Underway(self._runs[other], time.monotonic() - since, EXECUTING)
            for other, since in self._begun.items()
        ]
        self._watcher.end(record, seconds, self._forecast.left(underway, at_once))
        return record


def _taken(content: object, staged: RunFields) -> str | None:
    """Unpack what a worker returned; what is wrong with it, or None if it is the run's result."""
    if not isinstance(content, bytes):
        return f"it is a {type(content).__name__}"
    try:
        bundle.unpack(content, staged.run_dir)
    except bundle.RefusedError as error:
        return str(error)
    found = run_folders.look(staged)
    if found.record is None:
        return found.state
    theirs = found.record.versions.get(machine.CONTENT)
    return None if theirs in (None, program.digest()) else "another program made it"


@contextmanager
def _losing_the_scheduler_stops() -> Iterator[None]:
    try:
        yield
    except (CommClosedError, TimeoutError, CancelledError) as error:
        raise run_folders.StoppedError("the connection to the scheduler is lost") from error
