"""What concerns a GPU, checked on a machine that has one, in one call of at most eight minutes.

    python benchmarks/on_gpu.py --carry [--data DIR]   # beforehand, with a network: fills wheels/
    python3 benchmarks/on_gpu.py [--out DIR]           # on the machine with the card

Such a machine has Python 3.12, PyTorch, JAX and what comes with them, and no network. `--carry`
puts what the program needs beside those into the folder `wheels/`, which git ignores: wheels, and
a few real images of `DIR/mnist.npz` and `DIR/cifar10.npz` where they are. The second call installs
the wheels into a temporary folder and runs every part in a process of its own: one that fails or
takes too long costs itself only, what needs a card or a framework that is missing is skipped by
name. It prints one table, and leaves `on_gpu.json`, `trace.csv` (the card's counter and power,
sample by sample) and the report of the study in DIR (default: outputs/on-gpu). The exit status is 1
where a part failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WHEELS = ROOT / "wheels"
MOST = 60e6
"""Bytes that may travel: the wheels, the images and the program."""

SECONDS = 480.0
"""For all parts together."""

TOLERANCE = 0.05
"""How far two measurements of the same energy may be apart."""

NOT_NEEDED = {"tensorflow", "keras-flops", "jupyterlab", "ipywidgets", "kaleido", "debugpy"}
"""Of what the project depends on: for TensorFlow alone, or for people."""

THERE = """
absl-py annotated-doc anyio attrs certifi charset-normalizer click cloudpickle contourpy cycler
filelock fonttools h11 h5py httpcore httpx idna jax jaxlib jinja2 joblib kiwisolver
markdown-it-py markupsafe matplotlib mdurl ml-dtypes narwhals networkx numpy nvidia-ml-py
opt-einsum packaging pandas patsy pillow pip prometheus-client psutil py-cpuinfo pygments
pyparsing python-dateutil pyyaml requests rich scikit-learn scipy seaborn setuptools
shellingham six statsmodels threadpoolctl torch tqdm typer typing-extensions urllib3 wheel
"""
"""What a machine with PyTorch and JAX has; all else that is needed has to be carried."""

SECONDS_OF_TRACE = 20.0
"""Of the card alone, and under load."""

FRAMEWORKS = ("jax", "torch")
Rows = Iterator[tuple[str, str, bool | None]]
"""What was looked at, what was found, and whether that is right; None where nothing is expected."""


class SkippedError(Exception):
    """A part can't be done here; the message says what is missing."""


