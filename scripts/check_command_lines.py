#!/usr/bin/env python3
"""Does what the command lines of an exported module's README.md say, by the packaged parts of timm and torchvision, for three steps each.

    MODULE.py check_command_lines.py --guide README.md --data DIR

The two training scripts are in no package. What is here: their options, as far as the command lines use them, with their types and the
defaults that matter; and the same calls of the same functions. DIR holds train/CLASS/IMAGE and stands for ImageNet. Prints one JSON
object: the losses, and the rates of steps of timm, by their epoch.
"""

import argparse
import json
import pathlib
import re
import shlex

import timm
import timm.data
import timm.loss
import timm.optim
import timm.scheduler
import timm.utils
import torch
import torchvision
from torchvision.transforms import autoaugment, v2
from torchvision.transforms.functional import InterpolationMode

STEPS, BATCH = 3, 8


def command_line(guide: str, script: str) -> list[str]:
    """The words behind the name of the script."""
    blocks = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    line = next(block for block in blocks if script in block).replace("\\\n", " ")
    words = shlex.split(line)
    assert words[0] == "torchrun", words
    return words[words.index(next(word for word in words if word.endswith(script))) + 1:]


def options(floats=(), integers=(), texts=(), flags=(), **others) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for kind, names in ((float, floats), (int, integers), (str, texts)):
        for name in names:
            parser.add_argument(f"--{name}", type=kind)
    for name in flags:
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("-b", "--batch-size", type=int)
    parser.set_defaults(**others)
    return parser


TIMM = options(
    floats=["momentum", "weight-decay", "lr", "warmup-lr", "min-lr", "bn-momentum", "smoothing", "mixup", "reprob"],
    integers=["num-classes", "epochs", "warmup-epochs", "cooldown-epochs"],
    texts=["data-dir", "val-split", "model", "opt", "sched", "aa", "remode", "output"],
    flags=["sched-on-updates", "amp", "model-ema"],
)
TIMM.add_argument("--input-size", type=int, nargs=3)

TORCHVISION = options(
    floats=["lr", "weight-decay", "norm-weight-decay", "bias-weight-decay", "label-smoothing", "mixup-alpha", "random-erase"],
    integers=["epochs", "lr-warmup-epochs", "train-crop-size", "val-crop-size", "val-resize-size"],
    texts=["data-path", "model", "opt", "lr-scheduler", "lr-warmup-method", "auto-augment", "interpolation", "output-dir"],
    flags=["amp"],
    momentum=0.9,
    lr_warmup_decay=0.01,
)


