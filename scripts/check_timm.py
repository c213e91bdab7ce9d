#!/usr/bin/env python3
"""Trains a registered network for three steps in the ways of timm and of torchvision, and writes what it did.

    MODULE.py check_timm.py --data DIR --model NAME --weights WEIGHTS.safetensors --out OUT

To be run by the exported module, as any training script: it finds the network by its name alone. DIR holds train/CLASS/IMAGE. Writes
OUT/batches.safetensors (the images and labels of each step, and the logits after the last one), checkpoints as the two libraries
write them, and one JSON object with the losses.
"""

import argparse
import json
import pathlib

import safetensors.torch
import timm
import timm.data
import timm.loss
import timm.optim
import timm.utils
import torch
import torchvision

STEPS, BATCH, RATE = 3, 8, 0.02


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)

    # As timm's train.py puts them together.
    fresh = timm.create_model(arguments.model, bn_momentum=0.01, drop_rate=0.0)
    zeroed = sum(int((tensor == 0).all()) for name, tensor in fresh.named_parameters() if name.endswith("weight"))
    momenta = {module.momentum for module in fresh.modules() if isinstance(module, torch.nn.BatchNorm2d)}
    model = timm.create_model(arguments.model, checkpoint_path=arguments.weights)
    config = timm.data.resolve_data_config({}, model=model)
    dataset = timm.data.create_dataset("", root=arguments.data, split="train", is_training=True)
    loader = timm.data.create_loader(
        dataset,
        input_size=config["input_size"],
        batch_size=BATCH,
        is_training=True,
        no_aug=True,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        num_workers=0,
        use_prefetcher=False,
    )
    loss_of = timm.loss.LabelSmoothingCrossEntropy(0.1)
    optimiser = timm.optim.create_optimizer_v2(model, opt="sgd", lr=RATE, momentum=0.9, weight_decay=5e-4)
    saver = timm.utils.CheckpointSaver(
        model=model, optimizer=optimiser, args=arguments, checkpoint_dir=str(arguments.out), recovery_dir=str(arguments.out)
    )
    model.train()
    batches, losses = {}, []
    for step, (images, labels) in zip(range(STEPS), loader):
        batches[f"{step}.images"], batches[f"{step}.labels"] = images.contiguous(), labels.float()
        loss = loss_of(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    saver.save_checkpoint(0, metric=1.0)
    model.eval()
    with torch.no_grad():
        batches["logits"] = model(batches["0.images"])
    safetensors.torch.save_file(batches, arguments.out / "batches.safetensors")

    # As torchvision's references/classification/train.py does.
    model = torchvision.models.get_model(arguments.model, weights=None, num_classes=fresh.num_classes)
    model.load_state_dict(safetensors.torch.load_file(arguments.weights))
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    loss = criterion(model(batches["0.images"]), batches["0.labels"].long())
    checkpoint = {"model": model.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 0, "args": arguments}
    torch.save(checkpoint, arguments.out / "checkpoint.pth")
    torch.save(model.state_dict(), arguments.out / "plain.pth")
    torch.save(model.half().state_dict(), arguments.out / "half.pth")
    report = {"losses": losses, "torchvision": loss.item(), "zeroed": zeroed, "momenta": sorted(momenta)}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
