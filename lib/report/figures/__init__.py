"""Plotly figures, one function a figure: tables in, a `go.Figure` out.

Every figure has a title, axes with units, hover that names the run, and a description in words
under `layout.meta["alt"]`, computed from the data, for those who can't see it. What can't be drawn
is a figure with a sentence in it. Text from the data is shown as text, never read as markup.

Backgrounds are transparent and the lettering is a grey that is legible on white and on black, so a
figure fits a light notebook and a dark one.
"""

from lib.report.figures.agreement import bland_altman
from lib.report.figures.curves import learning_curves
from lib.report.figures.live import LiveCurve
from lib.report.figures.ratios import energies, interaction, ratios
from lib.report.figures.run import learning_curve, power, samples
from lib.report.figures.savings import savings
from lib.report.figures.study import violins
from lib.report.figures.tradeoff import accuracy_energy
