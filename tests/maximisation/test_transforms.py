from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import invert
from invert.engine.views import IN_PLACE, RandomViews, blurred, views_for


def rngs(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(3))


def test_a_view_of_everything_unturned_is_the_image_itself(images: torch.Tensor) -> None:
    views = RandomViews(count=2, smallest_crop=1.0, rotation=0.0, lowest_resolution=1.0, noise=0.0).start(
        rngs(0, 1)
    )(images)
    assert torch.equal(views, images.repeat_interleave(3, dim=0))


def test_the_image_itself_comes_first_and_then_its_views(images: torch.Tensor) -> None:
    views = RandomViews(count=2).start(rngs(0, 1))(images)
    assert torch.equal(views[::3], images)
    assert not (views[[1, 2, 4, 5]] == images[[0, 0, 1, 1]]).flatten(1).all(1).any()


def test_the_similarity_that_changes_nothing_changes_nothing(images: torch.Tensor) -> None:
    views = RandomViews(count=1, smallest_crop=1.0, rotation=1e-9, lowest_resolution=1.0, noise=0.0).start(
        rngs(0, 1)
    )(images)
    assert torch.allclose(views[1::2], images, atol=1e-5)


def test_a_turn_of_a_picture_that_is_not_square_keeps_its_proportions() -> None:
    """A disc stays a disc: rotation is in pixels, not in coordinates stretched with the sides."""
    y, x = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(48) - 23.5, indexing="ij")
    disc = ((x**2 + y**2) < 8**2).float().expand(1, 3, 24, 48).contiguous()
    for seed in range(4):
        turned = RandomViews(
            count=1, smallest_crop=1.0, rotation=30.0, lowest_resolution=1.0, noise=0.0
        ).start(rngs(seed))(disc)[1:]
        assert (turned - disc)[..., 12:36].abs().mean() < 0.04


def test_views_are_seeded_and_new_at_each_call(images: torch.Tensor) -> None:
    one, same, other = (RandomViews().start(rngs(*seeds)) for seeds in ([5, 6], [5, 6], [7, 8]))
    first, second = one(images), one(images)
    assert first.shape == (16, 3, 24, 32)
    assert torch.equal(first, same(images))
    assert not torch.equal(first, second)
    assert not torch.equal(first, other(images))


def test_the_views_of_a_problem_do_not_depend_on_those_beside_it(images: torch.Tensor) -> None:
    together = RandomViews().start(rngs(5, 6))(images)
    alone = RandomViews().start(rngs(6))(images[1:])
    assert torch.allclose(together[8:], alone, atol=1e-6)


def test_a_blur_is_that_of_fewer_pixels(images: torch.Tensor) -> None:
    """A half of the pixels a side: close to shrinking and enlarging, in how much of a grating it leaves."""
    x = torch.arange(64) / 64
    grating = 0.5 + 0.4 * torch.sin(2 * torch.pi * 6 * x).expand(1, 1, 64, 64)
    small = F.interpolate(grating, size=(32, 32), mode="bilinear", antialias=True)
    expected = F.interpolate(small, size=(64, 64), mode="bilinear").std()
    torch.testing.assert_close(blurred(grating, torch.tensor([0.5])).std(), expected, rtol=0.1, atol=0)
    torch.testing.assert_close(blurred(images, torch.ones(2)), images)
    flat = torch.full((2, 3, 24, 32), 0.3)
    torch.testing.assert_close(blurred(flat, torch.tensor([0.35, 0.7])), flat)


def test_views_draw_from_no_global_state(images: torch.Tensor) -> None:
    before = torch.get_rng_state()
    RandomViews().start(rngs(0, 1))(images)
    assert torch.equal(before, torch.get_rng_state())


def test_views_are_differentiable_and_stay_inside_the_range(images: torch.Tensor) -> None:
    images.requires_grad_()
    views = RandomViews(count=16, noise=0.0).start(rngs(0, 1))(images)
    assert float(views.detach().min()) >= 0 and float(views.detach().max()) <= 1
    (gradient,) = torch.autograd.grad(views[:17].sum(), images)
    assert (gradient[0] > 0).float().mean() > 0.9
    assert not gradient[1].any(), "the views of one image are not those of another"


def test_generators_resume_where_they_were(images: torch.Tensor) -> None:
    viewer = RandomViews().start(rngs(0, 1))
    viewer(images)
    states = [g.get_state() for g in viewer.generators()]
    expected = viewer(images)
    again = RandomViews().start(rngs(9, 9))
    for generator, state in zip(again.generators(), states, strict=True):
        generator.set_state(state)
    assert torch.equal(again(images), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"count": 0},
        {"smallest_crop": 0.0},
        {"smallest_crop": 1.1},
        {"rotation": -1},
        {"lowest_resolution": 0.0},
        {"noise": -1},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(invert.RequestError):
        RandomViews(**settings)  # type: ignore[arg-type]


def test_views_are_on_for_classes_and_units_alone() -> None:
    assert invert.FeatureMatch("conv1", "photo.png").views is None
    assert invert.ClassScore(0).views == invert.Channel("conv1", 0).views == RandomViews()
    assert invert.Neuron("conv1", 0).views == IN_PLACE
    assert invert.Neuron("conv1", 0).in_place
    assert not invert.Channel("conv1", 0).in_place
    beside = invert.Channel("conv1", 0) - invert.Neuron("conv1", 0)
    assert beside.in_place and beside.views == IN_PLACE
    assert views_for(IN_PLACE, None) == IN_PLACE
    assert views_for(RandomViews(), 0) is None
    assert views_for(None, None) is None
    assert views_for(None, 2) == RandomViews(count=2)
    with pytest.raises(invert.RequestError, match=r"0 \(none\) or more"):
        views_for(None, -1)
