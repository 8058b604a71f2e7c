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
    # tasmota.github.io/docs/Power-Monitoring: tele/PLUG/SENSOR
    "tasmota": lines(
        None,
        lambda t, w, j: json.dumps(
            {"Time": f"{t:%Y-%m-%dT%H:%M:%S}", "ENERGY": {"Total": 3.185, "Power": w}}
        ),
    ),
    # home-assistant frontend, src/panels/history: "entity_id,state,last_changed"
    "home-assistant": home_assistant(),
    # joular/powerjoular src/csv_power.adb, Save_To_CSV_File
    "powerjoular": lines(
        "Date,CPU Utilization,Total Power,CPU Power,GPU Power",
        lambda t, w, j: f"{t:%Y-%m-%d %H:%M:%S},0.08000,{w + 9:.5f},{w:.5f},9.00000",
    ),
    # tdurieux/EnergiBridge src/main.rs: Delta and Time in ms, then sorted names
    "energibridge": lines(
        "Delta,Time,CPU_USAGE_0,PACKAGE_ENERGY (J),TOTAL_MEMORY",
        lambda t, w, j: f"1000,{int(t.timestamp() * 1000)},12.5,{7000 + j:.6f},33554432",
    ),
    # turbostat(8): tabs between columns, --Summary for the line of all CPUs
    "turbostat": lines(
        "Time_Of_Day_Seconds\tPkgWatt\tRAMWatt",
        lambda t, w, j: f"{t.timestamp():.6f}\t{w:.2f}\t3.10",
    ),
    # grid5000.fr/w/Monitoring_Using_Kwollect: timestamp, device_id, metric_id, value, labels
    "kwollect": lines(
        "timestamp,device_id,metric_id,value,labels",
        lambda t, w, j: (
            f"{t:%Y-%m-%dT%H:%M:%S}+00:00,taurus-1,bmc_node_power_watt,7,{{}}\n"
            f"{t:%Y-%m-%dT%H:%M:%S}+00:00,taurus-1,wattmetre_power_watt,{w},{{}}"
        ),
    ),
    # AIPowerMeter, docs/source/omegawatt.rst: the output of wattmetre-read
    "omegawatt": lines(
        "#timestamp,#frame_is_ok,#U1,#current1,#activepow1",
        lambda t, w, j: (
            f"{t.timestamp() - 0.5:.9f},false,,,\n{t.timestamp():.9f},true,232.3,0.4,{w}"
        ),
    ),
    # No real file was found; the columns are those of this program's documentation.
    "yokogawa": lines(
        "Store No.,Date,Time,U-1,I-1,P-1",
        lambda t, w, j: f"1,{t:%Y/%m/%d},{t:%H:%M:%S},230.1,0.43,{w:.4E}",
    ),
    # mlcommons/power-dev compliance/check.py: PTDaemon's dates are MM-DD-YYYY hh:mm:ss.mmm; the
    # columns (Time, Watts, Volts, Amps, PF, Mark) are those of its log spl.txt
    "ptdaemon": lines(
        None,
        lambda t, w, j: (
            f"Time,{t:%m-%d-%Y %H:%M:%S}.000,Watts,{w:.6f},Volts,230.1,Amps,0.43,PF,0.98,Mark,x"
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
