import shutil

import pytest

from lib.logs.codecarbon import LogError
from lib.paper import package
from tests import needs

pytestmark = needs.replication


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(needs.REPLICATION, tmp_path / "package")


def test_the_package_is_found_in_and_around_a_folder(copy):
    assert package.find_root(copy) == copy
    assert package.find_root(copy.parent) == copy
    assert package.find_root(copy / "kaggle").resolve() == copy.resolve()
    (copy / "kaggle" / "accuracy.csv").unlink()
    assert package.find_root(copy) is None


def test_both_campaigns_are_read(copy):
    found = package.read(copy)
    assert found.results["campaign"].value_counts().to_dict() == {"kaggle": 45, "wattmeter": 18}
    assert set(found.results["cpu_method"]) == {package.CONSTANT_CPU, package.RAPL}
    assert found.histories.groupby("run_id").size().nunique() == 1


@pytest.mark.parametrize(
    ("pattern", "text", "says"),
    [
        ("summary_*.json", "{}", "expected joules, timeExecution and samples"),
        ("accuracy.txt", "acf:[0.5]", "expected the lines acf and loss_val"),
        ("accuracy.txt", "acf:[]\nloss_val:[]", "has no epoch"),
    ],
)
def test_a_damaged_file_is_named(copy, pattern, text, says):
    (run, *_) = sorted((copy / "grilla" / "results_summary").glob("out_code_carbon_*"))
    (path, *_) = run.glob(pattern)
    path.write_text(text)
    with pytest.raises(LogError, match=says) as caught:
        package.read(copy)
    assert run.name in str(caught.value)
