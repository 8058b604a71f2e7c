import itertools
import math
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lib.stats import hypotests

# What another test left open may be found, and warned of, in any.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")

TESTS = {
    "point-biserial": hypotests.point_biserial,
    "Kruskal-Wallis": hypotests.kruskal_wallis,
    "Dunn": lambda *question: hypotests.dunn(*question)[0],
    "Spearman": hypotests.spearman,
    "Pearson": hypotests.pearson,
}
GROUPED = ["point-biserial", "Kruskal-Wallis", "Dunn"]
PAIRED = ["Spearman", "Pearson"]


def table(**groups):
    """One row a value, `energy` in the group that is named."""
    rows = [(name, value) for name, values in groups.items() for value in values]
    return pd.DataFrame(rows, columns=["group", "energy"])


def result(p, family="f", **fields_):
    return hypotests.TestResult(family, "t", "energy", "group", p=p, **fields_)


@pytest.fixture(params=range(5))
def rng(request):
    return np.random.default_rng(request.param)


@pytest.fixture
def tied(rng):
    """Three groups of different size with ties."""
    return table(**{name: rng.integers(0, 12, n) + shift for name, n, shift in
                    [("a", 7, 0), ("b", 12, 2), ("c", 9, 5)]})  # fmt: skip


# Agreement with formulas written from their papers, on random data.


def test_point_biserial_is_the_textbook_formula(tied):
    two = tied[tied["group"] != "c"]
    base, other = (two.loc[two["group"] == name, "energy"] for name in "ab")
    n = len(two)
    share = len(base) / n
    r = (base.mean() - other.mean()) / two["energy"].std(ddof=0) * math.sqrt(share * (1 - share))
    t = r * math.sqrt((n - 2) / (1 - r**2))
    found = hypotests.point_biserial(two, "energy", "group")
    assert found.statistic == pytest.approx(r, abs=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), n - 2), abs=1e-9)
    assert found.groups == ("a", "b")
    assert found.n == (7, 12)


def test_kruskal_wallis_is_the_rank_formula_with_ties(tied):
    n = len(tied)
    ranks = tied["energy"].rank()
    rank_sums = ranks.groupby(tied["group"]).agg(["sum", "size"])
    h = 12 / (n * (n + 1)) * (rank_sums["sum"] ** 2 / rank_sums["size"]).sum() - 3 * (n + 1)
    ties = tied["energy"].value_counts()
    h /= 1 - (ties**3 - ties).sum() / (n**3 - n)
    found = hypotests.kruskal_wallis(tied, "energy", "group")
    assert found.statistic == pytest.approx(h, abs=1e-9)
    assert found.p == pytest.approx(stats.chi2.sf(h, 2), abs=1e-9)


def test_dunn_is_the_rank_formula_with_ties(tied):
    n = len(tied)
    ranks = tied["energy"].rank().groupby(tied["group"]).agg(["mean", "size"])
    ties = tied["energy"].value_counts()
    variance = n * (n + 1) / 12 - (ties**3 - ties).sum() / (12 * (n - 1))
    found = hypotests.dunn(tied, "energy", "group")
    assert [pair.groups for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair in found:
        first, second = (ranks.loc[name] for name in pair.groups)
        error = math.sqrt(variance * (1 / first["size"] + 1 / second["size"]))
        z = abs(first["mean"] - second["mean"]) / error
        assert pair.statistic == pytest.approx(z, abs=1e-9)
        assert pair.p == pytest.approx(2 * stats.norm.sf(z), abs=1e-9)


def test_dunns_pairs_are_a_family(tied):
    import scikit_posthocs  # and all that draws figures, for no other test

    adjusted = scikit_posthocs.posthoc_dunn(tied, "energy", "group", p_adjust="holm")
    for pair in hypotests.by_family(hypotests.dunn(tied, "energy", "group")):
        assert pair.p_holm == pytest.approx(adjusted.loc[pair.groups], abs=1e-9)


def test_spearman_is_the_correlation_of_ranks(rng):
    pairs = pd.DataFrame(rng.integers(0, 15, (20, 2)), columns=["time", "energy"])
    rho = np.corrcoef(pairs["time"].rank(), pairs["energy"].rank())[0, 1]
    t = rho * math.sqrt(18 / (1 - rho**2))
    found = hypotests.spearman(pairs, "energy", "time")
    assert found.statistic == pytest.approx(rho, abs=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 18), abs=1e-9)
    assert found.n == (20,)


