from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import invert
from invert import Channel, ClassLogOdds, ClassProbability, ClassScore, Direction, Neuron
from invert.api import results
from invert.engine.problem import Problem
from invert.protocols import Objective

OBJECTIVES = [
    ClassScore("zebra"),
    ClassScore("golf ball", value=300.0),
    ClassLogOdds("crane fly"),
    ClassProbability("English springer"),
    Channel("conv2", 3),
    Channel("relu2", 3),
    Channel("fc3", 4),
    Neuron("conv2", 5),
    Neuron("conv2", 5, (3, 12)),
    Neuron("fc3", 2),
    Direction("conv1", (1.0, -1.0, 0.0, 0.5, 0.0, 0.0, 2.0, 0.0)),
    2 * ClassScore("zebra") - ClassScore("golf ball"),
    ClassScore("zebra") + 0.1 * Channel("relu1", 0),
]


@pytest.mark.parametrize("prior", ["dip", "none"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_a_few_steps_drive_it_up(subject: invert.Subject, objective: Objective, prior: str) -> None:
    problem = Problem.pose(subject, objective, invert.prior(prior))
    optimisation = problem.optimisation([0], 8)
    with torch.no_grad():
        before = float(problem.loss(optimisation.canvas()))
    *_, stopped = optimisation
    result = results(problem, stopped, optimisation, [0])[0]
    assert float(problem.loss(result.image)) < before


def test_objectives_add_subtract_and_scale(subject: invert.Subject) -> None:
    image = torch.rand(2, *subject.input_shape, generator=torch.Generator().manual_seed(0))

    def value(objective: Objective) -> torch.Tensor:
        bound = objective.bind(subject)
        return bound(image, subject.activations(image, bound.layers))

    zebra, ball, unit = ClassScore("zebra"), ClassScore(1), Channel("conv2", 0)
    assert torch.allclose(value(zebra + ball), value(zebra) + value(ball))
    assert torch.allclose(value(zebra - 2 * ball), value(zebra) - 2 * value(ball))
    assert torch.allclose(value(-(zebra + ball) * 0.5), -0.5 * (value(zebra) + value(ball)))
    assert torch.allclose(value(zebra + ball + unit), value(zebra + (ball + unit)))
    assert (zebra + unit).layers == ("output", "conv2")
    assert (zebra + unit).section == "class"
    assert "2 × class zebra" in str(2 * zebra)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (ClassScore("zebar"), "did you mean zebra"),
        (ClassScore("7"), "0 to 4"),
        (ClassScore("springer dog"), "unknown class"),
        (ClassScore("cran"), "several: crane .3., crane fly .4."),
        (Channel("conv2", 12), "0 to 11"),
        (Channel("conv9", 1), "unknown layer"),
        (Neuron("conv2", 1, (0, 16)), "16 × 16"),
        (Neuron("fc3", 1, (0, 0)), "a single value"),
        (Direction("conv1", (1.0,)), "8 channels"),
        (Direction("conv1", (0.0,) * 8), "zero"),
    ],
    ids=str,
)
def test_what_is_not_there_is_said_in_one_line(
    subject: invert.Subject, objective: Objective, message: str
) -> None:
    with pytest.raises(invert.RequestError, match=message) as caught:
        invert.run(subject, objective, steps=1)
    assert "\n" not in str(caught.value)


def test_the_same_seed_draws_the_same_and_problems_do_not_meet(subject: invert.Subject) -> None:
    def solve(seeds: list[int]) -> list[invert.Result]:
        problem = Problem.pose(subject, ClassScore("zebra"), invert.prior("dip"))
        optimisation = problem.optimisation(seeds, 4)
        *_, stopped = optimisation
        return results(problem, stopped, optimisation, seeds)

    alone, again, (_, beside) = solve([1])[0], solve([1])[0], solve([0, 1])
    assert torch.equal(alone.image, again.image)
    assert torch.allclose(alone.image, beside.image, atol=1e-4)


