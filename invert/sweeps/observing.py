"""What a request to restore pictures looks at: its task, and what was said beside each file."""

from __future__ import annotations

from invert import tasks
from invert.sweeps.restoration import Restoration
from invert.tasks import Given, Task, Wanted


def task_of(request: Restoration) -> Task:
    """Raises `RequestError` where there is none of that name."""
    return tasks.find(request.task)


def wanted(request: Restoration) -> Wanted:
    """What was said beside the file of a request for one."""
    return Wanted(
        **{name: next(iter(getattr(request, name)), None) for name in request.one_each},
        factor=request.factor,
        sigma=request.sigma,
        share=request.share,
        quality=request.quality,
        simulate=request.simulate,
        draw=request.draw,
        settings=request.settings,
    )


def given(request: Restoration) -> Given:
    """What the file of a request for one says of a picture. Raises `RequestError` where something does
    not fit."""
    return task_of(request).given(request.file[0], wanted(request))