def main() -> int:
    """Carry, do one part, or do all of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--carry", action="store_true", help="fill wheels/, where there is a network"
    )
    parser.add_argument("--python", default="3.12", help="with --carry: of the other machine")
    parser.add_argument("--data", type=Path, help="with --carry: folder of .npz files of images")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "on-gpu")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all parts together")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.carry:
        return carry(asked.python, asked.data)
    asked.out = asked.out.resolve()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.part:
        return do(asked.part, asked.out)
    with installed():
        return do_all(asked.parts, asked.out, asked.seconds)


def do_all(parts: list[str], out: Path, seconds: float = SECONDS) -> int:
    """Every part in a process of its own, then the table."""
    ends = time.monotonic() + seconds
    found: dict[str, Any] = {}
    for place, part in enumerate(parts):
        # What others leave of their time is for those to come, but each may use its share.
        left = ends - time.monotonic()
        most = max(left / (len(parts) - place), min(left, PARTS[part][1] * seconds / SECONDS), 1)
        found[part] = in_a_process(part, out, most)
        print(f"{part}: {outcome(found[part])} ({found[part]['seconds']:.0f} s)", flush=True)
        # After each part: whoever ends this call has what there is.
        (out / "on_gpu.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("", *table(found), "", sep="\n")
    failed = [part for part, said in found.items() if outcome(said) not in ("done", "skipped")]
    print(f"Failed: {', '.join(failed)}." if failed else "Nothing failed.", f"Files: {out}")
    return 1 if failed else 0


def in_a_process(part: str, out: Path, most: float) -> dict[str, Any]:
    """What a part found within so many seconds, also where it did not come to its end."""
    began = time.monotonic()
    name = part.replace(" ", "-")
    answer = out / f".{name}.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--part", part, "--out", str(out)]
    with (out / f"{name}.log").open("w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            child.wait(most)
            why = f"its process ended with status {child.returncode}; {name}.log says more"
        except subprocess.TimeoutExpired:
            why = f"stopped after {most:.0f} s"
            kill(child)
    said = json.loads(answer.read_text()) if answer.is_file() else {"rows": []}
    answer.unlink(missing_ok=True)
    if child.returncode and "failed" not in said:
        said["failed"] = why
    return said | {"seconds": round(time.monotonic() - began, 1)}


def do(part: str, out: Path) -> int:
    """One part; what it found is left as a file, row by row."""
    said: dict[str, Any] = {"rows": []}
    try:
        for row in PARTS[part][0](out):
            said["rows"].append(row)
            print(*row, flush=True)
            leave(part, out, said)
    except SkippedError as error:
        said["skipped"] = str(error)
    except Exception as error:
        traceback.print_exc()
        said["failed"] = f"{type(error).__name__}: {error}"
    leave(part, out, said)
    return 1 if "failed" in said else 0


def leave(part: str, out: Path, said: dict[str, Any]) -> None:
    """For the process that waits."""
    (out / f".{part.replace(' ', '-')}.json").write_text(json.dumps(said))


def outcome(said: dict[str, Any]) -> str:
    """In a word or two."""
    if "failed" in said:
        return f"failed: {said['failed']}"
    if "skipped" in said:
        return "skipped"
    wrong = sum(right is False for *_, right in said["rows"])
    return f"{wrong} not as expected" if wrong else "done"


def table(found: dict[str, Any]) -> Iterator[str]:
    """All that was found, as a table in Markdown."""
    yield "| part | what | found | as expected |"
    yield "|---|---|---|---|"
    for part, said in found.items():
        for what, value, right in said["rows"]:
            words = {True: "yes", False: "**no**", None: ""}
            yield f"| {part} | {what} | {value} | {words[right]} |"
        for kind in ("skipped", "failed"):
            if kind in said:
                yield f"| {part} | {kind} | {said[kind]} | |"


# What is carried


def carry(python: str, data: Path | None) -> int:
    """Fill `wheels/` with what such a machine lacks, and say how large it is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w-]", text)[0]: text for text in project["dependencies"]}
    wanted = [text for name, text in names.items() if name not in NOT_NEEDED]
    tags = [f"manylinux_2_{n}_x86_64" for n in (17, 24, 27, 28)]
    there = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    for tag in (*tags, "manylinux2014_x86_64", "manylinux1_x86_64"):
        there += ["--platform", tag]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    versions = ["--constraint", str(ROOT / "requirements.txt")]
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir()
    with tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        resolve = ["install", "--dry-run", "--ignore-installed", "--target", place]
        resolve += ["--report", str(report), *there, *versions, *wanted]
        subprocess.run([*pip, *resolve], check=True)
        found = [one["metadata"] for one in json.loads(report.read_text())["install"]]
    lacking = sorted(
        f"{one['name']}=={one['version']}"
        for one in found
        if re.sub(r"[-_.]+", "-", one["name"]).lower() not in {*THERE.split(), *NOT_NEEDED}
    )
    download = ["download", "--no-deps", "--dest", str(WHEELS), *there, *lacking]
    subprocess.run([*pip, *download], check=True)
    if data is not None:
        carry_images(data)
    program = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    sizes = {
        f"{len(lacking)} wheels": sum(path.stat().st_size for path in WHEELS.glob("*.whl")),
        "images": sum(path.stat().st_size for path in WHEELS.glob("*.npz")),
        "the program": sum((ROOT / name).stat().st_size for name in program),
    }
    print(*(f"{name}: {size / 1e6:.1f} MB" for name, size in sizes.items()), sep=", ")
    if sum(sizes.values()) > MOST:
        print(f"That is more than {MOST / 1e6:.0f} MB.", file=sys.stderr)
        return 1
    return 0