def test_spearman_of_few_pairs_counts_every_order(rng):
    x, y = rng.permutation(6), rng.permutation(6)
    observed = abs(np.corrcoef(x, y)[0, 1])
    as_extreme = [
        abs(np.corrcoef(order, y)[0, 1]) >= observed - 1e-9 for order in itertools.permutations(x)
    ]
    found = hypotests.spearman(pd.DataFrame({"time": x, "energy": y}), "energy", "time")
    assert found.p == pytest.approx(np.mean(as_extreme), abs=1e-9)


def test_six_pairs_in_perfect_order_do_not_have_p_0():
    pairs = pd.DataFrame({"time": range(6), "energy": range(6)})
    assert hypotests.spearman(pairs, "energy", "time").p == pytest.approx(2 / math.factorial(6))


def test_pearson_is_numpys(rng):
    pairs = pd.DataFrame(rng.normal(size=(20, 2)), columns=["time", "energy"])
    r = np.corrcoef(pairs["time"], pairs["energy"])[0, 1]
    found = hypotests.pearson(pairs, "energy", "time")
    t = r * math.sqrt(18 / (1 - r**2))
    assert found.statistic == pytest.approx(r, abs=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 18), abs=1e-9)


# What a test must not depend on, and what it must.

groups_of_integers = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(st.integers(-20, 20), min_size=2, max_size=6),
    min_size=2,
)


@settings(max_examples=40)
@given(groups_of_integers)
def test_rank_tests_see_order_only(groups):
    plain = table(**groups)
    bent = plain.assign(energy=np.exp(plain["energy"] / 5))
    for test in (hypotests.kruskal_wallis, lambda *q: hypotests.dunn(*q)[0]):
        before, after = test(plain, "energy", "group"), test(bent, "energy", "group")
        assert after.p == pytest.approx(before.p, nan_ok=True)
        assert after.statistic == pytest.approx(before.statistic, nan_ok=True)


@settings(max_examples=40)
@given(groups_of_integers, st.randoms(use_true_random=False))
def test_order_and_index_of_rows_do_not_matter(groups, random):
    rows = table(**groups)
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = rows.iloc[order].set_axis([0] * len(rows))
    for name in GROUPED:
        before, after = (TESTS[name](df, "energy", "group") for df in (rows, shuffled))
        assert after.p == pytest.approx(before.p, nan_ok=True)
        assert after.groups == before.groups


def test_a_negative_point_biserial_says_the_first_level_has_less():
    little, much = [1.0, 2, 3, 4, 5], [4.0, 5, 6, 7, 8]
    base_first = hypotests.point_biserial(table(cifar10=little, mnist=much), "energy", "group")
    assert base_first.groups == ("cifar10", "mnist")
    assert base_first.statistic < 0
    swapped = hypotests.point_biserial(table(cifar10=much, mnist=little), "energy", "group")
    assert swapped.statistic == pytest.approx(-base_first.statistic)


# Degenerate input: an empty result with its reason, no exception and no warning.

