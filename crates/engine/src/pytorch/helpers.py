def conv(in_channels, out_channels, kernel, stride=1, groups=1, bias=False):
    padding = (kernel - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=bias)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Residual(nn.Module):
    """Sum of a body and its shortcut; the identity where there is no projection."""

    def __init__(self, body, projection=None):
        super().__init__()
        self.body = body
        self.projection = projection

    def forward(self, x):
        return self.body(x) + (x if self.projection is None else self.projection(x))


class SqueezeExcite(nn.Module):
    """Weighs channels by what a small network sees of their means."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            conv(channels, hidden, 1),
            norm(hidden),
            nn.ReLU(),
            conv(hidden, channels, 1),
            norm(channels),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.gate(x)


class Branches(nn.Module):
    """Parallel branches, summed or concatenated."""

    def __init__(self, join, *branches):
        super().__init__()
        self.join = join
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        outputs = [branch(x) for branch in self.branches]
        return sum(outputs) if self.join == "sum" else torch.cat(outputs, 1)