def carry_images(data: Path) -> None:
    """The first 1,000 images to train on and 250 to validate on of what lies in a folder."""
    import numpy as np

    for name in ("mnist", "cifar10"):
        if (data / f"{name}.npz").is_file():
            with np.load(data / f"{name}.npz") as arrays:
                few = {
                    key: arrays[key][: 1000 if key.endswith("train") else 250]
                    for key in ("x_train", "y_train", "x_test", "y_test")
                }
            np.savez_compressed(WHEELS / f"{name}.npz", **few)


@contextmanager
def installed() -> Iterator[None]:
    """Let the parts, and what they start, find the wheels and this program."""
    with tempfile.TemporaryDirectory(prefix="on-gpu-") as place:
        if wheels := sorted(map(str, WHEELS.glob("*.whl"))):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
            subprocess.run([*pip, "--no-compile", "--target", place, *wheels], check=True)
        before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [place, str(ROOT), *before]))
        os.environ["JUPYTER_PATH"] = str(Path(place, "share", "jupyter"))  # nbconvert's templates
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # frameworks share the card
        yield


# The parts


def machine_part(out: Path) -> Rows:
    """Card, driver, versions."""
    from lib.instruments import machine
    from lib.instruments.gpus import visible_gpus

    versions = machine.versions()
    yield "processor", f"{machine.hardware()['cpu_model']}, {os.cpu_count()} threads", None
    kept = ("program", "python", "keras", "jax", "torch", "tensorflow", "codecarbon")
    yield "versions", ", ".join(f"{name} {versions[name] or '-'}" for name in kept), None
    for name in FRAMEWORKS:
        if versions[name]:
            yield f"GPUs that {name} sees", seen_by(name), None
    gpus = visible_gpus()
    if not gpus.selected:
        yield "card", f"none: {gpus.reason}", None
        return
    import pynvml

    driver = pynvml.nvmlSystemGetDriverVersion()
    yield "driver", driver if isinstance(driver, str) else driver.decode(), None
    for gpu in gpus.selected:
        limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu.handle) / 1000
        said = ", ".join(f"{key} {value:g}" for key, value in gpus.sample().items() if value)
        yield f"card {gpu.index}", f"{gpu.name}, limit {limit:.0f} W; {said}", bool(said)


def counting_part(out: Path) -> Rows:
    """Which GPU is counted, and which a framework sees, whatever names it."""
    last = card()
    framework = next((name for name in FRAMEWORKS if there(name)), None)
    for what, value, right in (
        ("not set", None, None),
        ("an index", str(last.index), [last.index]),
        ("a UUID", last.uuid, [last.index]),
        ("empty", "", []),
    ):
        environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        if value is not None:
            environment["CUDA_VISIBLE_DEVICES"] = value
        code = (
            "import json; from lib.instruments.gpus import visible_gpus;"
            "print(json.dumps([gpu.index for gpu in visible_gpus().selected]))"
        )
        counted = json.loads(python(code, environment))
        seen = seen_by(framework, environment) if framework else "?"
        agrees = right is None or counted == right
        agrees &= not framework or seen == str(len(counted))
        said = f"counted {counted}; {framework} sees {seen}"
        yield f"CUDA_VISIBLE_DEVICES {what}", said, agrees


def energy_part(out: Path) -> Rows:
    """The card's counter beside its power added up, and beside CodeCarbon: idle, and under load."""
    import pandas as pd

    from lib.instruments import measuring
    from lib.instruments.carbon import locate
    from lib.instruments.codecarbon import CodeCarbon

    gpu = card()
    rows: list[dict[str, Any]] = []
    told = {}
    for phase in ("idle", "load"):
        meter = measuring([CodeCarbon(locate("FRA"))])
        with loading() if phase == "load" else nullcontext(), meter as readings:
            rows += samples(gpu, phase, SECONDS_OF_TRACE)
        told[phase] = readings[0]
    trace = pd.DataFrame(rows)
    trace.to_csv(out / "trace.csv", index=False)
    yield from said_by(trace)
    for phase, one in agreement(trace).items():
        kwh = told[phase].components["gpu"].energy
        if kwh is None:
            yield f"{phase}: CodeCarbon", "no energy of a GPU", False
        else:  # It measures a little longer than the samples last, so power is compared.
            other = kwh * 3.6e6 / told[phase].duration / one["watts"] - 1
            yield f"{phase}: CodeCarbon / counter", f"{other:+.1%}", bool(abs(other) <= TOLERANCE)


