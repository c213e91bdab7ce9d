"""A search space for samplers of other packages: MobileNets of five stages, each network a list of 15 whole numbers."""

#: What each stage chooses from: the expansion of its blocks, the sides of their depthwise kernels, and their number.
EXPANSIONS = [1, 2, 4, 6]
KERNELS = [3, 5]
MOST_BLOCKS = 4
#: Of each stage: the least and the greatest width in steps of eight channels, and its stride.
STAGES = [(2, 4, 2), (3, 6, 2), (5, 12, 2), (8, 20, 1), (12, 40, 2)]

#: The least and the greatest value of each number, stage by stage: expansion and kernel in one, width, and blocks.
RANGES = [
    limits
    for least, most, _ in STAGES
    for limits in [(0, len(EXPANSIONS) * len(KERNELS) - 1), (least, most), (1, MOST_BLOCKS)]
]


def structure(numbers):
    """The structure string of the network that these numbers stand for."""
    text, channels = "SuperConvK3BNRELU(3,16,2,1)", 16
    for (_, _, stride), (kind, width, blocks) in zip(STAGES, zip(*[iter(numbers)] * 3, strict=True), strict=True):
        expansion, kernel = EXPANSIONS[kind // len(KERNELS)], KERNELS[kind % len(KERNELS)]
        text += f"SuperResIDWE{expansion}K{kernel}({channels},{8 * width},{stride},{8 * width},{blocks})"
        channels = 8 * width
    return text + f"SuperConvK1BNRELU({channels},1280,1,1)"
