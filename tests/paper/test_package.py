import shutil

from lib.paper import package
from tests import needs

pytestmark = needs.replication


def test_the_package_is_found_in_and_around_a_folder(tmp_path):
    copy = shutil.copytree(needs.REPLICATION, tmp_path / "package")
    assert package.find_root(copy) == copy
    assert package.find_root(copy.parent) == copy
    assert package.find_root(copy / "kaggle").resolve() == copy.resolve()
    (copy / "kaggle" / "accuracy.csv").unlink()
    assert package.find_root(copy) is None
