"""Reports: what a folder of runs shows, as a page, a figure and tables. Needs no classifier and no GPU."""

from reports.comparison import write_comparison
from reports.figure import write_figure
from reports.merge import merge
from reports.page import write_page
from reports.tables import write_tables

__all__ = ["merge", "write_comparison", "write_figure", "write_page", "write_tables"]