def said_by(trace: Any) -> Rows:
    """What a trace of the card says by itself; it can be read again from `trace.csv`."""
    for phase, one in agreement(trace).items():
        spread = one["counter_joules"] / one["power_joules"] - 1
        yield f"{phase}: mean power", f"{one['watts']:.1f} W over {one['seconds']:.1f} s", None
        yield f"{phase}: the counter moves every", f"{1e3 * one['period']:.0f} ms", None
        yield f"{phase}: counter / power added up", f"{spread:+.1%}", bool(abs(spread) <= TOLERANCE)
    hot = trace["temperature"].max()
    yield "highest temperature", f"{hot:.0f} degrees", bool(hot > 0)
    yield "slowed down for heat", "yes" if trace["throttled"].any() else "no", None


def agreement(trace: Any) -> dict[str, dict[str, float]]:
    """By phase, what a trace of the card says.

    Args:
        trace: A row a sample: phase, time (s), energy (J, of the counter), power (W).

    Returns:
        seconds; counter_joules, between the first and the last move of the counter; power_joules
        of the same time, by the trapezoidal rule; watts, by the counter; period, the median time
        between two moves (s).
    """
    import numpy as np

    found = {}
    for phase, rows in trace.groupby("phase", sort=False):
        at, energy, power = (rows[name].to_numpy(float) for name in ("time", "energy", "power"))
        moved = np.flatnonzero(np.diff(energy) > 0) + 1
        if len(moved) < 2:
            raise ValueError(f"{phase}: the energy counter does not move")
        first, last = moved[0], moved[-1]
        seconds = at[last] - at[first]
        counted = energy[last] - energy[first]
        within = slice(first, last + 1)
        found[str(phase)] = {
            "seconds": seconds,
            "counter_joules": counted,
            "power_joules": float(np.trapezoid(power[within], at[within])),
            "watts": counted / seconds,
            "period": float(np.median(np.diff(at[moved]))),
        }
    return found


