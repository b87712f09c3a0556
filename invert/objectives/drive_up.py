"""What all objectives that drive something up have in common."""

from __future__ import annotations

from invert.engine.views import RandomViews
from invert.protocols import Objective


class DriveUp(Objective):
    """An objective whose value is minus a score of the picture, and which compares it with nothing.

    It is looked at through random views, so that a shape comes out and no pattern of pixels; a dead
    unit comes alive; one that cannot move is an error and no grey picture.
    """

    @property
    def preset(self) -> str | None:
        return "maximisation"

    @property
    def views(self) -> RandomViews | None:
        return RandomViews()

    @property
    def drives_up(self) -> bool:
        return True

    @property
    def checks_gradient(self) -> bool:
        return True

    @property
    def redirects_relus(self) -> bool:
        return True

    @property
    def must_move(self) -> bool:
        return True
