#!/usr/bin/env python3
"""Writes scikit-learn's handwritten digits (datasets/images/digits) as PNG files, in one folder for each class.

    digits.py FOLDER [--side 32]
"""

import argparse
import gzip
import pathlib

import numpy
from PIL import Image

TABLE = pathlib.Path(__file__).resolve().parents[2] / "datasets/images/digits/digits.csv.gz"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--side", type=int, default=32)
    arguments = parser.parse_args()
    with gzip.open(TABLE, "rt") as file:
        rows = numpy.loadtxt(file, delimiter=",")
    for number, row in enumerate(rows):
        folder = arguments.folder / f"digit-{int(row[64])}"
        folder.mkdir(parents=True, exist_ok=True)
        # Values are from 0 to 16.
        small = Image.fromarray((row[:64].reshape(8, 8) * 255 / 16).round().astype(numpy.uint8))
        small.resize((arguments.side, arguments.side), Image.Resampling.BILINEAR).save(folder / f"{number:04}.png")


if __name__ == "__main__":
    main()
