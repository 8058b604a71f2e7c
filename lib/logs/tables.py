"""Tables that other tools leave, one row a run, as a study's results table.

A table is known by its header, or a file `import.yaml` beside it says what its columns are:
`columns: {energy_consumed: "Energy (J)", architecture: model}`, with `units: {energy_consumed: J}`
where a column's name does not end in its unit. Columns that it does not name are taken over as they
are, so that factors are whatever the table has.
"""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pandas.api.types import is_numeric_dtype

from lib.files import CSV_OF_OTHERS
from lib.instruments import COMPONENTS
from lib.instruments.integrate import integrate_counter, integrate_power
from lib.logs.codecarbon import LogError, Skipped
from lib.logs.counters import ENERGIES
from lib.logs.folder import FRONT, SAID, SIDECAR, TAKEN, Imported, run_id
from lib.logs.times import EARLIEST, LATEST
from lib.stats.score import score
from lib.study.wattmeter_log import EPOCH_UNITS
from lib.units import JOULES, JOULES_PER_KWH

MAPPING = "import.yaml"

_SENSOR = ("run id", "device_group", "hostname", "sensor", "magnitude")
"""Columns of a table with one row a sample."""

UNITS: dict[str, dict[str, float]] = {
    **{
        energy: {name: joules / JOULES_PER_KWH for name, joules in JOULES.items()}
        for energy in (*ENERGIES, "wattmeter_energy")
    },
    "duration": {**EPOCH_UNITS, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "emissions": {"kg": 1.0, "g": 1e-3, "mg": 1e-6},
    "accuracy": {"1": 1.0, "%": 0.01},
    "loss": {"1": 1.0},
}
"""Factors to the units of results: kWh, s, kg CO2-eq, and accuracy from 0 to 1."""

UNIT_SAID_BY = {"accuracy": "1", "loss": "1", "duration": "s", "emissions": "kg"}
"""What a column is in if nothing says it; of energies something must."""

DONE = ("completed", "done", "finished", "success", "succeeded")
"""What tools say of a run that is complete, in small letters."""

TIMES = ("started_at", "ended_at")
ALLOWED = (*UNITS, *SIDECAR[2:], "status", "machine", "location", *TIMES)


@dataclass(frozen=True)
class Tool:
    """A tool that leaves tables: how they are known, and their columns; see `tools.toml`."""

    header: frozenset[str] = frozenset()
    columns: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    prefixes: str = ""
    about: str = ""
    note: str = ""


def _tool(header: list[str], same_as: str = "", same: Sequence[str] = (), **fields: Any) -> Tool:
    columns = {**fields.pop("columns"), **{name: same_as.format(name) for name in same}}
    return Tool(frozenset(header), columns, **fields)


_TABLE = Path(__file__).with_name("tools.toml").read_text(encoding="utf-8")
TOOLS = {name: _tool(**fields) for name, fields in tomllib.loads(_TABLE).items()}


def read_table(folder: Path) -> Imported | None:
    """Read the table of a folder that a tool left, or that `import.yaml` says how to read; None
    where there is neither.

    Raises:
        LogError: It can't be read, or `import.yaml` says what the table does not have.
    """
    said = _mapping(folder / MAPPING)
    paths = sorted(path for path in folder.glob("*.csv") if path.is_file())
    if "table" in said:
        paths = [folder / str(said["table"])]
    heads = {path: _head(path, said) for path in paths}
    for path, head in heads.items():
        for name, tool in TOOLS.items():
            if tool.header <= head:
                return _results(path, said, tool, name)
    if not said:
        return None
    tables = [path for path, head in heads.items() if not set(SIDECAR[:2]) <= head]
    if len(tables) != 1:
        names = ", ".join(path.name for path in tables) or "none"
        raise LogError(f"{MAPPING}: say which table is meant, as table: NAME.csv; there is {names}")
    return _results(tables[0], said, Tool(), MAPPING)


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LogError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    keys = ("table", "columns", "units", "separator", "decimal")
    example = 'columns: {energy_consumed: "Energy (J)", architecture: model}'
    if not isinstance(said, dict) or not isinstance(said.get("columns"), dict):
        raise LogError(f"{path.name}: says no columns; right is, for example, {example}")
    if not isinstance(said.get("units", {}), dict):
        raise LogError(f"{path.name}: units are by column, for example units: {{duration: min}}")
    if unknown := [str(key) for key in said if key not in keys]:
        raise LogError(f"{path.name}: no field {', '.join(unknown)}; allowed are {', '.join(keys)}")
    if unknown := [str(key) for key in said["columns"] if key not in ALLOWED]:
        raise LogError(
            f"{path.name}: columns: results have no {', '.join(unknown)}; allowed are "
            f"{', '.join(ALLOWED)}. Other columns of the table are taken over as they are"
        )
    return said


def _frame(path: Path, said: Mapping[str, Any], rows: int | None = None) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            sep=str(said.get("separator", ",")),
            decimal=str(said.get("decimal", ".")),
            nrows=rows,
            **CSV_OF_OTHERS,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise LogError(f"{path.name} is not CSV: {str(error).strip()}") from None
    except OSError as error:
        raise LogError(f"{path.name} can't be read: {error.strerror}") from None
    return frame.rename(columns=str.strip)


def _head(path: Path, said: Mapping[str, Any]) -> set[str]:
    try:
        return set(_frame(path, said, rows=0))
    except LogError:
        return set()


def _one_row_a_run(samples: pd.DataFrame) -> pd.DataFrame:
    """What perun exports, a row a sample of each sensor since its run's start, as a row a run."""
    samples = samples.assign(value=samples["value"] * samples["magnitude"])
    runs = samples.groupby("run id")["timestep"].max().to_frame("runtime [s]")
    reckon = {"J": integrate_counter, "W": integrate_power}
    told = samples[samples["unit"].isin(reckon) & samples["device_group"].isin(COMPONENTS)]
    for (run, part, _, _, unit), its in told.groupby([*_SENSOR[:4], "unit"]):
        energy = reckon[unit](its["timestep"], its["value"]).energy
        before = runs.get(f"{part} [kWh]", pd.Series(0.0, runs.index))
        runs[f"{part} [kWh]"] = before
        runs.loc[run, f"{part} [kWh]"] += math.nan if energy is None else energy
    return runs.reset_index()


def _results(path: Path, said: Mapping[str, Any], tool: Tool, name: str) -> Imported:
    table = _frame(path, said)
    table = _one_row_a_run(table) if set(_SENSOR) <= tool.header else table
    named = said.get("columns", {})
    units = {**dict.fromkeys(ENERGIES, tool.unit), **said.get("units", {})}
    columns, taken = {}, set()
    for result, source in {**tool.columns, **named}.items():
        found = [one for one in table.columns if one == source or re.fullmatch(str(source), one)]
        if not found:
            if result in named:
                raise LogError(
                    f"{path.name} has no column '{source}', which {MAPPING} says is {result}; it "
                    f"has {', '.join(map(str, table.columns))}"
                )
            continue
        taken |= set(found)
        columns[result] = _converted(path, table[found], result, units)
    known = pd.DataFrame(columns, index=table.index)
    if not {*ENERGIES, "wattmeter_energy"} & set(known):
        raise LogError(
            f"{path.name}: no column is known to be an energy; say it in {MAPPING}, for example "
            'columns: {energy_consumed: "Energy (J)"}'
        )
    others = table.drop(columns=list(taken))
    short = [re.sub(rf"^(?:{tool.prefixes})", "", str(one)) for one in others.columns]
    others.columns = [
        long if name in UNITS or short.count(name) > 1 else name
        for long, name in zip(map(str, others.columns), short, strict=True)
    ]
    clash = others.columns.intersection([*TAKEN, *FRONT, "error"], sort=False)
    frame, notes = _as_runs(known, others.drop(columns=clash), tool)
    notes += [f"Column {one} is left out: in results it means something else." for one in clash]
    notes = [f"{path.name} was read as a table of {name}.", *filter(None, [tool.note]), *notes]
    frame = frame.assign(source_file=path.name, source_row=range(len(frame)))
    sources = enumerate(table.astype(str).itertuples(index=False))
    frame["run_id"] = [
        run_id(row, f"{path.name}:{place}:{tuple(values)}")
        for row, (place, values) in zip(frame.itertuples(), sources, strict=True)
    ]
    complete = frame["energy_consumed"].notna() | frame["status"].ne("completed")
    why = "its energy or a part of it is empty, and it is not said to have failed"
    skipped = [Skipped(path.name, int(row), why) for row in frame.index[~complete]]
    if not complete.any():
        raise LogError(f"{path.name}: no row has an energy")
    frame = frame.loc[complete, [*FRONT, *frame.columns.drop(list(FRONT))]]
    return Imported(frame, tuple(skipped), tuple(notes))


def _converted(path: Path, found: pd.DataFrame, result: str, units: Mapping[str, Any]) -> pd.Series:
    """The column of results that some columns of a table are, added where they are several."""
    first = found.iloc[:, 0]
    if result not in UNITS:
        if is_numeric_dtype(first):
            return _moments(first, result)
        texts = first.str.strip()
        return texts if result in SAID else texts.mask(texts == "None")
    bracket = re.search(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*$", str(first.name))
    unit = str(units.get(result) or (bracket[1] if bracket else UNIT_SAID_BY.get(result, "")))
    values = [_numbers(path, found[name], result, unit) for name in found]
    parts = pd.concat(values, axis=1).dropna(axis=1, how="all")
    total = parts.sum(axis=1, min_count=max(1, parts.shape[1]))  # a part is not the whole
    wrong = ~total.between(0, 1) & total.notna()
    if result == "accuracy" and wrong.any():
        raise LogError(
            f"{path.name}: column '{first.name}': {total[wrong].iloc[0]:g} is no accuracy from 0 "
            f'to 1; if it is in percent, say so in {MAPPING} as units: {{accuracy: "%"}}'
        )
    return total


def _numbers(path: Path, column: pd.Series, result: str, unit: str) -> pd.Series:
    """A column in the unit of results; values may carry their own, as MLflow's "10.0min"."""
    texts = column.mask(column == "None").dropna().astype(str).str.strip()
    # MLflow's web page writes an apostrophe before a minus.
    parts = texts.str.extract(r"^'?(.*?)\s*([^\W\d_]+|%)?$")
    numbers, own = pd.to_numeric(parts[0], errors="coerce"), parts[1].fillna(unit)
    if numbers.isna().any():
        raise LogError(
            f"{path.name}: column '{column.name}': '{texts[numbers.isna()].iloc[0]}' is no number"
        )
    unknown = own[~own.isin(UNITS[result])].unique()
    if len(unknown) or unit not in ("", *UNITS[result]):
        raise LogError(
            f"{path.name}: the unit of '{column.name}' is {[*unknown, unit][0] or 'not said'}; say "
            f"it in {MAPPING} as units: {{{result}: {next(iter(UNITS[result]))}}}, one of "
            f"{', '.join(UNITS[result])}"
        )
    return (numbers * own.map(UNITS[result])).astype(float).reindex(column.index)


def _moments(column: pd.Series, result: str) -> pd.Series:
    """Times that count from 1970, as Zeus writes them, in ISO 8601."""
    counted = [column * factor for factor in EPOCH_UNITS.values()]
    seconds = next((one for one in counted if one.between(EARLIEST, LATEST).all()), None)
    if result not in TIMES or seconds is None:
        return column
    moments = pd.to_datetime((1e3 * seconds).round(), unit="ms", utc=True)
    return moments.map(lambda moment: moment.isoformat(timespec="milliseconds"))


def _as_runs(
    known: pd.DataFrame, others: pd.DataFrame, tool: Tool
) -> tuple[pd.DataFrame, list[str]]:
    """Rows with all columns of a results table, and what was assumed."""
    notes = []
    frame = known.reindex(columns=[*dict.fromkeys([*known, *FRONT])])
    if frame["energy_consumed"].isna().all():
        measured = known.dropna(axis=1, how="all").columns
        parts = [name for name in ENERGIES[1:] if name in measured]
        parts = parts or [*measured.intersection(["wattmeter_energy"])]  # it holds them all
        frame["energy_consumed"] = known[parts].sum(axis=1, min_count=max(1, len(parts)))
        notes.append(f"energy_consumed is {' + '.join(parts)}.")
    about = {name for name in others if re.fullmatch(tool.about, name)}
    factors = [name for name in others if name not in about and _is_factor(others[name])]
    for name in ("architecture", "dataset"):
        if name == "dataset":  # names of runs may be those of networks, but of no dataset
            factors = [one for one in factors if others[one].duplicated().any()]
        if name in known:
            continue
        frame[name] = others[factors[0]].astype(str) if factors else "all"
        said = f"column {factors[0]}" if factors else "'all'"
        notes.append(f"Nothing says the {name}: {said} was taken.")
        factors = factors[1:]
    frame["dataset"] = frame["dataset"].astype(str).str.lower()
    configuration = pd.concat([frame[["architecture", "dataset"]], others[factors]], axis=1)
    same = configuration.groupby([*configuration], dropna=False)
    frame["repetition"] = same.cumcount() + 1
    if "repetition" in known:
        last = known["repetition"].astype(str).str.extract(r"(\d+)\D*$")[0].astype(float)
        first = 1 - last.min() if last.notna().all() else 0
        frame["repetition"] = (last + first).fillna(frame["repetition"]).astype(int)
    status = known.get("status", pd.Series("completed", known.index)).fillna("")
    done = status.astype(str).str.casefold().isin(DONE)
    frame["status"] = done.map({True: "completed", False: "failed"})
    if not done.all():
        frame["error"] = ("its table says: " + status.astype(str)).where(~done)
    frame["score"] = score(frame["accuracy"].astype(float), frame["energy_consumed"])
    return frame.join(others[others.columns.difference(frame.columns, sort=False)]), notes


def _is_factor(column: pd.Series) -> bool:
    """Whether a column looks like levels that were chosen, not like figures that were measured."""
    few = 1 < column.nunique() <= max(2, len(column) // 2)
    return few and not pd.api.types.is_float_dtype(column)
