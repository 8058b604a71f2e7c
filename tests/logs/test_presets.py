"""A small log of each tool in its real format, and its energy by hand.

Every log has 60 W until 00:08:00 and 100 W from then to 00:10:00 UTC on 2026-11-27, in samples a
second or, where the tool has no finer, a minute; the window is the 100 s from 00:08:10 on, whose
energy is 10 kJ.
"""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lib.instruments import metering
from lib.logs import wattmeter
from lib.study.errors import StudyError
from lib.study.study import load_study
from lib.study.wattmeter_log import PRESETS, WattmeterLog
from lib.units import JOULES_PER_KWH

BEGIN = datetime(2026, 11, 27, 0, 6, tzinfo=UTC)
START = datetime(2026, 11, 27, 0, 8, 10, tzinfo=UTC).timestamp()
TIMES = [BEGIN + timedelta(seconds=n) for n in range(301)]
WATTS = [100.0 if 120 <= n < 240 else 60.0 for n in range(301)]
JOULES = np.cumsum([0.0, *WATTS[:-1]])


def lines(head, row):
    rows = [row(t, w, j) for t, w, j in zip(TIMES, WATTS, JOULES, strict=True)]
    return "\n".join([*([head] if head else []), *rows]) + "\n"


def home_assistant():
    """Only changes; the sensor was away for a second."""
    changes = [(0, "60.0"), (60, "unavailable"), (61, "60.0"), (120, "100.0"), (240, "60.0")]
    rows = [f"sensor.plug_power,{w},{TIMES[n]:%Y-%m-%dT%H:%M:%S.000Z}" for n, w in changes]
    return "\n".join(["entity_id,state,last_changed", *rows]) + "\n"


def shelly():
    """EMData: each row is the energy of the minute that begins with it, by phase."""
    rows = [
        f"{int(TIMES[n].timestamp())},{WATTS[n] / 60 / 2:.6f},{WATTS[n] / 60 / 2:.6f},0.0000"
        for n in range(0, 300, 60)
    ]
    head = "timestamp,a_total_act_energy,b_total_act_energy,c_total_act_energy"
    return "\n".join([head, *rows]) + "\n"


