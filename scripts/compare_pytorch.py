#!/usr/bin/env python3
"""Exact Zen-Scores of edgezen and of PyTorch, timed in turn: batch 16, mode `reference`, medians.

    compare_pytorch.py --edgezen FILE [--quick] [--rounds N] [--threads 1,2] [NET…]

The score in PyTorch is written here from its definition (docs/plainnet.md, section 5.2). Before anything is timed it must
meet the golden values of tests/golden/scores.json, as edgezen does. Times are of one score: drawing weights and images, the
clean and the disturbed pass, the score. On one core they are the seconds that the program had the core, so that other programs
count little; on several they are seconds of the clock. Published ZenNets are scored without residual links, as the score is defined;
ResNets and MobileNetV2 as they are built. Exit status 1 if a ratio is above --most.
"""

import argparse
import json
import math
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import numpy
import torch
from torch import nn

GAMMA = 0.01
BATCH = 16
QUICK = ["zennet_cifar10_model_size1M_res32", "zennet_imagenet1k_flops400M_SE_res224", "zennet_imagenet1k_latency03ms_res224"]
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "scores.json"


class Residual(nn.Module):
    """A residual unit: its body, and the shortcut where links are kept."""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def arguments_of(text):
    """The arguments of `Name(a,b,Inner(c)Inner(d))`, split at the commas outside of inner blocks."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return parts + [text[start:]]


def blocks_of(text):
    """(name, arguments) of each block of a structure of basic blocks."""
    while text:
        name, rest = text.split("(", 1)
        depth, end = 1, 0
        while depth:
            depth += (rest[end] == "(") - (rest[end] == ")")
            end += 1
        yield name, arguments_of(rest[: end - 1])
        text = rest[end:]


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


def module(text, links):
    """The network that a structure of basic blocks describes."""
    layers = []
    for name, args in blocks_of(text):
        if name == "ConvKX":
            i, o, k, s = map(int, args)
            layers.append(nn.Conv2d(i, o, k, s, (k - 1) // 2, bias=False))
        elif name == "ConvDW":
            c, k, s = map(int, args)
            layers.append(nn.Conv2d(c, c, k, s, (k - 1) // 2, groups=c, bias=False))
        elif name == "BN":
            layers.append(norm(int(args[0])))
        elif name == "RELU":
            layers.append(nn.ReLU(inplace=True))
        elif name == "MaxPool":
            _, k, s = map(int, args)
            layers.append(nn.MaxPool2d(k, s, (k - 1) // 2))
        elif name in ("ResBlock", "ResBlockProj"):
            i, s, body = int(args[0]), int(args[1]), ",".join(args[2:])
            inner = list(blocks_of(body))
            out = next(int(a[1] if n == "ConvKX" else a[0]) for n, a in reversed(inner) if n in ("ConvKX", "ConvDW", "BN"))
            if not links:
                layers.append(module(body, links))
            elif name == "ResBlockProj" or s > 1 or i != out:
                layers.append(Residual(module(body, links), nn.Sequential(nn.Conv2d(i, out, 1, s), norm(out))))
            else:
                layers.append(Residual(module(body, links), nn.Identity()))
        elif name == "SE" and not links:
            continue
        else:
            raise ValueError(f"block {name} is not known here")
    return nn.Sequential(*layers)


def draw(network):
    """Weights of a Gaussian initialisation, and fresh running statistics."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()


