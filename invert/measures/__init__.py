"""One number for one question: what each measure is, and the evidence it is computed from.

A run's measures look at one inversion; a row's at all inversions of one layer under one prior.
They register under the entry point `invert.measures`.
"""

from invert.measures.evidence import Evidence, RowEvidence
from invert.measures.measure import Measure, RowMeasure, describe, measure_row, measure_run

__all__ = ["Evidence", "Measure", "RowEvidence", "RowMeasure", "describe", "measure_row", "measure_run"]