def test_a_run_goes_on_from_a_checkpoint_as_if_never_stopped(subject: invert.Subject) -> None:
    problem = Problem.pose(subject, ClassScore("zebra"), invert.prior("dip"))
    *_, whole = problem.optimisation([0], 6)
    first, second = problem.optimisation([0], 6), problem.optimisation([0], 6)
    for event in first:
        if getattr(event, "step", 0) == 3:
            second.restore(first.state())
            break
    *_, resumed = second
    assert torch.equal(whole.best, resumed.best) and torch.equal(whole.last, resumed.last)


def test_log_odds_are_those_of_the_probability(subject: invert.Subject) -> None:
    image = torch.rand(2, *subject.input_shape, generator=torch.Generator().manual_seed(0))
    output = {"output": subject.logits(image)}
    p = output["output"].softmax(1)[:, 2]
    assert torch.allclose(ClassLogOdds(2)(image, output), -(p / (1 - p)).log(), atol=1e-5)
    single = {"output": torch.tensor([[3.0], [-1.0], [40.0]])}
    assert torch.equal(ClassLogOdds(0)(image, single), torch.tensor([-3.0, 1.0, -30.0]))
    assert torch.equal(ClassLogOdds(0, enough=math.inf)(image, single), torch.tensor([-3.0, 1.0, -40.0]))


class Sharp(nn.Module):
    """The brighter, the surer of class 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        level = 20 * x.mean((1, 2, 3))
        return torch.stack([-level, level], dim=1)


def test_a_run_ends_when_the_network_is_sure_in_every_view() -> None:
    """Odds of exp(2 · level): 8 at an x of 0.2."""
    subject = invert.wrap(Sharp(), size=16, mean=0.5, std=0.5)
    result = invert.run(subject, ClassLogOdds(1, enough=8.0), "none", steps=200)
    assert result.stopped == "until" and result.steps < 200
    assert float(result.loss[-1]) == -8.0 and bool((result.loss[:-1] > -8.0).all())
    assert float(result.image.mean()) >= 0.6
    assert invert.run(subject, ClassLogOdds(1, enough=math.inf), "none", steps=200).stopped == "steps"


def test_a_network_that_is_sure_at_once_is_no_unit_that_does_not_move() -> None:
    subject = invert.wrap(Sharp(), size=16, mean=-0.5, std=0.5)
    result = invert.run(subject, ClassLogOdds(1), "none", steps=20)
    assert (result.stopped, result.steps) == ("until", 1)


def dead_network() -> nn.Sequential:
    """Its units are switched off by a bias for every grey image, and on by strong edges."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU())
    nn.init.constant_(network[0].bias, -0.2)  # type: ignore[arg-type]
    nn.init.constant_(network[2].bias, -0.1)  # type: ignore[arg-type]
    return network


@pytest.mark.parametrize("prior", ["dip", "tv", "none"])
@pytest.mark.parametrize("objective", [Channel("3", 1), Neuron("3", 0)], ids=str)
def test_a_unit_behind_a_dead_relu_comes_alive(objective: Objective, prior: str) -> None:
    subject = invert.wrap(dead_network(), size=32, mean=0.5, std=0.25)
    result = invert.run(subject, objective, prior, steps=150)
    assert result.loss[0] == 0
    assert result.measures["target_score"] is not None and result.measures["target_score"] > 0


def test_a_unit_that_cannot_move_is_an_error_and_no_grey_picture() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Hardsigmoid())
    nn.init.constant_(network[0].bias, -100.0)  # type: ignore[arg-type]
    subject = invert.wrap(network, size=32, mean=0.5, std=0.25)
    with pytest.raises(invert.RunError, match=r"does not move.*gradient is zero"):
        invert.run(subject, Channel("1", 0), "none", steps=5)


def test_the_redirected_gradient_is_the_true_one_where_a_unit_is_alive(subject: invert.Subject) -> None:
    image = torch.rand(1, *subject.input_shape, generator=torch.Generator().manual_seed(0))
    objective = Channel("relu2", 1).bind(subject)
    plain, redirected = image.clone().requires_grad_(), image.clone().requires_grad_()
    objective(plain, subject.activations(plain, objective.layers)).sum().backward()
    Problem.pose(subject, objective, invert.prior("none")).loss(redirected).sum().backward()
    assert plain.grad is not None and plain.grad.any()
    assert torch.equal(plain.grad, redirected.grad)
