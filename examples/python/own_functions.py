"""A search with a score and a latency of one's own: networks with many channels for their parameters, on a device whose latency a
formula of ours gives.

    pip install "$(scripts/build-wheel)"
    python examples/python/own_functions.py

Both functions are called for each network that the search looks at, one at a time: some thousand calls.
"""

import edgezen


def roomy(network: edgezen.Network) -> float:
    """The score: layers, and parameters with a tenth of the weight."""
    info = network.info()
    return info["layers"] + 0.1 * info["exact"]["params"] / 1e6


def scanner(network: edgezen.Network) -> float:
    """Milliseconds per image on a device of ours: 20 GMAC/s and half a millisecond to read the image."""
    return 0.5 + 1e3 * network.info()["exact"]["macs"] / 20e9


def main():
    run = edgezen.search(space="mobilenet", proxy=roomy, latency={scanner: "20ms"}, params="4M", layers=20, iterations=2_000)
    print(f"{run.best.net}\nscore {run.best.score:.2f}, {scanner(run.best):.1f} ms, {len(run.front)} networks on the front")


if __name__ == "__main__":
    main()
