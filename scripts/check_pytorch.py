#!/usr/bin/env python3
"""Runs a network that edgezen exported as a PyTorch module, with the weights of its ONNX file.

    check_pytorch.py MODULE.py MODEL.onnx --input INPUT.f32 --output LOGITS.f32

Reads and writes little-endian 32-bit floats without any header. Then trains it for two steps, so that a
module that cannot be trained does not pass. Exit status 2 if anything of it fails. One JSON object on stdout.
"""

import argparse
import importlib.util
import json
import sys

import numpy
import torch


def main() -> int:
    parser = argparse.ArgumentParser(description="run an exported PyTorch module")
    parser.add_argument("module")
    parser.add_argument("onnx")
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()

    spec = importlib.util.spec_from_file_location("exported", arguments.module)
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    side = exported.RESOLUTION
    network = exported.load_onnx(exported.Network(), arguments.onnx).eval()
    images = torch.from_numpy(numpy.fromfile(arguments.input, dtype="<f4").reshape(-1, 3, side, side))
    with torch.no_grad():
        logits = network(images)
    logits.numpy().astype("<f4").tofile(arguments.output)

    # Weights as drawn for training: a batch must bring its loss down.
    torch.manual_seed(0)
    network = exported.Network().train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    images, labels = torch.randn(4, 3, side, side), torch.arange(4) % logits.shape[1]
    losses = []
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(json.dumps({"torch": torch.__version__, "parameters": parameters, "losses": losses}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # whatever PyTorch raises
        print(f"cannot run the module: {error}", file=sys.stderr)
        sys.exit(2)
