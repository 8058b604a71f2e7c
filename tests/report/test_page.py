import io

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from lib.report.page import ABSENT, Link, Prose, Table

HOSTILE = "<script>alert('x')</script>\" onmouseover=alert(1)"


def cells(table):
    soup = BeautifulSoup(table._repr_html_(), "html.parser")
    return [[cell.text for cell in row.find_all("td")] for row in soup.find_all("tr")[1:]]


def column(values, name="energy_consumed"):
    return [row[0] for row in cells(Table("t", "A table", pd.DataFrame({name: values})))]


def test_a_column_has_one_unit_and_one_number_of_decimals():
    table = Table("t", "A table", pd.DataFrame({"energy_consumed": [0.0583, 0.012345678]}))
    head = BeautifulSoup(table._repr_html_(), "html.parser").find("th")
    assert head.text == "Energy (Wh)"
    assert head["data-full"] == '["Energy (kWh)"]', "the unit of data-value"
    assert column([0.0583, 0.012345678]) == ["58.30", "12.35"]


@pytest.mark.parametrize(
    ("name", "values", "texts"),
    [
        ("accuracy", [0.6189, 0.1], ["0.6189", "0.1000"]),
        ("runs", [3, 15], ["3", "15"]),
        ("duration", [1674.8, 18439.3], ["1,675", "18,439"]),
        ("p", [0.6509123, 0.0001, 0.001], ["0.6509", "< 0.001", "0.0010"]),
        ("value", [12.64, 0.0493, 10.0], ["12.64", "0.0493", "10"]),
        ("value", [0.5636, 7.5e-07], ["0.5636", "7.500e−07"]),
        ("effect", [-2.3e-17, 0.5], ["0.0000", "0.5000"]),
        ("effect", [np.nan, -0.5], ["", "−0.5000"]),
        ("value", [np.nan, np.inf, 1e20], ["", "∞", "1.000e+20"]),
        ("flag", [True, False], ["yes", "no"]),
        ("value", [None, pd.NA], ["", ""]),
        ("value", pd.array([1, None], dtype="Int64"), ["1", ""]),
    ],
)
def test_cells_have_sensible_digits_and_are_empty_where_nothing_is_known(name, values, texts):
    assert column(values, name) == texts


def test_a_cell_keeps_its_full_value_for_sorting_and_saving():
    html = Table("t", "A table", pd.DataFrame({"energy_consumed": [1 / 3000]}))._repr_html_()
    cell = BeautifulSoup(html, "html.parser").find("td")
    assert cell["data-value"] == repr(1 / 3000)
    assert cell.text == "0.3333"


@pytest.mark.parametrize("values", [[26704938880, 3], pd.array([26704938880, None], "Int64")])
def test_whole_numbers_are_saved_whole(values):
    html = Table("t", "A table", pd.DataFrame({"flops": values}))._repr_html_()
    assert BeautifulSoup(html, "html.parser").find("td")["data-value"] == "26704938880"


@given(st.text(), st.text(), st.text())
def test_text_is_never_markup(caption, name, value):
    table = Table("t", caption, pd.DataFrame({name: [value, HOSTILE]}), note=caption)
    parts = (table, Prose((value, HOSTILE), kind="ul"))
    soup = BeautifulSoup("".join(part._repr_html_() for part in parts), "html.parser")
    known = {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "span"}
    assert {tag.name for tag in soup.find_all(True)} <= known
    assert not [tag for tag in soup.find_all(True) if "onmouseover" in tag.attrs]
    assert HOSTILE in soup.find_all("td")[-1].text


def test_printed_numbers_sort_as_numbers():
    texts = ["1,234", "0.001", "<0.001", "1.2 ± 0.3", "12 %", "−3", "7.5e−07", "", "> 9"]
    html = Table("t", "T", pd.DataFrame({"the_paper": texts}))._repr_html_()
    found = BeautifulSoup(html, "html.parser").find_all("td")
    keys = [float(cell["data-sort"]) for cell in found if cell.text]
    assert [cell["data-sort"] for cell in found if not cell.text] == [""]
    shown = [cell.text for cell in found if cell.text]
    assert [text for _, text in sorted(zip(keys, shown, strict=True))] == [
        *("−3", "7.5e−07", "<0.001", "0.001", "1.2 ± 0.3", "> 9", "12 %", "1,234")
    ]


def test_what_is_infinite_sorts_beside_numbers():
    html = Table("t", "T", pd.DataFrame({"value": [-np.inf, 1.0]}))._repr_html_()
    first, second = BeautifulSoup(html, "html.parser").find_all("td")
    assert first["data-sort"] == "-Infinity"
    assert "data-sort" not in second.attrs


def test_a_link_leads_to_its_file():
    frame = pd.DataFrame({"run_id": [Link("a<b", 'runs/"a/train.ipynb')]})
    link = BeautifulSoup(Table("t", "T", frame)._repr_html_(), "html.parser").find("a")
    assert (link.text, link["href"]) == ("a<b", 'runs/"a/train.ipynb')


def test_a_table_without_rows_says_why_or_nothing():
    empty = pd.DataFrame({"p": []})
    note = Table("t", "", empty, "Table 3: one dataset only.")._repr_html_()
    assert BeautifulSoup(note, "html.parser").text == "Table 3: one dataset only."
    assert Table("t", "", empty)._repr_html_() == ""
    assert Table("t", "", empty)._repr_mimebundle_()[0][ABSENT] == ""
    assert Prose(())._repr_mimebundle_()[ABSENT] == ""


def test_an_interval_stands_with_its_value_and_is_saved_with_all_digits():
    frame = pd.DataFrame(
        {"energy_ratio": [1.25, 2.0], "energy_ratio_low": [1.21, np.nan], "energy_ratio_high": 1.29}
    )
    soup = BeautifulSoup(Table("t", "T", frame)._repr_html_(), "html.parser")
    (head,) = soup.find_all("th")
    assert "95 % interval" in head.text
    assert head["data-full"].count("95 %") == 2
    first, second = soup.find_all("td")
    assert first.text == "1.250 1.210 to 1.290"
    assert (first["data-low"], first["data-high"]) == ("1.21", "1.29")
    assert second.text == "2.000"


def test_a_phone_has_the_quantity_second():
    frame = pd.DataFrame(
        {
            "architecture": ["VGG16", "VGG19"],
            "dataset": ["a", "b"],
            "location": "FRA",
            "energy_consumed": [1.0, 2.0],
        }
    )
    soup = BeautifulSoup(Table("t", "T", frame)._repr_html_(), "html.parser")
    row = soup.find_all("tr")[1].find_all("td")
    shown = [cell.text for cell in row if "spare" not in cell["class"]]
    assert shown == ["VGG16 · a", "1"]
    assert row[0]["data-value"] == "VGG16", "what is sorted and saved"


def test_quantities_of_one_unit_keep_one_unit():
    frame = pd.DataFrame({"energy_consumed": [0.3], "cpu_energy": [0.01], "flops": [2.0e10]})
    heads = BeautifulSoup(Table("t", "T", frame)._repr_html_(), "html.parser").find_all("th")
    assert [head.text for head in heads] == [
        "Energy (kWh)",
        "CPU energy (kWh)",
        "FLOPs of a forward batch (G)",
    ]


def test_a_csv_has_all_digits_and_units_in_its_heads():
    text = Table("t", "T", pd.DataFrame({"energy_consumed": [1 / 3000], "n": [3]})).to_csv()
    read = pd.read_csv(io.StringIO(text))
    assert list(read) == ["Energy (kWh)", "n"]
    assert read.iloc[0, 0] == 1 / 3000