def score_of(network, x, noise):
    """The Zen-Score of two passes, as released."""
    clean = network(x)
    disturbed = network(x + GAMMA * noise)
    delta = (clean - disturbed).abs().sum(dim=(1, 2, 3)).mean().item()
    scales = [layer.running_var.mean().item() for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    return math.log(delta) + sum(0.5 * math.log(scale) for scale in scales)


def by_pytorch(network, side):
    draw(network)
    x, noise = torch.randn(BATCH, 3, side, side), torch.randn(BATCH, 3, side, side)
    return score_of(network, x, noise)


def structure(edgezen, net):
    """(structure in basic blocks, side of the images)"""
    said = subprocess.run([edgezen, "info", net, "--json", "--quiet"], check=True, capture_output=True, text=True)
    info = json.loads(said.stdout)
    return "".join(block["expanded"] for block in info["blocks"]), info["resolution"]


def normals(seed, start, count):
    """Numbers of the golden generator."""
    with numpy.errstate(over="ignore"):
        draws = numpy.arange(2 * start + 1, 2 * (start + count) + 1, dtype=numpy.uint64)
        z = numpy.uint64(seed) + draws * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    u1 = ((z[0::2] >> numpy.uint64(11)) + numpy.uint64(1)).astype(float) * 2.0**-53
    u2 = (z[1::2] >> numpy.uint64(11)).astype(float) * 2.0**-53
    return (numpy.sqrt(-2 * numpy.log(u1)) * numpy.cos(2 * math.pi * u2)).astype(numpy.float32)


def check_golden(edgezen):
    """Both scores are of the same kind: the one of PyTorch meets the golden values, as the program's tests say of its own."""
    for case in json.loads(GOLDEN.read_text())["cases"][:5]:
        side, batch, seed = case["resolution"], case["batch"], case["seed"]
        said = subprocess.run(
            [edgezen, "info", case["structure"], "--resolution", str(side), "--json", "--quiet"],
            check=True, capture_output=True, text=True,
        )
        blocks = json.loads(said.stdout)["blocks"]
        network = module("".join(block["expanded"] for block in blocks), links=False).train()
        at = 0
        with torch.no_grad():
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d):
                    count = layer.weight.numel()
                    layer.weight.copy_(torch.from_numpy(normals(seed, at, count)).view_as(layer.weight))
                    at += count
                    last = layer.out_channels
            at += last * case["num_classes"]
            count = batch * 3 * side * side
            x, noise = (torch.from_numpy(normals(seed, at + i * count, count)).view(batch, 3, side, side) for i in (0, 1))
            score = score_of(network, x, noise)
        if abs(score - case["official_function_fp32_repeat1"]) > 1e-3:
            raise SystemExit(f"{case['structure']}: {score} in PyTorch, golden {case['official_function_fp32_repeat1']}")


def timed_ours(edgezen, net, threads, built):
    """(score, seconds, processor seconds) of the program."""
    command = [edgezen, "score", net, "--engine", "exact", "--mode", "reference", "--batch", str(BATCH)]
    command += ["--threads", str(threads), "--json", "--quiet"] + ["--built"] * built
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said["score"], said["seconds"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed_theirs(network, side):
    started, on_core = time.perf_counter(), time.process_time()
    with torch.no_grad():
        score = by_pytorch(network, side)
    return score, time.perf_counter() - started, time.process_time() - on_core


def main():
    parser = argparse.ArgumentParser(description="exact scores of edgezen and PyTorch, timed in turn")
    parser.add_argument("nets", nargs="*", metavar="NET")
    parser.add_argument("--edgezen", required=True, help="the program")
    parser.add_argument("--quick", action="store_true", help="three networks")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both; medians are printed")
    parser.add_argument("--threads", default="1,2", help="numbers of cores")
    parser.add_argument("--most", type=float, default=math.inf, help="exit with status 1 where a ratio is above")
    args = parser.parse_args()

    said = subprocess.run([args.edgezen, "networks", "--json", "--quiet"], check=True, capture_output=True, text=True)
    known = [entry["name"] for entry in json.loads(said.stdout) if entry.get("structure")]
    plain = [name for name in known if name.startswith("zennet_")]
    nets = args.nets or (QUICK if args.quick else plain + ["resnet18", "resnet50", "mobilenet_v2"])
    check_golden(args.edgezen)
    print("golden values are met in PyTorch", torch.__version__)
    print(f"{'network':42} {'cores':>5} {'ours, s':>9} {'PyTorch, s':>11} {'ratio':>6} {'score':>8} {'PyTorch':>8}")
    above = 0
    for net in nets:
        built = not net.startswith("zennet_")
        text, side = structure(args.edgezen, net)
        network = module(text, links=built).train()
        for threads in map(int, args.threads.split(",")):
            torch.set_num_threads(threads)
            timed_theirs(network, side)  # memory of the first pass
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(timed_ours(args.edgezen, net, threads, built))
                theirs.append(timed_theirs(network, side))
            column = 2 if threads == 1 else 1
            our, their = (statistics.median(row[column] for row in rows) for rows in (ours, theirs))
            above += our / their > args.most
            print(
                f"{net:42} {threads:5} {our:9.3f} {their:11.3f} {our / their:6.2f}"
                f" {ours[0][0]:8.2f} {statistics.mean(row[0] for row in theirs):8.2f}",
                flush=True,
            )
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
