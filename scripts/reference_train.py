#!/usr/bin/env python3
"""Trains an exported PyTorch module by the recipe that `edgezen train` follows: an independent second opinion for tests.

    reference_train.py MODULE.py --data DIR --epochs N [--batch 64] [--seed 0] [--no-mirror]
    reference_train.py MODULE.py --replay BATCHES.safetensors --start WEIGHTS.safetensors --recipe RECIPE.json --end TO.safetensors

The first form trains on CIFAR's binary files in plain PyTorch, without AutoAugment, with weights and random numbers of its own. It
prints one JSON object with the mean training loss of each epoch, the loss on the test images, and how many of them are right.
The second form takes the given weights and the images of each step, which are augmented and not mixed yet; it prints the loss of
each step and writes the weights after the last one.
"""

import argparse
import importlib.util
import json
import math
import pathlib

import numpy
import torch

MEAN = numpy.array([0.4914, 0.4822, 0.4465], dtype=numpy.float32).reshape(3, 1, 1)
DEVIATION = numpy.array([0.2023, 0.1994, 0.2010], dtype=numpy.float32).reshape(3, 1, 1)


def read(path: pathlib.Path):
    records = numpy.fromfile(path, dtype=numpy.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(numpy.int64)


def normalised(image):
    return (image.astype(numpy.float32) / 255 - MEAN) / DEVIATION


def augmented(image, rng, mirror: bool):
    padded = numpy.zeros((3, 40, 40), dtype=numpy.uint8)
    padded[:, 4:36, 4:36] = image
    top, left = rng.integers(0, 9, 2)
    image = padded[:, top : top + 32, left : left + 32]
    if mirror and rng.random() < 0.5:
        image = image[:, :, ::-1]
    image = normalised(image)
    if rng.random() < 0.5:
        for _ in range(10):
            area, aspect = 1024 * rng.uniform(0.02, 0.33), rng.uniform(0.3, 3.3)
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < 32 and width < 32:
                y, x = rng.integers(0, 33 - height), rng.integers(0, 33 - width)
                image[:, y : y + height, x : x + width] = 0
                break
    return image


def initialise(model):
    gain = 3.26033
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            out, per_group, k, _ = module.weight.shape
            torch.nn.init.normal_(module.weight, 0, gain * math.sqrt(2 / ((per_group + out) * k * k)))
        elif isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, 0, gain * math.sqrt(2 / sum(module.weight.shape)))
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.01
            torch.nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    # The last normalisation in the body of each residual unit; gates of squeeze-excite are not the body.
    for module in model.modules():
        if type(module).__name__ == "Residual":
            last = [child for child in module.body if isinstance(child, torch.nn.BatchNorm2d)][-1]
            torch.nn.init.zeros_(last.weight)


def load_network(path: str):
    specification = importlib.util.spec_from_file_location("network", path)
    network = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(network)
    return network


def parameter_groups(model, weight_decay: float):
    decaying = [m.weight for m in model.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    ids = {id(p) for p in decaying}
    others = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def rate_after(consumed: int, peak: float, warmup: float, end: float) -> float:
    """The learning rate of the step with which so many images were seen."""
    if consumed < warmup:
        return peak * (consumed + 1) / warmup
    return peak * (1 + math.cos(math.pi * min(1, (consumed - warmup + 1) / max(1, end - warmup)))) / 2


def replay(arguments):
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(1)
    recipe = json.loads(arguments.recipe.read_text())
    batches = load_file(arguments.replay)
    model = load_network(arguments.module).Network(recipe["classes"])
    model.load_state_dict(load_file(arguments.start), strict=True)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = recipe.get("bn_momentum") or 0.01
    optimiser = torch.optim.SGD(
        parameter_groups(model, recipe["weight_decay"]), lr=0.1, momentum=recipe["momentum"], nesterov=True
    )
    images, batch = recipe["images"], recipe["batch"]
    peak = recipe["rate_per_256"] * batch / 256
    model.train()
    losses, steps, smoothing = [], images // batch, recipe["label_smoothing"]
    for step in range(recipe["steps"]):
        x, labels, partners = (batches[f"{step}.{part}"] for part in ("images", "labels", "partners"))
        share = batches[f"{step}.share"].item()
        y = torch.full((batch, recipe["classes"]), smoothing / recipe["classes"])
        y[torch.arange(batch), labels.long()] += 1 - smoothing
        if recipe.get("balance"):
            y = y * torch.tensor(recipe["counts"])[labels.long()].reciprocal()[:, None] * images / recipe["classes"]
        x, y = (share * t + (1 - share) * t[partners.long()] for t in (x, y))
        consumed = (step // steps * steps + step % steps + 1) * batch
        rate = rate_after(consumed, peak, recipe["warmup_epochs"] * images, recipe["epochs"] * images)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.get("precision") == "mixed"):
            loss = torch.nn.functional.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        if recipe.get("clip"):
            torch.nn.utils.clip_grad_value_(model.parameters(), recipe["clip"])
        optimiser.step()
        losses.append(loss.item())
    save_file({k: v for k, v in model.state_dict().items() if v.is_floating_point()}, arguments.end)
    print(json.dumps({"losses": losses}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--replay", type=pathlib.Path)
    parser.add_argument("--start", type=pathlib.Path)
    parser.add_argument("--recipe", type=pathlib.Path)
    parser.add_argument("--end", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-mirror", action="store_true")
    arguments = parser.parse_args()
    if arguments.replay:
        replay(arguments)
        return

    torch.manual_seed(arguments.seed)
    rng = numpy.random.default_rng(arguments.seed)
    model = load_network(arguments.module).Network()
    initialise(model)

    images, labels = read(arguments.data / "data_batch_1.bin")
    test_images, test_labels = read(arguments.data / "test_batch.bin")
    optimiser = torch.optim.SGD(parameter_groups(model, 5e-4), lr=0.1, momentum=0.9, nesterov=True)

    batch, peak = arguments.batch, 0.1 * arguments.batch / 256
    warmup, end = 5 * len(images), arguments.epochs * len(images)
    consumed, losses = 0, []
    for _ in range(arguments.epochs):
        model.train()
        order, total, steps = rng.permutation(len(images)), 0.0, len(images) // batch
        for step in range(steps):
            chosen = order[step * batch : (step + 1) * batch]
            x = torch.from_numpy(numpy.stack([augmented(images[i], rng, not arguments.no_mirror) for i in chosen]))
            y = torch.full((batch, 10), 0.1 / 10)
            y[torch.arange(batch), torch.from_numpy(labels[chosen])] += 0.9
            share, partners = rng.beta(0.2, 0.2), torch.from_numpy(rng.permutation(batch))
            x, y = (share * t + (1 - share) * t[partners] for t in (x, y))
            consumed += batch
            rate = rate_after(consumed, peak, warmup, end)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = -(y * torch.log_softmax(model(x.float()), -1)).sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        losses.append(total / steps)

    model.eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(numpy.stack([normalised(image) for image in test_images])))
        targets = torch.from_numpy(test_labels)
        test_loss = torch.nn.functional.cross_entropy(logits, targets).item()
        top1 = (logits.argmax(-1) == targets).float().mean().item()
    print(json.dumps({"losses": losses, "test_loss": test_loss, "top1": top1}))


if __name__ == "__main__":
    main()
