"""What a layer keeps of a photo, under two priors and two seeds: python what_a_layer_keeps.py"""

# %% [markdown]
# # What does a layer keep?
#
# A picture that a network cannot tell from the photo at a layer shows what that layer holds, and what the
# prior made up. One picture alone proves nothing: two seeds tell the two apart.

# %%
import invert
from invert.photos import default_photo

subject = invert.load("alexnet-mini")  # bundled; a name of torchvision or timm:NAME would do
print(", ".join(subject.main_layers))

# %% [markdown]
# ## One inversion
#
# `feature_error` is how far its features are from the photo's: 0 is the same, 1 is as far as nothing at all.

# %%
STEPS = 300
match = invert.FeatureMatch("conv3", default_photo())
result = invert.run(subject, match, "dip", steps=STEPS, seed=0, progress=True)
print(f"feature error {result.feature_error:.3f}, PSNR to the photo {result.measures['psnr']:.1f} dB")
result

# %% [markdown]
# ## A study: layers, priors, seeds
#
# The command line (`invert alexnet-mini --layer …`) does this many times over, into a folder with a page.
# Kept is what seeds agree on and the photo has; invented is what they agree on and the photo has not; free is
# where they differ.

# %%
from invert.cli import main

words = f"alexnet-mini --layer relu1,fc6 --prior tv,none --seeds 2 --steps {STEPS} --out layers --resume"
assert main([*words.split(), "--quiet"]) == 0

# %% [markdown]
# The page, as a browser shows it. Click a picture to compare it with the photo.

# %%
study = invert.study("layers")
for row in study.report.layers:
    print(row.layer, row.prior, row.reading)
study
