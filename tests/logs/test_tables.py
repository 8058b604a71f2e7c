"""Tables as other tools write them, by their source; the figures are made up."""

import pytest

from lib import records
from lib.logs import tables
from lib.logs.codecarbon import LogError
from lib.units import JOULES_PER_KWH


def write(folder, text, name="table.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def read(folder):
    found = tables.read_table(folder)
    for row in found.results.to_dict("records"):
        records.from_row(row)
    return found, found.results


def test_experiment_runners_run_table(tmp_path):
    """S2-group/experiment-runner: ConfigValidator/Config/Models/RunTableModel.py names __run_id
    (run_<variation>_repetition_<n>) and __done, then factors and data, " " until a run is done;
    Plugins/Profilers/CodecarbonWrapper.py codecarbon__*, in CodeCarbon's units (kWh)."""
    text = (
        "__run_id,__done,model,threads,codecarbon__energy_consumed,codecarbon__emissions\n"
        "run_0_repetition_0,DONE,bert,1,0.02,0.004\n"
        "run_0_repetition_1,DONE,bert,1,0.03,0.006\n"
        "run_1_repetition_0,DONE,gpt,4,0.05,0.010\n"
        "run_1_repetition_1,TODO,gpt,4, , \n"
    )
    found, results = read(write(tmp_path, text, "run_table.csv"))
    assert results["energy_consumed"].tolist()[:3] == [0.02, 0.03, 0.05]
    assert results["repetition"].tolist() == [1, 2, 1, 2]
    assert results["architecture"].tolist() == ["bert", "bert", "gpt", "gpt"]
    assert results["status"].tolist() == ["completed"] * 3 + ["failed"]
    assert results["error"].iloc[-1] == "its table says: TODO"
    assert "Nothing says the architecture: column model was taken." in found.notes


def test_zeus_log(tmp_path):
    """ml-energy/zeus, zeus/monitor/energy.py (ZeusMonitor.end_window): a row a window, its start as
    time.time() gives it, gpu<index>_energy in J."""
    text = (
        "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n"
        "1714989600.5,vgg16,60.0,3600.0,7200.0\n"
        "1714989720.25,resnet50,30.0,1800.0,1800.0\n"
    )
    _, results = read(write(tmp_path, text))
    assert (results["gpu_energy"] * JOULES_PER_KWH).tolist() == pytest.approx([10_800, 3_600])
    assert (results["energy_consumed"] == results["gpu_energy"]).all()
    assert results["duration"].tolist() == [60, 30]
    assert results["started_at"].tolist() == [
        "2024-05-06T10:00:00.500+00:00",
        "2024-05-06T10:02:00.250+00:00",
    ]
    assert results["architecture"].tolist() == ["vgg16", "resnet50"]


def test_a_part_of_the_energy_is_not_the_whole(tmp_path):
    text = (
        "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy,cpu0_energy\n"
        "1714989600.5,vgg16,60.0,3600.0,3600.0,\n"
        "1714989720.25,vgg16,60.0,3600.0,,\n"
    )
    found, results = read(write(tmp_path, text))
    assert (results["energy_consumed"] * JOULES_PER_KWH).tolist() == pytest.approx([7200])
    assert [lost.row for lost in found.skipped] == [1]
    assert found.skipped[0].reason.startswith("its energy or a part of it is empty")


def test_a_component_that_no_row_has_is_no_part(tmp_path):
    text = (
        "__run_id,__done,model,codecarbon__cpu_energy,codecarbon__gpu_energy\n"
        "run_0_repetition_0,DONE,bert,0.02,\nrun_0_repetition_1,DONE,bert,0.03,\n"
    )
    found, results = read(write(tmp_path, text, "run_table.csv"))
    assert results["energy_consumed"].tolist() == [0.02, 0.03]
    assert "energy_consumed is cpu_energy." in found.notes
    with pytest.raises(LogError, match="no row has an energy"):
        tables.read_table(
            write(tmp_path, text.replace("0.02", "").replace("0.03", ""), "run_table.csv")
        )


def test_mlflow_runs(tmp_path):
    """mlflow/mlflow, mlflow/tracking/fluent.py (search_runs): run_id, experiment_id, status,
    artifact_uri, start_time, end_time, then metrics.*, params.* and tags.*."""
    text = (
        "run_id,experiment_id,status,artifact_uri,start_time,end_time,metrics.accuracy,"
        "metrics.energy_consumed,params.architecture,params.lr,tags.mlflow.source.name\n"
        "a1,1,FINISHED,x,2024-05-06 10:00:00+00:00,2024-05-06 10:10:00+00:00,0.91,0.012,VGG16,"
        "1e-3,a.py\n"
        "b2,1,FAILED,x,2024-05-06 11:00:00+00:00,2024-05-06 11:01:00+00:00,,,VGG16,1e-4,b.py\n"
    )
    found, results = read(write(tmp_path, text))
    assert results["energy_consumed"].iloc[0] == 0.012
    assert results["accuracy"].iloc[0] == 0.91
    assert results["score"].iloc[0] == pytest.approx(0.91 / 0.012)
    # A script is no dataset, though it comes in two.
    assert (results["architecture"].iloc[0], results["dataset"].iloc[0]) == ("VGG16", "all")
    assert results["status"].tolist() == ["completed", "failed"]
    assert results["lr"].tolist() == [1e-3, 1e-4]
    assert "Column run_id is left out: in results it means something else." in found.notes


def test_mlflows_params_are_no_figures(tmp_path):
    """scikit-learn's autologging: all get_params() of an estimator as params, its loss among them;
    Keras' logs batch_size as a param, where a script may log it as a metric, too."""
    text = (
        "run_id,experiment_id,status,start_time,end_time,metrics.energy_consumed,metrics.loss,"
        "metrics.batch_size,params.loss,params.batch_size,params.duration,params.architecture\n"
        "a1,1,FINISHED,2024-05-06 10:00:00+00:00,,0.01,0.25,32,log_loss,32,long,SGD\n"
        "b2,1,FINISHED,2024-05-06 11:00:00+00:00,,0.02,0.5,64,hinge,64,long,SGD\n"
    )
    _, results = read(write(tmp_path, text))
    assert results["loss"].tolist() == [0.25, 0.5]
    assert results["params.loss"].tolist() == ["log_loss", "hinge"]
    assert results["params.batch_size"].tolist() == results["metrics.batch_size"].tolist()
    assert results["duration"].isna().all()
    _, results = read(write(tmp_path, text.replace("metrics.loss", "metrics.other")))
    assert "loss" not in results


def test_pythons_none_is_a_level_and_no_figure(tmp_path):
    """mlflow/mlflow, mlflow/tracking/fluent.py (log_param): str() of the value."""
    text = (
        "run_id,experiment_id,status,start_time,end_time,metrics.accuracy,metrics.energy_consumed,"
        "params.architecture,params.quantization,params.max_depth\n"
        "a1,1,FINISHED,2024-05-06 10:00:00+00:00,None,None,0.01,VGG16,None,5\n"
        "b2,1,FINISHED,2024-05-06 11:00:00+00:00,None,0.9,0.02,VGG16,int8,None\n"
        "c3,1,FINISHED,2024-05-06 12:00:00+00:00,None,0.9,0.01,VGG16,None,5\n"
        "d4,1,FINISHED,2024-05-06 13:00:00+00:00,None,0.9,0.02,VGG16,int8,NA\n"
    )
    _, results = read(write(tmp_path, text))
    assert results["quantization"].tolist() == ["None", "int8"] * 2
    assert results["repetition"].tolist() == [1, 1, 2, 1]
    assert results["max_depth"].tolist()[:3] == ["5", "None", "5"]
    assert results["max_depth"].isna().tolist() == [False, False, False, True]
    assert results["accuracy"].isna().tolist() == [True, False, False, False]
    assert results["ended_at"].isna().all()


def test_mlflow_csv_of_the_web_page(tmp_path):
    """mlflow/mlflow, mlflow/server/js/src: runInfosToCsv of experiment-tracking/utils/CsvUtils.ts
    (columns, quotes, an apostrophe before a minus; older ones quoted nothing), formatDuration and
    formatTimestamp of common/utils/Utils.tsx."""
    text = (
        '"Start Time","Duration","Run ID","Name","Source Type","Source Name","User","Status",'
        '"architecture","dataset","energy_consumed","loss","mlflow.note.content"\n'
        '"2024-05-06 12:00:00","10.0min","a1","kind-ape","LOCAL","a.py","me","FINISHED",'
        '"VGG16","CIFAR10","0.012","\'-1.5",""\n'
        '"2024-05-06 13:00:00","1.5h","b2","sad-bee","LOCAL","b.py","you","FINISHED",'
        '"VGG16","CIFAR10","0.024","0.5",""\n'
        '"2024-05-06 14:00:00","","c3","odd-cow","LOCAL","b.py","you","RUNNING","VGG16",'
        '"CIFAR10","","",""\n'
    )
    found, results = read(write(tmp_path, text, "runs.csv"))
    assert results["duration"].tolist()[:2] == [600, 5400]
    assert results["energy_consumed"].tolist()[:2] == [0.012, 0.024]
    assert results["loss"].tolist()[:2] == [-1.5, 0.5]
    assert results["started_at"].tolist()[0] == "2024-05-06 12:00:00"
    assert results["status"].tolist() == ["completed", "completed", "failed"]
    assert results["repetition"].tolist() == [1, 2, 3]
    assert any("rounds its column Duration" in note for note in found.notes)


def test_perun_export(tmp_path):
    """Helmholtz-AI-Energy/perun, perun/io/pandas.py (exportCSV): a row a sample; units J of
    counters and W, magnitudes as numbers (perun/data_model/measurement_type.py)."""
    rows = ["run id,hostname,device_group,sensor,unit,magnitude,timestep,value"]
    for run, watts in ((0, 100), (1, 200)):
        for second in range(0, 61, 5):
            joules = 7e9 + 1e6 * 50 * second  # a counter in uJ
            rows += [
                f"{run},n1,cpu,CPU_0_package-0,J,1e-06,{second},{joules}",
                f"{run},n1,gpu,GPU_0,W,0.001,{second},{watts * 1000}",
                f"{run},n1,gpu,GPU_1,W,0.001,{second},10000",
                f"{run},n1,cpu,CPU_USAGE,%,1.0,{second},12",
                f"{run},n1,other,psys,J,1e-06,{second},{2 * joules}",
            ]
    lines = [f"{'' if n == 0 else n - 1},{row}" for n, row in enumerate(rows)]  # pandas' index
    found, results = read(write(tmp_path, "\n".join(lines) + "\n"))
    joules = results[["cpu_energy", "gpu_energy", "energy_consumed"]] * JOULES_PER_KWH
    assert joules.to_numpy().tolist() == [
        pytest.approx([3000, 6600, 9600]),
        pytest.approx([3000, 12600, 15600]),
    ]
    assert results["duration"].tolist() == [60, 60]
    assert results["repetition"].tolist() == [1, 2]
    assert "energy_consumed is cpu_energy + gpu_energy." in found.notes


MINE = """\
Model,Optimiser,Energy (J),Time [min],Top-1,CO2
A,adam,3600000,2,91,12
B,sgd,1800000,1,80,6
"""
MAPPING = """\
columns:
  architecture: Model
  energy_consumed: Energy (J)
  duration: Time [min]
  accuracy: Top-1
  emissions: CO2
units: {accuracy: "%", emissions: g}
"""


def test_any_table_by_a_mapping_with_units(tmp_path):
    write(tmp_path, MINE)
    write(tmp_path, MAPPING, tables.MAPPING)
    found, results = read(tmp_path)
    assert results["energy_consumed"].tolist() == pytest.approx([1.0, 0.5])
    assert results["duration"].tolist() == [120, 60]
    assert results["accuracy"].tolist() == pytest.approx([0.91, 0.8])
    assert results["emissions"].tolist() == pytest.approx([0.012, 0.006])
    assert results["Optimiser"].tolist() == ["adam", "sgd"]
    assert results["run_id"].is_unique
    assert found.notes == (
        "table.csv was read as a table of import.yaml.",
        "Nothing says the dataset: 'all' was taken.",
    )


def test_a_wattmeter_measures_what_components_do_not_add_to(tmp_path):
    write(tmp_path, "Model,CPU (kWh),GPU (kWh),Plug (kWh)\nA,0.1,0.2,0.5\nB,0.1,0.3,0.6\n")
    parts = "cpu_energy: CPU (kWh), gpu_energy: GPU (kWh), "
    mapping = "columns: {%swattmeter_energy: Plug (kWh), architecture: Model}"
    _, results = read(write(tmp_path, mapping % parts, tables.MAPPING))
    assert results["energy_consumed"].tolist() == pytest.approx([0.3, 0.4])
    assert results["wattmeter_energy"].tolist() == [0.5, 0.6]
    _, results = read(write(tmp_path, mapping % "", tables.MAPPING))
    assert results["energy_consumed"].tolist() == [0.5, 0.6]


def test_slurms_accounting(tmp_path):
    """man sacct: --parsable2 separates by |, ConsumedEnergyRaw is in J, State in capitals."""
    write(
        tmp_path,
        "JobID|JobName|State|ElapsedRaw|ConsumedEnergyRaw\n"
        "100|vgg|COMPLETED|600|120000\n"
        "101|vgg|TIMEOUT|10|\n",
    )
    mapping = (
        "columns: {energy_consumed: ConsumedEnergyRaw, duration: ElapsedRaw, status: State}\n"
        "units: {energy_consumed: J}\nseparator: '|'\n"
    )
    _, results = read(write(tmp_path, mapping, tables.MAPPING))
    assert results["status"].tolist() == ["completed", "failed"]
    assert results["energy_consumed"].iloc[0] * JOULES_PER_KWH == pytest.approx(120_000)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("columns: {energy_consumed: Joules}", "has no column 'Joules', which import.yaml says"),
        ("columns: {energy_consumed: CO2}", "unit of 'CO2' is not said; say it in import.yaml"),
        ("columns: {energy: CO2}", "results have no energy; allowed are energy_consumed"),
        ("columns: {emissions: CO2}", "no column is known to be an energy"),
        ("columns: {energy_consumed: Model}\nunits: {energy_consumed: J}", "'A' is no number"),
        ("columns: {energy_consumed: Energy (J), accuracy: Top-1}", "91 is no accuracy from 0"),
        ("columns: [Model]", "says no columns; right is, for example"),
        ("colums: {}", "says no columns"),
        ("columns: {accuracy: Top-1}\nfactors: [x]", "no field factors; allowed are table"),
        ("columns: {a: b", "is not YAML"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(tmp_path, mapping, said):
    write(tmp_path, MINE)
    write(tmp_path, mapping, tables.MAPPING)
    with pytest.raises(LogError) as raised:
        tables.read_table(tmp_path)
    assert said in str(raised.value)


def test_of_several_tables_the_mapping_names_one(tmp_path):
    write(tmp_path, MINE)
    write(tmp_path, "a,b\n1,2\n", "other.csv")
    write(tmp_path, MAPPING, tables.MAPPING)
    with pytest.raises(LogError, match=r"say which table is meant, .* other.csv, table.csv"):
        tables.read_table(tmp_path)
    write(tmp_path, MAPPING + "table: table.csv\n", tables.MAPPING)
    assert len(tables.read_table(tmp_path).results) == 2


def test_a_folder_of_something_else_is_no_table(tmp_path):
    assert tables.read_table(write(tmp_path, "a,b\n1,2\n")) is None