def of_timm(words: list[str], data: str) -> dict:
    args = TIMM.parse_args(words)
    model = timm.create_model(
        args.model, pretrained=False, in_chans=args.input_size[0], num_classes=args.num_classes, drop_rate=0.0, drop_path_rate=None,
        drop_block_rate=None, global_pool=None, bn_momentum=args.bn_momentum, bn_eps=None, scriptable=False, checkpoint_path="",
    )
    config = timm.data.resolve_data_config(vars(args), model=model)
    assert config["input_size"] == tuple(args.input_size), config
    optimiser = timm.optim.create_optimizer_v2(model, **timm.optim.optimizer_kwargs(cfg=args))
    averages = timm.utils.ModelEmaV3(model, decay=0.9998) if args.model_ema else None
    mixup = timm.data.Mixup(mixup_alpha=args.mixup, label_smoothing=args.smoothing, num_classes=args.num_classes)
    loader = timm.data.create_loader(
        timm.data.create_dataset("", root=data, split="train", is_training=True), input_size=config["input_size"], batch_size=BATCH,
        is_training=True, re_prob=args.reprob, re_mode=args.remode, re_count=1, scale=[0.08, 1.0], ratio=[3 / 4, 4 / 3], hflip=0.5,
        color_jitter=0.4, auto_augment=args.aa, interpolation="random", mean=config["mean"], std=config["std"], num_workers=0,
        use_prefetcher=False, device=torch.device("cpu"),
    )
    updates = 5004 * 256 // (8 * args.batch_size)
    scheduler, epochs = timm.scheduler.create_scheduler_v2(
        optimiser, **timm.scheduler.scheduler_kwargs(args), updates_per_epoch=updates
    )
    assert epochs == args.epochs, epochs
    loss_of, losses = timm.loss.SoftTargetCrossEntropy(), []
    model.train()
    for step, (images, labels) in zip(range(STEPS), loader):
        images, targets = mixup(images, labels)
        # What --amp is on a GPU; its loss scaling has no counterpart here.
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            loss = loss_of(model(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if averages is not None:
            averages.update(model)
        scheduler.step_update(num_updates=step + 1)
        losses.append(loss.item())
    rates = {}
    for epoch in (1, 5, 6, 120, 240, 400, 470):
        scheduler.step_update(num_updates=epoch * updates)
        rates[epoch] = optimiser.param_groups[0]["lr"]
    without = [group["weight_decay"] for group in optimiser.param_groups]
    return {"losses": losses, "rates": rates, "decays": sorted(without), "nesterov": optimiser.param_groups[0]["nesterov"]}


def of_torchvision(words: list[str], data: str, classes: int) -> dict:
    args = TORCHVISION.parse_args(words)
    model = torchvision.models.get_model(args.model, weights=None, num_classes=classes)
    interpolation = InterpolationMode(args.interpolation)
    policy = autoaugment.AutoAugmentPolicy(args.auto_augment)
    transforms = v2.Compose([
        v2.RandomResizedCrop(args.train_crop_size, interpolation=interpolation, antialias=True), v2.RandomHorizontalFlip(),
        v2.AutoAugment(policy, interpolation=interpolation), v2.PILToTensor(), v2.ToDtype(torch.float, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), v2.RandomErasing(args.random_erase), v2.ToPureTensor(),
    ])
    judging = v2.Compose([
        v2.Resize(args.val_resize_size, interpolation=interpolation, antialias=True), v2.CenterCrop(args.val_crop_size), v2.PILToTensor(),
    ])
    dataset = torchvision.datasets.ImageFolder(f"{data}/train", transforms)
    judged = torchvision.datasets.ImageFolder(f"{data}/train", judging)
    assert judged[0][0].shape == (3, args.val_crop_size, args.val_crop_size)
    groups = {"norm": [], "bias": [], "other": []}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            kind = "norm" if isinstance(module, torch.nn.BatchNorm2d) else "bias" if name == "bias" else "other"
            groups[kind].append(parameter)
    decays = {"norm": args.norm_weight_decay, "bias": args.bias_weight_decay, "other": args.weight_decay}
    assert args.opt.startswith("sgd") and args.lr_scheduler == "cosineannealinglr" and args.lr_warmup_method == "linear", args
    optimiser = torch.optim.SGD(
        [{"params": part, "weight_decay": decays[kind]} for kind, part in groups.items() if part],
        lr=args.lr, momentum=args.momentum, weight_decay=args.weight_decay, nesterov="nesterov" in args.opt,
    )
    warmup = torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=args.lr_warmup_decay, total_iters=args.lr_warmup_epochs)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=args.epochs - args.lr_warmup_epochs)
    torch.optim.lr_scheduler.SequentialLR(optimiser, [warmup, cosine], milestones=[args.lr_warmup_epochs])
    mixup = v2.MixUp(alpha=args.mixup_alpha, num_classes=classes)
    criterion, losses = torch.nn.CrossEntropyLoss(label_smoothing=args.label_smoothing), []
    model.train()
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
    for _, (images, labels) in zip(range(STEPS), loader):
        images, targets = mixup(images, labels)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.amp):
            loss = criterion(model(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return {"losses": losses, "nesterov": optimiser.param_groups[0]["nesterov"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guide", type=pathlib.Path, required=True)
    parser.add_argument("--data", required=True)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    guide = arguments.guide.read_text()
    words = command_line(guide, "pytorch-image-models/train.py")
    classes = TIMM.parse_args(words).num_classes
    ours = of_timm(words, arguments.data)
    theirs = of_torchvision(command_line(guide, "references/classification/train.py"), arguments.data, classes)
    print(json.dumps({"timm": ours, "torchvision": theirs}))


if __name__ == "__main__":
    main()
