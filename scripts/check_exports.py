#!/usr/bin/env python3
"""Runs exported networks in the runtimes that they are made for, and compares their outputs with expected ones.

    check_exports.py [--tolerance T] [--cosine C] FILE...

`.tflite` files run in LiteRT, `.onnx` files in onnxruntime. Beside each FILE stand FILE.input and FILE.output: little-endian
32-bit floats without any header, channels first, the inputs one after another. Maps are turned to the order of `.tflite` files,
which have channels last; inputs and outputs that are 8-bit integers are converted as the file says.

The difference is relative to the largest expected value, and must be at most T; with --cosine the cosine of both outputs
must be at least C instead. Exit status 0 if all agree, 1 if not. A JSON list on stdout, with an `error` for what cannot be
run.
"""

import argparse
import json
import pathlib
import sys

import numpy


def to_integers(numbers: numpy.ndarray, tensor: dict) -> numpy.ndarray:
    scale, zero = tensor["quantization"]
    if not scale:
        return numbers.astype(tensor["dtype"])
    limits = numpy.iinfo(tensor["dtype"])
    return numpy.clip(numpy.round(numbers / scale) + zero, limits.min, limits.max).astype(tensor["dtype"])


def to_floats(numbers: numpy.ndarray, tensor: dict) -> numpy.ndarray:
    scale, zero = tensor["quantization"]
    numbers = numbers.astype(numpy.float32)
    return (numbers - zero) * scale if scale else numbers


def in_litert(path: str, numbers: numpy.ndarray) -> tuple[numpy.ndarray, list, list]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    start = 0
    for tensor in interpreter.get_input_details():
        shape = tensor["shape"]
        count = int(numpy.prod(shape))
        given = numbers[start : start + count]
        start += count
        if len(shape) == 4:
            batch, height, width, channels = shape
            given = given.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
        interpreter.set_tensor(tensor["index"], to_integers(given.reshape(shape), tensor))
    interpreter.invoke()
    last = interpreter.get_output_details()[0]
    output = to_floats(interpreter.get_tensor(last["index"]), last)
    if output.ndim == 4:
        output = output.transpose(0, 3, 1, 2)
    names = [[tensor["name"] for tensor in interpreter.get_input_details()], [last["name"]]]
    return output, names[0], names[1]


def in_onnxruntime(path: str, numbers: numpy.ndarray) -> tuple[numpy.ndarray, list, list]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds, start = {}, 0
    for declared in session.get_inputs():
        count = int(numpy.prod(declared.shape))
        feeds[declared.name] = numbers[start : start + count].reshape(declared.shape)
        start += count
    output = session.run(None, feeds)[0]
    names = [[declared.name for declared in ports] for ports in (session.get_inputs(), session.get_outputs())]
    return output, names[0], names[1]


def check(path: str, tolerance: float, cosine_wanted: float | None) -> dict:
    run = in_litert if pathlib.Path(path).suffix == ".tflite" else in_onnxruntime
    try:
        output, inputs, outputs = run(path, numpy.fromfile(path + ".input", dtype="<f4"))
    except Exception as error:  # whatever the runtimes raise
        return {"model": path, "error": str(error), "agrees": False}
    expected = numpy.fromfile(path + ".output", dtype="<f4")
    if expected.size != output.size:
        error = f"{output.size} numbers came out, {expected.size} were expected"
        return {"model": path, "error": error, "agrees": False}
    output = output.reshape(-1)
    scale = float(numpy.abs(expected).max()) or 1.0
    difference = float(numpy.abs(output - expected).max()) / scale
    lengths = float(numpy.linalg.norm(output) * numpy.linalg.norm(expected))
    cosine = float(output @ expected) / lengths if lengths else float(not output.any() and not expected.any())
    agrees = difference <= tolerance if cosine_wanted is None else cosine >= cosine_wanted
    return {
        "model": path,
        "inputs": inputs,
        "outputs": outputs,
        "relative_difference": difference,
        "cosine": cosine,
        "agrees": bool(agrees),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="compare outputs of exported networks with expected ones")
    parser.add_argument("models", nargs="+", metavar="FILE")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--cosine", type=float)
    arguments = parser.parse_args()
    reports = [check(model, arguments.tolerance, arguments.cosine) for model in arguments.models]
    print(json.dumps(reports))
    return 0 if all(report["agrees"] for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
