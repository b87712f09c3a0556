"""Where networks come from: torchvision, timm, a file, the bundled one; and their weights."""
