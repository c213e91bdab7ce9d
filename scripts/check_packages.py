#!/usr/bin/env python3
"""Packs the crates as they would be published, and looks at what is in them: without compiling, and without the network.

    scripts/check_packages.py [--order]      --order prints their names alone, each after those that it depends on

Checked is: each crate has a description and a licence, is no larger than a registry takes, brings along every file that its sources
include, and the program has the data that its build script compiles in.
"""

import argparse
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 10 << 20
# What build.rs reads.
COMPILED_IN = [("device-profiles", ".toml"), ("predictors", ".json"), ("datasets/accuracies", ".gz")]


def cargo(*words: str) -> str:
    done = subprocess.run(["cargo", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"cargo {' '.join(words)}:\n{done.stderr}")
    return done.stdout


def published() -> list[dict]:
    """The packages that are published, each after those that it depends on."""
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--no-deps", "--locked"))
    open_ = {package["name"]: package for package in metadata["packages"] if package["publish"] != []}
    order: list[dict] = []
    while open_:
        needs = {name: {d["name"] for d in package["dependencies"] if d["name"] in open_} for name, package in open_.items()}
        ready = sorted(name for name in open_ if not needs[name])
        if not ready:
            sys.exit(f"these packages depend on each other in a circle: {', '.join(open_)}")
        order += [open_.pop(name) for name in ready]
    return order


def included(source: str) -> list[str]:
    """The files that a source includes, its tests left out."""
    source = source.split("#[cfg(test)]")[0]
    return re.findall(r'include(?:_str|_bytes)?!\(\s*"([^"]+)"', source)


def problems_of(package: dict, crate: Path) -> list[str]:
    found = []
    size = crate.stat().st_size
    if size > MOST_BYTES:
        found.append(f"it has {size} bytes, more than {MOST_BYTES}")
    with tarfile.open(crate) as archive:
        top = f"{package['name']}-{package['version']}"
        files = {str(PurePosixPath(member.name).relative_to(top)): member for member in archive.getmembers()}

        def read(name: str) -> str:
            return archive.extractfile(files[name]).read().decode()

        manifest = tomllib.loads(read("Cargo.toml"))["package"]
        found += [f"its manifest has no {field}" for field in ("description", "license") if not manifest.get(field)]
        for name in files:
            if not name.startswith("src/") or not name.endswith(".rs"):
                continue
            for path in included(read(name)):
                parts: list[str] = []
                for part in [*PurePosixPath(name).parent.parts, *PurePosixPath(path).parts]:
                    if part == "..":
                        parts = parts[:-1] if parts else ["(outside)"]
                    else:
                        parts.append(part)
                if "/".join(parts) not in files:
                    found.append(f"{name} includes {path}, which is not packed")
        if package["name"] == "edgezen":
            for folder, ending in COMPILED_IN:
                want = {f"{folder}/{path.name}" for path in (ROOT / folder).glob(f"*{ending}")}
                if missing := sorted(want - files.keys()):
                    found.append(f"{len(missing)} files of {folder} are not packed, such as {missing[0]}")
    return [f"{package['name']}: {problem}" for problem in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--order", action="store_true")
    order = published()
    if parser.parse_args().order:
        print("\n".join(package["name"] for package in order))
        return
    selected = [word for package in order for word in ("-p", package["name"])]
    cargo("package", "--locked", "--no-verify", "--allow-dirty", "--offline", *selected)
    problems = []
    for package in order:
        crate = ROOT / f"target/package/{package['name']}-{package['version']}.crate"
        problems += problems_of(package, crate)
        print(f"{crate.name}: {crate.stat().st_size / 1e6:.1f} MB")
    sys.exit("\n".join(problems) or None)


if __name__ == "__main__":
    main()
