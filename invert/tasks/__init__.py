"""What is asked of a picture in a file: one task a file, and any operator by its name."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from invert import registry
from invert.errors import unknown
from invert.tasks.task import Given, Task, Wanted
from invert.tasks.through import Through

TASKS = {
    "denoise": "invert.tasks.denoise:Denoise",
    "inpaint": "invert.tasks.inpaint:Inpaint",
    "upscale": "invert.tasks.upscale:Upscale",
    "jpeg": "invert.tasks.jpeg:Jpeg",
    "flash": "invert.tasks.flash:Flash",
}

__all__ = ["TASKS", "Given", "Task", "Wanted", "find"]


def find(name: str) -> Task:
    """The task of that name, or what is known through the operator of that name.

    Raises `RequestError` where there is neither.
    """
    if name in TASKS:
        module, _, cls = TASKS[name].partition(":")
        return cast(Task, getattr(import_module(module), cls)())
    operators = registry.names("invert.operators")
    if name not in operators:
        raise unknown("task or operator", name, [*TASKS, *operators])
    return Through(name)