LOGS = {
    # nvidia-smi --help-query-gpu: timestamp "YYYY/MM/DD HH:MM:SS.msec", power.draw in W
    "nvidia-smi": lines(
        "timestamp, index, power.draw [W]",
        lambda t, w, j: f"{t:%Y/%m/%d %H:%M:%S}.000, 0, {w:.2f} W",
    ),
    # shelly-api-docs.shelly.cloud/gen2, EMData: /emdata/0/data.csv?add_keys=true, Wh a minute
    "shelly": shelly(),
    # tasmota/docs, docs/devices/Sonoff-Pow-R2.md: what tele/PLUG/SENSOR says
    "tasmota": lines(
        None,
        lambda t, w, j: (
            f'{{"Time":"{t:%Y-%m-%dT%H:%M:%S}","ENERGY":{{"TotalStartTime":"2018-11-14T18:39:40",'
            f'"Total":6.294,"Yesterday":5.340,"Today":0.954,"Period":217,"Power":{w:.0f},'
            '"ApparentPower":2650,"ReactivePower":282,"Factor":0.99,"Voltage":227,'
            '"Current":11.661}}'
        ),
    ),
    # home-assistant frontend, src/panels/history: "entity_id,state,last_changed"
    "home-assistant": home_assistant(),
    # joular/powerjoular, Save_To_CSV_File of src/csv_power.adb
    "powerjoular": lines(
        "Date,CPU Utilization,Total Power,CPU Power,GPU Power",
        lambda t, w, j: f"{t:%Y-%m-%d %H:%M:%S},0.08000,{w + 9:.5f},{w:.5f},9.00000",
    ),
    # tdurieux/EnergiBridge, print_header and print_results of src/main.rs: Delta and Time in ms,
    # then names in order; those of Intel's energies in src/cpu/intel.rs
    "energibridge": lines(
        "Delta,Time,CPU_FREQUENCY_0,CPU_USAGE_0,DRAM_ENERGY (J),PACKAGE_ENERGY (J),PP0_ENERGY (J),"
        "TOTAL_MEMORY",
        lambda t, w, j: (
            f"1000,{int(t.timestamp() * 1000)},2400,12.5,17.25,{7000 + j},{3000 + j / 2},33554432"
        ),
    ),
    # torvalds/linux, tools/power/x86/turbostat/turbostat.8: tabs between columns, one line of all
    # CPUs by --Summary, Time_Of_Day_Seconds with decimals
    "turbostat": lines(
        "Time_Of_Day_Seconds\tPkgWatt\tRAMWatt",
        lambda t, w, j: f"{t.timestamp():.6f}\t{w:.2f}\t3.10",
    ),
    # kwollect 1.3.1 on PyPI, api.get_metrics of kwollect/db/kwollect_setup_db.py: the columns of
    # its table metrics, which PostgREST writes as CSV with PostgreSQL's timestamps
    "kwollect": lines(
        "timestamp,device_id,metric_id,value,labels",
        lambda t, w, j: "\n".join(
            f'"{t:%Y-%m-%d %H:%M:%S}+00",taurus-1,{metric},{value},'
            '"{""_device_orig"": [""wattmetre1-port6""]}"'
            for metric, value in (("bmc_node_power_watt", 7), ("wattmetre_power_watt", w))
        ),
    ),
    # GreenAI-Uppa/AIPowerMeter, docs/_sources/experiments/schneiderbox.rst.txt: wattmetre-read
    "omegawatt": lines(
        "#timestamp,#frame_is_ok,#U1,#U2,#U3,#current1,#activepow1,#current2,#activepow2",
        lambda t, w, j: (
            f"{t.timestamp() - 0.5:.9f},false,,,,,,,\n"
            f"{t.timestamp():.9f},true,232.3,0.0,0.0,0.4,{w},0.0,-0.0"
        ),
    ),
    # No real file was found; the columns are those of this program's documentation.
    "yokogawa": lines(
        "Store No.,Date,Time,U-1,I-1,P-1",
        lambda t, w, j: f"1,{t:%Y/%m/%d},{t:%H:%M:%S},230.1,0.43,{w:.4E}",
    ),
    # spl.txt of mlcommons/inference_results_v3.0 (closed/NVIDIA/results/Orin_TRT_MaxQ); its clock
    # is UTC by mlcommons/power-dev, ptd_client_server/lib/server.py (env["TZ"])
    "ptdaemon": lines(
        None,
        lambda t, w, j: (
            f"Time,{t:%m-%d-%Y %H:%M:%S}.000,Watts,{w:.6f},Volts,206.830000,Amps,0.112230,"
            "PF,0.272300,Mark,2023-02-23_22-09-32_testing"
        ),
    ),
}
UTC_CLOCK = {name: {"timezone": "UTC"} for name, one in PRESETS.items() if "timezone" in one}


@pytest.mark.parametrize("name", PRESETS)
def test_the_log_of_each_tool_gives_the_energy_by_hand(tmp_path, name):
    path = tmp_path / "log"
    path.write_text(LOGS[name])
    mapping = WattmeterLog(preset=name, **UTC_CLOCK.get(name, {}))
    log = wattmeter.read(path, mapping)
    start, seconds = (START, 100) if name != "shelly" else (START - 70, 180)
    reading = metering.read_window(name, [*log.channels.values()], start, start + seconds)
    energy = reading.energy_consumed * JOULES_PER_KWH
    assert energy == pytest.approx(10_000 if name != "shelly" else 60 * 60 + 100 * 120, rel=1e-4)
    assert reading.details["coverage"] == pytest.approx(1)


def mean_watts(path, mapping):
    log = wattmeter.read(path, mapping)
    reading = metering.read_window("x", [*log.channels.values()], START, START + 100)
    return reading.energy_consumed * JOULES_PER_KWH / 100


