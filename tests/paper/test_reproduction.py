import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.logs import treatments
from lib.paper import published, reproduction
from tests import needs


@pytest.fixture(scope="module")
def cells(authors):
    """Every table under every treatment, one row a cell."""
    found = treatments.treatments(authors.results)
    return pd.concat(
        [
            reproduction.beside_printed(item, runs).assign(treatment=name)
            for item in reproduction.REPRODUCTIONS
            for name, runs in found.items()
        ],
        ignore_index=True,
    )


def cell(cells, table, row, column, treatment):
    found = cells[
        cells["table"].str.startswith(table)
        & (cells["row"] == row)
        & (cells["column"] == column)
        & (cells["treatment"] == treatment)
    ]
    assert len(found) == 1
    return found.iloc[0]


@needs.replication
def test_every_cell_of_the_paper_is_met(cells):
    as_published = cells[cells["treatment"] == treatments.AS_PUBLISHED]
    counts = as_published.groupby("table", sort=False).size().to_dict()
    assert {name.split(":")[0]: count for name, count in counts.items()} == {
        "Table 2": 36,
        "Table 3": 3,
        "Table 4": 3,
        "Table 5": 2,
        "Table 6": 45,
        "Table 7": 30,
        "Section 4.3": 3,
    }
    assert as_published["match"].isin(reproduction.AGREEING).all()


@needs.replication
@pytest.mark.parametrize(
    ("table", "row", "column", "as_published", "corrected"),
    [
        ("Table 3", "emissions", "correlation", -0.0605636, -0.0593225),
        ("Table 3", "energy_consumed", "correlation", -0.413532, -0.841471),
        ("Table 3", "flops", "correlation", -0.623386, -0.623386),
        ("Table 4", "emissions", "p", 0.00063447967, 0.901608508),
        ("Table 4", "energy_consumed", "p", 4.12177e-6, 0.777259757),
        ("Table 4", "flops", "p", 0.156118046, 0.156118046),
        ("Table 5", "emissions", "p", 0.00042849414, 2.70624e-8),
        ("Table 5", "energy_consumed", "p", 0.650854868, 0.113676778),
        ("Table 6", "USA/oregon, cifar10, ResNet50", "score", 4.107679, 5.367789),
        ("Table 6", "USA/oregon, mnist, ResNet50", "energy_consumed", 0.189305, 0.096088),
        ("Table 6", "TWN/taipei city, cifar10, VGG19", "score", 9.798325, 9.798325),
        ("Table 7", "mnist, VGG19", "cpu_energy", 0.0888551, 0.0888551),
        ("Section 4.3", "spearman_rho", "value", 0.942857, 0.942857),
        ("Section 4.3", "smallest_gap_percent", "value", 41.727240, 41.727240),
        ("Section 4.3", "largest_gap_percent", "value", 45.926474, 45.926474),
    ],
)
def test_golden_values_of_both_treatments(cells, table, row, column, as_published, corrected):
    for treatment, value in (
        (treatments.AS_PUBLISHED, as_published),
        (treatments.CORRECTED, corrected),
    ):
        assert cell(cells, table, row, column, treatment)["ours"] == pytest.approx(value, rel=1e-5)


@needs.replication
def test_what_the_correction_changes_in_table_6_is_resnet50_only(cells):
    corrected = cells[
        cells["table"].str.startswith("Table 6") & (cells["treatment"] == "corrected")
    ]
    changed = corrected[corrected["match"] == reproduction.DIFFERS]
    assert set(changed["row"].str.split(", ").str[-1]) == {"ResNet50"}
    assert set(changed["column"]) == {"energy_consumed", "score"}
    assert len(changed) == 10


@needs.replication
def test_the_paper_is_met_within_its_own_tolerances(cells):
    ours = cells[cells["treatment"] == treatments.AS_PUBLISHED]
    for table, tolerance in (("Table 3", 1e-4), ("Table 6", 5e-3), ("Table 7", 1e-2)):
        assert ours[ours["table"].str.startswith(table)]["difference"].abs().max() <= tolerance


def test_every_table_says_where_it_comes_from():
    for path in sorted(published.TABLES.glob("*.csv")):
        assert "arXiv:2302.00967v1" in published.source(path.stem) or "keras-flops" in (
            published.source(path.stem)
        )
        assert not published.table(path.stem).map(lambda text: text == "").any(axis=None)


def test_printed_digits_are_kept():
    assert published.table("table6")["energy_consumed"].tolist()[9] == "0.0920"
    assert published.table("table4")["p"].tolist()[0] == "<0.001"


def test_the_exact_table_2_is_the_printed_one():
    exact, printed = published.table("table2_exact"), published.table("table2")
    merged = exact.merge(printed, on=["architecture", "dataset"])
    for whole, short, unit in (
        ("parameters", "parameters_M", 1e6),
        ("trainable_parameters", "trainable_parameters_M", 1e6),
        ("flops", "flops_G", 1e9),
        ("flops_head", "flops_head_G", 1e9),
    ):
        for ours, paper in zip(merged[whole], merged[short], strict=True):
            assert reproduction.match(int(ours) / unit, paper) in reproduction.AGREEING


@pytest.mark.parametrize(
    ("ours", "printed", "expected"),
    [
        (0.04937, "0.0494", "rounded"),
        (0.04937, "0.0493", "cut off"),
        (-0.06056, "-0.0605", "cut off"),
        (-0.06056, "-0.0606", "rounded"),
        (0.0004, "<0.001", "below the bound"),
        (0.78, "<0.001", "differs"),
        (0.04937, "0.0495", "differs"),
        (float("nan"), "0.05", "differs"),
        (1e-12, "0.00", "rounded"),
    ],
)
def test_how_a_figure_meets_the_printed_one(ours, printed, expected):
    assert reproduction.match(ours, printed) == expected


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_what_is_printed_of_a_figure_meets_it(value, digits):
    assert reproduction.match(value, f"{value:.{digits}f}") in reproduction.AGREEING


def test_a_missing_configuration_is_an_empty_cell_that_differs():
    treatment = pd.DataFrame(
        {
            "architecture": ["VGG16"],
            "dataset": ["cifar10"],
            "image_size": [32],
            "depth": [16],
            "parameters": [33638218],
            "trainable_parameters": [18923530],
            "flops": [21268268928],
            "flops_head": [1210845056],
        }
    )
    cells = reproduction.beside_printed(reproduction.REPRODUCTIONS[0], treatment)
    assert cells["ours"].notna().sum() == 6
    assert (cells.loc[cells["ours"].isna(), "match"] == "differs").all()