def pace_part(framework: str, out: Path) -> Rows:
    """Images per second beside the limit of the arithmetic, and joules per image."""
    need(framework)
    os.environ["KERAS_BACKEND"] = framework
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import numpy as np
    import training_throughput as bench

    from lib.study.config import RunConfig
    from lib.training import backends, datasets, input_pipeline, network

    backends.use(framework)
    on_card = backends.has_gpu()
    batches, rounds = (64, 5) if on_card else (2, 1)
    for side, name in ((32, "cifar10"), (48, "mnist")):
        config = RunConfig(
            **images(name, side),
            architecture="VGG16" if on_card else "MobileNetV2",
            head="linear",
            backend=framework,
            train_limit=32 * batches,
            test_limit=32,
        )
        data = datasets.load(config)
        model = network.build(config, data)
        feed = input_pipeline.images(data, config).train
        steps = -(-len(data.y_train) // config.batch_size)
        same = bench.same_batch(*feed[0], steps, framework)
        paces: dict[str, list[Any]] = {"ours": [], "limit": []}
        for number in range(rounds + 1):
            for way, fed in (("ours", feed), ("limit", same)):
                pace = bench.measured(partial(bench.fit, model, fed), len(data.y_train))
                if number:  # the first compiles
                    paces[way].append(pace)
        ours, limit = (1 / np.median([one.seconds for one in paces[way]]) for way in paces)
        joules = [one.joules for one in paces["ours"] if one.joules is not None]
        measured = f"{np.median(joules):.3g} J/image" if joules else "J/image: no counter here"
        said = f"{ours:.0f} images/s, limit {limit:.0f} ({ours / limit:.2f}), {measured}"
        what = f"{config.architecture}, {side} pixels, {data.source}"
        yield what, said, bool(joules) if on_card else None


def study_part(out: Path) -> Rows:
    """Two architectures on every framework that is there, complete with report."""
    from lib import records

    frameworks = [name for name in FRAMEWORKS if there(name)]
    need(*frameworks[:1] or FRAMEWORKS[:1])
    count = 512 if cards() else 64
    study = {
        "title": "Two architectures on a card",
        "defaults": images("mnist", 48)
        | {"head": "linear", "epochs": 2, "train_limit": count, "test_limit": count // 2},
        "factors": {"architecture": ["MobileNetV2", "ResNet50"], "backend": frameworks},
        "protocol": {"idle_seconds": 5},
    }
    status, said = run_all(out, "study", study)
    folder = out / "outputs" / "study"
    found = records.merge(folder).records
    done = [one for one in found if one.status == "completed"]
    total = 2 * len(frameworks)
    yield "runs", f"{len(done)} of {total} complete, exit status {status}", status == 0
    for one in done:
        name = f"{one.config['architecture']}, {one.config['backend']}"
        trace = (folder / "runs" / one.run_id / "power.csv").read_text().splitlines()
        warm = trace[0].split(",").index("gpu_temperature")
        degrees = [float(v) for line in trace[1:] if (v := line.split(",")[warm])]
        parts = [f"{one.duration:.1f} s", f"{1e3 * (one.energy_consumed or 0):.3g} Wh in all"]
        if one.gpu_energy is not None:
            parts.append(f"GPU {1e3 * one.gpu_energy:.3g} Wh ({one.gpu_method})")
        parts.append(
            f"at most {max(degrees):.0f} degrees" if degrees else "no temperature of a GPU"
        )
        yield name, ", ".join(parts), None if not cards() else bool(degrees and one.gpu_energy)
        if slow := [doubt for doubt in one.doubts if "throttl" in doubt]:
            yield f"{name}: doubt", "; ".join(slow), None
    for one in found:
        if one.status == "failed":
            yield f"{one.run_id}: failed", one.error or "", False
    report = folder / "report.html"
    size = report.stat().st_size / 1e6 if report.is_file() else 0.0
    yield "report", f"{size:.1f} MB" if size else f"none: {said[-300:]}", bool(size)
    if size:
        shutil.copy(report, out / "report.html")


def resume_part(out: Path) -> Rows:
    """A study that is killed in its second run goes on, and leaves the first as it was."""
    framework = next((name for name in FRAMEWORKS if there(name)), FRAMEWORKS[0])
    need(framework)
    study = {
        "title": "Killed in its middle",
        "defaults": {"architecture": "MobileNetV2", "head": "linear", "train_limit": 64}
        | {"test_limit": 32, "backend": framework},
        "factors": {"epochs": [1, 2]},
    }
    folder = out / "outputs" / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    child = subprocess.Popen(command(out, "resume", study), cwd=ROOT)
    ends = time.monotonic() + 150
    while not (list(folder.glob("runs/*/run.json")) and list(folder.glob("unfinished/runs/*"))):
        if child.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"it was not in its second run when it was to be killed: {folder}")
        time.sleep(0.1)
    child.kill()
    child.wait()
    (first,) = folder.glob("runs/*/run.json")
    before = first.stat().st_mtime_ns
    status, _ = run_all(out, "resume", study)
    complete = len(list(folder.glob("runs/*/run.json")))
    yield "killed in the second run", f"{complete} of 2 complete, exit status {status}", status == 0
    same = first.stat().st_mtime_ns == before
    yield "the first run", "as it was" if same else "trained again", same


# What the parts share


def there(module: str) -> bool:
    """Whether a framework is installed."""
    from lib.study.catalog import backend_installed

    return backend_installed(module)


def need(*modules: str) -> None:
    """Skip the part where a framework is missing."""
    if missing := [name for name in modules if not there(name)]:
        raise SkippedError(f"{', '.join(missing)} is not installed here")


def kill(child: subprocess.Popen) -> None:
    """With all that it started."""
    import psutil

    for process in [*psutil.Process(child.pid).children(recursive=True), child]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait()


def cards() -> tuple[Any, ...]:
    """The GPUs that NVML finds."""
    from lib.instruments.gpus import visible_gpus

    return visible_gpus().selected


def card() -> Any:
    """The last of them; the part is skipped where there is none."""
    from lib.instruments.gpus import visible_gpus

    found = visible_gpus()
    if not found.selected:
        raise SkippedError(f"it needs a card: {found.reason}")
    return found.selected[-1]


def python(code: str, environment: dict[str, str] | None = None) -> str:
    """The last line that some code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip().splitlines()[-1]


def seen_by(framework: str, environment: dict[str, str] | None = None) -> str:
    """How many GPUs a framework sees, in a process of its own."""
    code = {
        "torch": "import torch; print(torch.cuda.device_count())",
        "jax": "import jax; print(sum(one.platform == 'gpu' for one in jax.devices()))",
    }
    return python(code[framework], environment)


def images(name: str, side: int) -> dict[str, Any]:
    """The fields of a run for some real images: those that were carried, else scikit-learn's."""
    if (WHEELS / f"{name}.npz").is_file():
        return {"dataset": name, "data_dir": str(WHEELS), "image_size": side}
    return {"dataset": "digits", "image_size": side}


def command(out: Path, name: str, study: dict[str, Any]) -> list[str]:
    """What runs a study, which is written to a file of that name."""
    import yaml

    path = out / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study))
    return [sys.executable, "run_all.py", str(path), "--outputs", str(out / "outputs")]


