"""The tables of the report, one function a table: a study in, a `Table` out.

Where the paper has such a table, ours has its number. A table that can't be filled says why.
"""

from lib.report.budgets import budget
from lib.report.tables.answers import (
    agreement,
    answer,
    instrument_gaps,
    instruments,
    measurements,
    methods,
    networks,
    pairs,
    places,
    questions,
    savings,
    scores,
)
from lib.report.tables.frugality import baseline, frugality, predictions
from lib.report.tables.paper import beside_paper, conclusions, evidence
from lib.report.tables.setting import all_tests, audits, machines, protocol, runs, versions
