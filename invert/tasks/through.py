"""Any operator by its name, a plug-in's as well: what it shows of a picture is known, and nothing else."""

from __future__ import annotations

from invert.errors import RequestError
from invert.protocols import Operator
from invert.scans import Scan
from invert.tasks.task import Given, Task, Wanted


class Through(Task):
    def __init__(self, name: str) -> None:
        self.name = name

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        return self.make(self.name, wanted)

    def given(self, file: str, wanted: Wanted) -> Given:
        try:
            return super().given(file, wanted)
        except RequestError as error:
            if wanted.simulate or "what was observed is" not in str(error):
                raise
            raise RequestError(f"{error}; --simulate makes it from a clean picture") from error
