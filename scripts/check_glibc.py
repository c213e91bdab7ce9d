#!/usr/bin/env python3
"""Fails where a program or library needs a newer glibc than it says, or a library that not every Linux has. Needs readelf.

    scripts/check_glibc.py FILE 2.28
"""

import argparse
import re
import subprocess
import sys

# What a manylinux wheel may need (PEP 600), as far as edgezen could.
KNOWN = re.compile(r"lib(c|m|dl|rt|pthread|util|gcc_s)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d+")


def readelf(option: str, file: str) -> str:
    return subprocess.run(["readelf", "--wide", option, file], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("most", help="the newest version of glibc that may be needed")
    args = parser.parse_args()
    most = tuple(map(int, args.most.split(".")))
    versions = {tuple(map(int, v.split("."))) for v in re.findall(r"Name: GLIBC_([\d.]+)", readelf("--version-info", args.file))}
    newer = sorted(version for version in versions if version > most)
    if newer:
        sys.exit(f"{args.file} needs glibc {'.'.join(map(str, newer[-1]))}, and {args.most} is the newest that it may need")
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("--dynamic", args.file))
    unknown = [library for library in needed if not KNOWN.fullmatch(library)]
    if unknown:
        sys.exit(f"{args.file} needs libraries that not every Linux has: {', '.join(unknown)}")
    print(f"{args.file} needs glibc {'.'.join(map(str, max(versions, default=(0,))))}: {', '.join(needed)}")


if __name__ == "__main__":
    main()
