"""What each class of a fine-tuned network looks like to it:
python finetuned_classes.py --model resnet18 --weights mine.safetensors --labels mine.txt

The head may have any number of classes: it is built as large as the one in the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import invert
from invert.images import save_png


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="alexnet-mini", help="what was fine-tuned")
    parser.add_argument("--weights", type=Path, help="your checkpoint, .safetensors or .pth")
    parser.add_argument("--labels", type=Path, help="your class names, one a line")
    parser.add_argument("--prior", default="dip")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("classes"), help="a folder")
    options = parser.parse_args()

    subject = invert.load(options.model, options.weights, labels=options.labels)
    classes = subject.classes or tuple(map(str, range(subject.layer("output").shape[0])))
    options.out.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(classes):
        result = invert.run(subject, invert.ClassScore(index), options.prior, steps=options.steps)
        picture = options.out / f"{index:03}.png"
        save_png(result.image, picture)
        print(f"{picture}  {name}: probability {result.measures['target_probability']:.3f}")


if __name__ == "__main__":
    main()
