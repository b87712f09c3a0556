"""Reports: what a folder of runs shows, as a page, a figure and tables. Needs no classifier and no GPU."""

from invert_reports.figure import write_figure
from invert_reports.html.comparison import write_comparison
from invert_reports.html.page import write_page
from invert_reports.merging import merge
from invert_reports.tables import write_tables

__all__ = ["merge", "write_comparison", "write_figure", "write_page", "write_tables"]