@pytest.mark.parametrize("indent", [None, 2])
def test_kwollects_json_is_one_array(tmp_path, indent):
    """Its API answers in JSON where no CSV is asked for."""
    rows = [
        {
            "timestamp": f"{t:%Y-%m-%dT%H:%M:%S}+00:00",
            "device_id": "taurus-1",
            "metric_id": "wattmetre_power_watt",
            "value": w,
            "labels": {"_device_orig": ["wattmetre1-port6"]},
        }
        for t, w in zip(TIMES, WATTS, strict=True)
    ]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(rows, indent=indent))
    assert mean_watts(path, WattmeterLog(preset="kwollect")) == pytest.approx(100)
    path.write_text(json.dumps(rows)[:-20])
    with pytest.raises(wattmeter.PowerLogError, match="row 1 is no JSON"):
        wattmeter.read(path, WattmeterLog(preset="kwollect"))


def test_powerjoulars_milliseconds_have_no_leading_zeros(tmp_path):
    """Get_Timestamp of src/csv_power.adb: Month'Image and the like, so 6.5 is 6 s and 5 ms."""
    path = tmp_path / "log.csv"
    path.write_text(
        lines(
            "Date,CPU Utilization,Total Power,CPU Power,GPU Power",
            lambda t, w, j: (
                f"{t.year}-{t.month}-{t.day} {t.hour}:{t.minute}:{t.second}.5,0.08,69,{w},9\n"
                f"{t.year}-{t.month}-{t.day} {t.hour}:{t.minute}:{t.second}.500,0.08,69,{w},9"
            ),
        )
    )
    mapping = WattmeterLog(preset="powerjoular", time_format="%Y-%m-%d %H:%M:%S.%f", timezone="UTC")
    assert wattmeter.read(path, mapping).first == BEGIN.timestamp() + 0.005
    assert mean_watts(path, mapping) == pytest.approx(100)


def test_several_analyzers_of_ptdaemon_are_added_up_in_its_first_watts(tmp_path):
    """merge_power_logs of mlcommons/power-dev, ptd_client_server/lib/server.py."""
    path = tmp_path / "spl.txt"
    one = "Time,{time},Watts,{watts:.6f},Volts,{v:.6f},Amps,{v:.6f},PF,{v:.6f},Mark,x_testing"
    path.write_text(
        lines(
            None,
            lambda t, w, j: ",".join(
                name + one.format(time=f"{t:%m-%d-%Y %H:%M:%S}.001", watts=watts, v=v)
                for name, watts, v in (
                    ("", w, -1),
                    ("Analyzer1,", w - 20, 0.5),
                    ("Analyzer2,", -20, 0.5),
                )
            ),
        )
    )
    assert mean_watts(path, WattmeterLog(preset="ptdaemon")) == pytest.approx(100)


def test_the_tools_own_zone_is_this_machines(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text(LOGS["nvidia-smi"])
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    log = wattmeter.read(path, WattmeterLog(preset="nvidia-smi"))
    assert log.first == BEGIN.timestamp() - 5.5 * 3600


def test_a_study_names_a_preset_and_may_change_it(tmp_path):
    path = tmp_path / "study.yaml"
    for section, expected in (
        ("turbostat", {"power": "PkgWatt", "separator": "\t", "measures": "cpu"}),
        ("{preset: kwollect, channels: [bmc_node_power_watt]}", {"channel": "metric_id"}),
        ('{preset: energibridge, energy: "CPU_ENERGY (J)"}', {"unit": "J", "time_format": "ms"}),
        ('{preset: energibridge, power: "SYSTEM_POWER (Watts)", unit: W}', {"energy": None}),
    ):
        path.write_text(f"title: x\nwattmeter: {section}\n")
        found = load_study(path).wattmeter
        assert {name: getattr(found, name) for name in expected} == expected
    path.write_text("title: x\nwattmeter: fritzbox\n")
    with pytest.raises(StudyError, match="no preset 'fritzbox'; there are nvidia-smi, shelly"):
        load_study(path)
