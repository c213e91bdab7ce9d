#!/usr/bin/env python3
"""Runs an ONNX file in onnxruntime and compares its output with an expected one.

    check_onnx.py MODEL.onnx --input INPUT.f32 --expect OUTPUT.f32 [--tolerance 1e-4]

INPUT and OUTPUT hold little-endian 32-bit floats without any header; shapes are the model's. Several
inputs follow one another. The difference is relative to the largest expected value. Exit status 0 if
all agree, 1 if not, 2 if the model cannot be run. One JSON object on stdout.
"""

import argparse
import json
import sys

import numpy
import onnxruntime


def main() -> int:
    parser = argparse.ArgumentParser(description="compare an ONNX file's output with an expected one")
    parser.add_argument("model")
    parser.add_argument("--input", required=True)
    parser.add_argument("--expect", required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()

    try:
        session = onnxruntime.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
        numbers = numpy.fromfile(arguments.input, dtype="<f4")
        feeds, start = {}, 0
        for declared in session.get_inputs():
            count = int(numpy.prod(declared.shape))
            feeds[declared.name] = numbers[start : start + count].reshape(declared.shape)
            start += count
        output = session.run(None, feeds)[0]
    except Exception as error:  # whatever onnxruntime raises
        print(f"cannot run {arguments.model}: {error}", file=sys.stderr)
        return 2

    expected = numpy.fromfile(arguments.expect, dtype="<f4")
    if expected.size != output.size:
        print(f"{output.size} numbers came out, {expected.size} were expected", file=sys.stderr)
        return 1
    scale = float(numpy.abs(expected).max()) or 1.0
    difference = float(numpy.abs(output.reshape(-1) - expected).max()) / scale
    agrees = bool(difference <= arguments.tolerance)
    print(
        json.dumps(
            {
                "model": arguments.model,
                "inputs": [declared.name for declared in session.get_inputs()],
                "outputs": [declared.name for declared in session.get_outputs()],
                "relative_difference": difference,
                "agrees": agrees,
            }
        )
    )
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