def run_all(out: Path, name: str, study: dict[str, Any]) -> tuple[int, str]:
    """Run a study; its exit status, and what it said."""
    done = subprocess.run(command(out, name, study), cwd=ROOT, capture_output=True, text=True)
    print(done.stdout, done.stderr, sep="\n")
    return done.returncode, done.stderr


@contextmanager
def loading() -> Iterator[None]:
    """The card multiplies matrices meanwhile."""
    framework = next((name for name in ("torch", "jax") if there(name)), None)
    if framework is None:
        raise SkippedError("nothing is installed that could load the card")
    code = {
        "torch": "import torch; x = torch.rand(4096, 4096, device='cuda')\n"
        "print(flush=True)\nwhile True: x = (x @ x).softmax(0); torch.cuda.synchronize()",
        "jax": "import jax; f = jax.jit(lambda x: jax.nn.softmax(x @ x, 0))\n"
        "x = f(jax.numpy.ones((4096, 4096))).block_until_ready()\n"
        "print(flush=True)\nwhile True: x = f(x).block_until_ready()",
    }[framework]
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()  # it computes from here on
        time.sleep(3)  # until the card is warm
        yield
    finally:
        child.kill()
        child.wait()


def samples(gpu: Any, phase: str, seconds: float) -> list[dict[str, Any]]:
    """Counter, power, temperature and slow-downs of a card, as fast as every 10 ms."""
    import pynvml

    heat = (
        pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
        | pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
    )
    rows = []
    began = time.perf_counter()
    while (at := time.perf_counter() - began) < seconds:
        why = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu.handle)
        row = {
            "phase": phase,
            "time": round(at, 4),
            "energy": pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle) / 1e3,
            "power": pynvml.nvmlDeviceGetPowerUsage(gpu.handle) / 1e3,
            "temperature": pynvml.nvmlDeviceGetTemperature(gpu.handle, pynvml.NVML_TEMPERATURE_GPU),
            "throttled": int(bool(why & heat)),
        }
        rows.append(row)
        time.sleep(0.01)
    return rows


PARTS: dict[str, tuple[Any, float]] = {
    "machine": (machine_part, 60),
    "counting": (counting_part, 60),
    "energy": (energy_part, 90),
    "pace jax": (lambda out: pace_part("jax", out), 90),
    "pace torch": (lambda out: pace_part("torch", out), 90),
    "study": (study_part, 240),
    "resume": (resume_part, 150),
}
"""Each part, and the seconds that it may take where all have to hurry."""

if __name__ == "__main__":
    sys.exit(main())
