import subprocess
import sys

PROGRAM = """
import sys
import lib, nbformat
nbformat.validate(nbformat.v4.new_notebook())
print(*sorted(name for name in sys.modules if name.startswith(("lark", "rfc3987_syntax."))))
"""


def test_notebooks_are_read_without_a_grammar_of_addresses():
    """See `lib/__init__.py`."""
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ""