NAN = math.nan
DEGENERATE = {
    "empty": (table(), "the table has no rows"),
    "no response": (table(a=[1.0], b=[2.0]).drop(columns="energy"), "no column energy"),
    "no factor": (table(a=[1.0], b=[2.0]).drop(columns="group"), "no column group"),
    "all NaN": (table(a=[NAN, NAN], b=[NAN, NAN]), "none of 4 rows has both"),
    "all infinite": (table(a=[math.inf] * 2, b=[-math.inf] * 2), "none of 4 rows has both"),
    "one group": (table(a=[1.0, 2, 3]), "group has one level only, a"),
    "constant": (table(a=[0.1] * 3, b=[0.1] * 4), "every value of energy is 0.1"),
    "constant to rounding": (table(a=[0.3] * 3, b=[0.1 + 0.2] * 4), "every value of energy is 0.3"),
    "n of 1": (table(a=[1.0, 2, 3], b=[4.0]), "only one value of energy in b"),
    "n of 1 once NaN is gone": (table(a=[1.0, 2], b=[4.0, NAN]), "only one value of energy in b"),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_groups_give_a_reason(name, case):
    df, reason = DEGENERATE[case]
    found = TESTS[name](df, "energy", "group")
    assert reason in found.reason
    assert_empty(found)


def test_three_levels_are_too_many_for_a_point_biserial():
    found = hypotests.point_biserial(table(a=[1.0, 2], b=[3.0, 4], c=[5.0, 6]), "energy", "group")
    assert found.reason == "group has 3 levels (a, b, c), not 2"
    assert found.n == (2, 2, 2)
    assert_empty(found)


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize(
    ("time", "energy", "reason"),
    [
        ([], [], "the table has no rows"),
        ([1.0, NAN, math.inf], [NAN, 1.0, 2.0], "none of 3 rows has both"),
        ([1.0, 2, NAN], [1.0, 2, 3], "takes 3 pairs, not 2"),
        ([1.0, 1, 1], [1.0, 2, 3], "every value of time is 1"),
        ([1.0, 2, 3], [5.0, 5, 5], "every value of energy is 5"),
    ],
)
def test_degenerate_pairs_give_a_reason(name, time, energy, reason):
    found = TESTS[name](pd.DataFrame({"time": time, "energy": energy}), "energy", "time")
    assert reason in found.reason
    assert_empty(found)


def assert_empty(found):
    numbers = (found.statistic, found.p, found.statistic_low, found.statistic_high)
    assert all(map(math.isnan, numbers))
    assert found.assessment == ""


def test_rows_left_out_are_counted():
    df = table(a=[1.0, 2, 3, NAN], b=[4.0, 5, math.inf], c=[9.0])
    df.loc[df["group"] == "c", "group"] = None
    found = hypotests.kruskal_wallis(df, "energy", "group")
    assert found.dropped == 3
    assert found.n == (3, 2)
    assert found.p > 0


def test_cells_may_be_of_any_type():
    """A table read from records has None and text in columns of numbers."""
    plain = table(a=[1.0, 2, 4], b=[3.0, 5, 7])
    mixed = plain.astype({"energy": object, "group": "category"})
    mixed.loc[6] = ["a", None]
    mixed.loc[7] = ["a", "n/a"]
    found = hypotests.kruskal_wallis(mixed, "energy", "group")
    assert found.p == hypotests.kruskal_wallis(plain, "energy", "group").p
    assert found.dropped == 2


def test_levels_may_be_numbers():
    df = table(a=[1.0, 2, 4], b=[3.0, 5, 7]).replace({"group": {"a": 32, "b": "none"}})
    assert hypotests.kruskal_wallis(df, "energy", "group").groups == ("32", "none")


wild = st.one_of(
    st.floats(),
    st.floats(-10, 10),
    st.none(),
    st.sampled_from([1e308, -1e308, 1e149, 5e-324, 0.1, 0.1 + 1e-16]),
)
rows_of_wild = st.tuples(wild, wild, st.sampled_from(["a", "b", "a", "b", "c", None, math.nan]))


@settings(max_examples=200)
@given(
    st.one_of(st.lists(rows_of_wild), st.lists(rows_of_wild, min_size=12, max_size=16)),
    st.sampled_from([*TESTS]),
)
def test_nothing_raises_warns_or_leaves_its_range(rows, name):
    df = pd.DataFrame(rows, columns=["time", "energy", "group"])
    found = TESTS[name](df, "energy", "group" if name in GROUPED else "time")
    if math.isnan(found.p):
        assert found.reason
        assert_empty(found)
    else:
        assert 0 <= found.p <= 1
        assert found.reason is None
        if name in (*PAIRED, "point-biserial"):
            assert abs(found.statistic) <= 1 + 1e-12
            assert not found.statistic < found.statistic_low
            assert not found.statistic > found.statistic_high
    assert 0 <= found.dropped <= len(df)


# Families, levels and the table.


def test_by_level_is_the_test_of_each_part():
    parts = {"mnist": table(a=[1.0, 5, 3], b=[4.0, 2, 6]), "cifar10": table(a=[1.0, 2], b=[3.0, 4])}
    df = pd.concat([part.assign(dataset=name) for name, part in parts.items()])
    found = hypotests.by_level(df, hypotests.kruskal_wallis, "energy", "group", within="dataset")
    assert [part.within for part in found] == ["dataset = cifar10", "dataset = mnist"]
    assert {part.family for part in found} == {"Kruskal-Wallis, by group, within dataset"}
    for part, name in zip(found, ["cifar10", "mnist"], strict=True):
        alone = hypotests.kruskal_wallis(parts[name], "energy", "group")
        assert replace(part, within="", family=alone.family) == alone


def test_by_level_passes_on_every_pair():
    df = table(a=[1.0, 5, 3], b=[4.0, 2, 6], c=[7.0, 8, 9]).assign(dataset="mnist")
    found = hypotests.by_level(df, hypotests.dunn, "energy", "group", within="dataset")
    assert [pair.groups for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize("test", [hypotests.kruskal_wallis, hypotests.dunn])
def test_by_level_counts_rows_without_a_level(test):
    df = table(a=[1.0, 5, 3], b=[4.0, 2, 6]).assign(dataset=["mnist"] * 5 + [None])
    *_, last = hypotests.by_level(df, test, "energy", "group", within="dataset")
    assert (last.within, last.dropped) == ("dataset unknown", 1)
    assert last.reason == "1 of 6 rows have no dataset"
    assert_empty(last)


@pytest.mark.parametrize(
    ("df", "reason"),
    [(table(), "no rows"), (table(a=[1.0, 2], b=[3.0, 4]), "4 of 4 rows have no dataset")],
)
def test_by_level_without_levels_gives_a_reason(df, reason):
    (found,) = hypotests.by_level(df, hypotests.kruskal_wallis, "energy", "group", within="dataset")
    assert found.reason == reason


@pytest.mark.parametrize(
    ("p", "p_holm", "words"),
    [
        (0.01, 0.04, "significant"),
        (0.01, 0.05, "significant only unadjusted"),
        (0.01, NAN, "significant only unadjusted"),
        (0.05, 0.05, "not significant"),
    ],
)
def test_assessment(p, p_holm, words):
    found = replace(result(p, p_holm=p_holm, statistic=-0.7), test="Pearson")
    assert found.assessment == f"strong, {words}"
    assert replace(found, test="Dunn").assessment == words


def test_the_table_has_every_field():
    df = table(a=[1.0, 5, 3], b=[4.0, 2, 6])
    found = hypotests.kruskal_wallis(df, "energy", "group")
    frame = hypotests.to_frame([found, result(NAN, reason="why")])
    assert set(frame) == {field.name for field in fields(found)} | {"assessment"}
    first = frame.iloc[0]
    assert (first["groups"], first["n"], first["assessment"]) == (
        "a (3), b (3)",
        "3, 3",
        found.assessment,
    )
    assert first["p"] == found.p
    assert frame.iloc[1]["reason"] == "why"
    assert list(hypotests.to_frame([])) == list(frame)
