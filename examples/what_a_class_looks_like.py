"""Pictures that drive a class, and two channels, up: python what_a_class_looks_like.py"""

# %% [markdown]
# # What does a class look like?
#
# Nothing is matched here: a picture is found that drives a class up, from random views of it, so that a shape
# comes out and no pattern of pixels.

# %%
import invert

subject = invert.load("alexnet-mini")
STEPS = 200
church = invert.run(subject, invert.ClassLogOdds("church"), "dip", steps=STEPS, seed=0, progress=True)
print(f"church, for the network itself: {church.measures['target_probability']:.0%}")
church

# %% [markdown]
# A picture that only its own network believes is an adversarial pattern: name an independent network as
# `judge` and look at `judge_rank`, as `invert squeezenet1_1 --class church --judge alexnet-mini` does.
#
# ## A channel, and objectives that add
#
# Each is a number for a picture, minimised; they add and scale.

# %%
both = invert.Channel("conv4", 17) + 0.5 * invert.Channel("conv4", 3)
invert.run(subject, both, "fourier", steps=STEPS, seed=0, progress=True)
