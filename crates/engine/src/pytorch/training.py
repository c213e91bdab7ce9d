def initialise(model):
    """Draws the weights as the recipe of Zen-NAS does; every residual unit begins as its shortcut."""
    gain = 3.26033
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            out_channels, per_group, kernel, _ = module.weight.shape
            nn.init.normal_(module.weight, 0, gain * (2 / ((per_group + out_channels) * kernel**2)) ** 0.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, gain * (2 / sum(module.weight.shape)) ** 0.5)
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, Residual):
            norms = [child for child in module.body if isinstance(child, nn.BatchNorm2d)]
            if norms:
                nn.init.zeros_(norms[-1].weight)
    return model


def build(pretrained=False, num_classes=CLASSES, in_chans=3, bn_momentum=None, bn_eps=None, weights=None, **others):
    """What training scripts call; weights of a file are loaded by their own options."""
    if pretrained or weights is not None:
        raise ValueError(f"{NAME} has no weights to fetch: give a file, as with --initial-checkpoint")
    if in_chans != 3:
        raise ValueError(f"{NAME} reads images of 3 channels, not of {in_chans}")
    for name, value in others.items():
        if name.startswith("drop") and value:
            raise ValueError(f"{NAME} has nothing to drop, but {name} is {value}")
    model = initialise(Network(num_classes))
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = module.momentum if bn_momentum is None else bn_momentum
            module.eps = module.eps if bn_eps is None else bn_eps
    return model


def register():
    """Makes the network known by its name to timm and torchvision, as far as they are installed; gives their names."""
    known = []
    build.__name__ = build.__qualname__ = NAME
    try:
        from timm.models import register_model

        register_model(build)
        known.append("timm")
    except ImportError:
        pass
    try:
        from torchvision.models import _api

        if NAME not in _api.BUILTIN_MODELS:
            _api.register_model(NAME)(build)
        known.append("torchvision")
    except ImportError:
        pass
    return known


def main():
    if len(sys.argv) == 1:
        network = Network().eval()
        parameters = sum(parameter.numel() for parameter in network.parameters())
        with torch.no_grad():
            logits = network(torch.zeros(1, 3, RESOLUTION, RESOLUTION))
        print(f"{parameters:,} parameters, logits {tuple(logits.shape)}")
        return
    # A training script of others, which finds the network by its name and its own modules beside it.
    if not register():
        sys.exit("neither timm nor torchvision is installed: pip install -r requirements.txt")
    sys.argv = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
