"""A gradient for units that a ReLU has switched off."""

from __future__ import annotations

from torch import Tensor

RECTIFIERS = ("ReluBackward0", "HardtanhBackward0")
"""ReLU, and ReLU6 as its clamp."""

HOST_SEES = ("cpu",)
"""Where to look at a value before going on costs nothing: an accelerator would be waited for."""


def redirect_dead_relus(value: Tensor, image: Tensor) -> None:
    """In the backward pass from `value` to `image`, let ReLUs that would stop all of it pass it on.

    Where nothing of an example's gradient gets through a ReLU, the part that would switch it on
    passes instead, as if the unit were read before the ReLU; everywhere else the gradient is the
    true one. This is Lucid's redirected gradient. Works on the autograd graph, so it does not
    matter how the network calls its ReLUs.
    """
    start, end = value.grad_fn, image.grad_fn
    seen = {end}
    waiting = [start] if start is not None else []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name() in RECTIFIERS:
            node.register_hook(_redirected)
        waiting += [following for following, _ in node.next_functions if following is not None]


def _redirected(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    through, arrived = inputs[0], outputs[0]
    if through is None or arrived is None:
        return inputs
    example = tuple(range(1, through.dim()))
    if through.device.type in HOST_SEES and through.sum(example).all():
        return inputs
    stopped = through.abs().amax(example, keepdim=True) == 0
    return (through.where(~stopped, arrived.clamp(max=0)), *inputs[1:])
