#!/usr/bin/env python3
"""Draws a set of colour pictures of ten classes, as PNG and JPEG files in one folder for each class.

    pictures.py FOLDER [--each 100] [--side 96] [--seed 0]

A class is a bright shape on a dark ground: disc, ring, square, frame, triangle, cross, star, stripes, checks or dots. Colours, place,
size, turn, shade and noise are random, so that only the shape tells the classes apart. The same seed draws the same pictures.
"""

import argparse
import pathlib

import numpy
from PIL import Image

CLASSES = ["checks", "cross", "disc", "dots", "frame", "ring", "square", "star", "stripes", "triangle"]


def shape(name, x, y):
    """How far inside of the shape each pixel lies, where the shape reaches from -1 to 1; positive inside."""
    radius, angle = numpy.hypot(x, y), numpy.arctan2(y, x)
    box = numpy.maximum(abs(x), abs(y))
    if name == "disc":
        return 1 - radius
    if name == "ring":
        return 0.25 - abs(radius - 0.75)
    if name == "square":
        return 0.85 - box
    if name == "frame":
        return 0.2 - abs(box - 0.7)
    if name == "triangle":
        return numpy.minimum(0.55 - y, 0.55 + 0.5 * y - abs(x) * 0.9)
    if name == "cross":
        return numpy.maximum(numpy.minimum(0.25 - abs(x), 1 - abs(y)), numpy.minimum(0.25 - abs(y), 1 - abs(x)))
    if name == "star":
        return 0.62 + 0.33 * numpy.cos(5 * angle) - radius
    inside = 1 - box
    if name == "stripes":
        return numpy.minimum(inside, numpy.sin(7 * x) * 0.3)
    if name == "checks":
        return numpy.minimum(inside, numpy.sin(7 * x) * numpy.sin(7 * y) * 0.3)
    return numpy.minimum(inside, numpy.cos(8 * x) * numpy.cos(8 * y) - 0.45)


def picture(name, side, rng):
    rows, columns = numpy.mgrid[0:side, 0:side].astype(numpy.float64)
    size = rng.uniform(0.3, 0.42) * side
    turn = rng.uniform(-0.25, 0.25)
    left, top = rng.uniform(0.42, 0.58, 2) * side
    x, y = (columns - left) / size, (rows - top) / size
    x, y = x * numpy.cos(turn) + y * numpy.sin(turn), y * numpy.cos(turn) - x * numpy.sin(turn)
    share = numpy.clip(shape(name, x, y) * size / 2 + 0.5, 0, 1)[..., None]
    ground, figure = rng.uniform(10, 90, 3), rng.uniform(140, 245, 3)
    shade = rng.uniform(-30, 30, 2)
    light = (shade[0] * (rows / side - 0.5) + shade[1] * (columns / side - 0.5))[..., None]
    values = ground * (1 - share) + figure * share + light + rng.normal(0, 10, (side, side, 3))
    return Image.fromarray(numpy.clip(values, 0, 255).astype(numpy.uint8))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for number, name in enumerate(CLASSES):
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for image in range(arguments.each):
            rng = numpy.random.default_rng([arguments.seed, number, image])
            drawn = picture(name, arguments.side, rng)
            if image % 2:
                drawn.save(folder / f"{image:04}.jpg", quality=92)
            else:
                drawn.save(folder / f"{image:04}.png")


if __name__ == "__main__":
    main()
