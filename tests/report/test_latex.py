import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.report import latex
from lib.report.page import Table

FRAME = pd.DataFrame(
    {
        "architecture": ["VGG16", "50 % & more_less {x} \\ #1 ~^ $ <b>"],
        "energy_consumed": [0.0165, np.nan],
        "energy_consumed_low": [-0.004, 0.2],
        "p": [1.2e-9, 0.05],
        "runs": [3, 12],
        "pareto": [True, False],
    }
)


def test_a_table_has_rules_units_braces_and_dashes():
    text = Table("table6_scores", "Energy in % of 100_000 W", FRAME, "CO₂-eq ± 5 %.").to_latex()
    lines = text.splitlines()
    assert lines[2] == (
        r"\caption{Energy in \% of 100\_000 W. CO\textsubscript{2}-eq $\pm$ 5 \%.}"
        r"\label{tab:table6_scores}"
    )
    assert r"{tabular}{p{0.35\linewidth}S[table-format=1.5]" in text
    assert r"{Energy (kWh)} & {95 \% from (kWh)}" in text
    assert "0.01650 & -0.004000 & 1.200e-09 & 3 & True" in text
    assert r"50 \% \& more\_less \{x\} \textbackslash{} \#1" in text
    assert "{--} & 0.2000 & 0.05000 & 12 & False" in text
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_long_tables_break_over_pages():
    text = latex.table("runs", "Runs", pd.DataFrame({"n": range(60)}))
    assert r"\begin{longtable}{S[table-format=2.0]}" in text
    assert text.count(r"\toprule") == 2
    assert r"\endhead" in text


@given(st.text())
def test_no_special_sign_is_left_alone(text):
    found = latex.escaped(text)
    bare = re.sub(r"\\[A-Za-z]+(\{[0-9]?\})?|\\[&%$#_{}]|\$[^$]*\$", "", found)
    assert not set("&%$#_^~\\{}") & set(bare)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="takes pdflatex (texlive-science)")
def test_it_compiles(tmp_path):
    for name, frame in (("one", FRAME), ("two", pd.DataFrame({"n": range(60)}))):
        (tmp_path / f"{name}.tex").write_text(latex.table(name, f"{name} & 5 %", frame, "A_b."))
    (tmp_path / "tables.tex").write_text(latex.document(["one", "two"]))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
