import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.logs import counters

finite = st.floats(0, 1e6, allow_nan=False)


@st.composite
def cuts(draw):
    """Values of runs, cut into trackers in any way, rows of any order."""
    values = draw(st.lists(finite, min_size=1, max_size=30))
    trackers = draw(st.lists(st.sampled_from("abc"), min_size=len(values), max_size=len(values)))
    frame = pd.DataFrame({"tracker_run_id": trackers, "energy_consumed": values})
    frame["ended_at"] = range(len(frame))
    order = draw(st.permutations(range(len(frame))))
    return frame.iloc[list(order)].reset_index(drop=True)


@given(cuts())
def test_any_way_of_cutting_runs_into_cumulative_rows_gives_them_back(runs):
    in_order = runs.sort_values("ended_at")
    sums = in_order.groupby("tracker_run_id")["energy_consumed"].cumsum()
    logged = runs.assign(energy_consumed=sums)
    own = counters.difference_cumulative(logged, columns=["energy_consumed"], order="ended_at")
    scale = logged["energy_consumed"].max()
    assert own["energy_consumed"].to_numpy() == pytest.approx(
        runs["energy_consumed"].to_numpy(), abs=1e-12 * max(scale, 1)
    )
    assert own.drop(columns="energy_consumed").equals(runs.drop(columns="energy_consumed"))


def test_the_first_row_of_a_tracker_keeps_its_value_and_input_is_left_alone():
    frame = pd.DataFrame({"tracker_run_id": ["a", "b", "a"], "duration": [1.0, 5.0, 3.0]})
    own = counters.difference_cumulative(frame, columns=["duration"])
    assert own["duration"].tolist() == [1.0, 5.0, 2.0]
    assert frame["duration"].tolist() == [1.0, 5.0, 3.0]


def test_a_row_without_a_tracker_is_a_counter_of_its_own():
    frame = pd.DataFrame({"tracker_run_id": [None, None], "duration": [1.0, 3.0]})
    assert counters.difference_cumulative(frame, columns=["duration"])["duration"].tolist() == [
        1,
        3,
    ]


def test_what_follows_a_missing_value_is_missing():
    frame = pd.DataFrame({"tracker_run_id": ["a"] * 4, "duration": [1.0, None, 4.0, 9.0]})
    own = counters.difference_cumulative(frame, columns=["duration"])["duration"]
    assert own.isna().tolist() == [False, True, True, False]
    assert own[3] == 5


def test_differences_within_an_architecture_leave_the_network_before_in():
    frame = pd.DataFrame(
        {
            "tracker_run_id": ["a"] * 4,
            "architecture": ["VGG19", "VGG19", "ResNet50", "ResNet50"],
            "energy_consumed": [1.0, 2.0, 4.0, 6.0],
        }
    )
    by = ["tracker_run_id", "architecture"]
    within = counters.difference_cumulative(frame, by=by, columns=["energy_consumed"])
    assert within["energy_consumed"].tolist() == [1, 1, 4, 2]


def growing(durations, energies, minutes):
    ended = pd.Timestamp("2022-05-22") + pd.to_timedelta(minutes, "min")
    frame = pd.DataFrame({"duration": durations, "energy_consumed": energies, "ended_at": ended})
    energy, duration = counters.growing(frame.assign(tracker="a"), by="tracker")
    assert energy.nunique() == duration.nunique() == 1
    return bool(energy.iloc[0]), bool(duration.iloc[0])


def test_codecarbon_2_grows_in_energy_and_duration():
    assert growing([600, 1200, 1800], [1, 2, 3], [10, 20, 30]) == (True, True)


def test_codecarbon_3_grows_in_energy_only():
    assert growing([600, 590, 610], [1, 2, 3], [10, 20, 31]) == (True, False)


def test_one_row_and_falling_energy_do_not_grow():
    assert growing([600], [1], [10]) == (False, False)
    assert growing([600, 600], [2, 1], [10, 20]) == (False, False)


def test_a_clock_that_was_put_back_makes_no_duration_grow():
    assert growing([600, 590, 600], [1, 2, 3], [100, 50, 60]) == (True, False)
    assert growing([600, 1200], [1, 2], [100, 50]) == (True, True)
