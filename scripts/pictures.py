#!/usr/bin/env python3
"""Draws the pictures of the README from the real program: a search in a terminal, and the page of a run. Renews the sample output.

    scripts/pictures.py [--edgezen target/release/edgezen]

Writes docs/pictures/run.svg and docs/pictures/report.png, and the block in README.md that shows what the first command prints. The page needs what scripts/check_report.py needs.
"""

import argparse
import base64
import io
import subprocess
import tempfile
from html import escape
from pathlib import Path

from check_report import Browser
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs/pictures"
WORDS = ["search", "--device", "pixel2", "--latency", "80ms"]
COLUMNS, LINES = 96, 26
WIDE, HIGH = 1120, 860


def wrapped(line: str) -> list[str]:
    return [line[at : at + COLUMNS] for at in range(0, len(line), COLUMNS)] or [""]


def terminal(printed: str) -> str:
    """The first lines of what a command prints, as a drawing."""
    faint = ("block ", "outside ", "Super")
    lines = [(part, line.startswith(faint)) for line in printed.splitlines() for part in wrapped(line)][:LINES]
    step, left, top = 17, 16, 44
    width, height = left * 2 + COLUMNS * 7.9, top + step * (len(lines) + 1) + 8
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" aria-label="A search in a terminal">',
        "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d7dee6;white-space:pre}"
        ".p{fill:#5cc98d}.h{fill:#9aa7b4}</style>",
        f'<rect width="{width:.0f}" height="{height}" rx="10" fill="#10161c"/>',
    ]
    for place, colour in enumerate(["#e0645c", "#dcb03f", "#5cc98d"]):
        out.append(f'<circle cx="{20 + 18 * place}" cy="17" r="5.5" fill="{colour}"/>')
    out.append(f'<text x="{left}" y="{top}"><tspan class="p">$</tspan> edgezen {" ".join(WORDS)}</text>')
    for place, (line, is_faint) in enumerate(lines, 1):
        mark = ' class="h"' if is_faint else ""
        if line.strip():
            out.append(f'<text x="{left}" y="{top + step * place}"{mark}>{escape(line)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def renew_sample(printed: str) -> None:
    """Puts what the command prints behind it in the README."""
    readme = ROOT / "README.md"
    before, command, after = readme.read_text().partition(f"edgezen {' '.join(WORDS)}\n")
    between, begin, sample = after.partition("```text\n")
    if not begin:
        raise SystemExit("README.md shows no output of its first command")
    readme.write_text(before + command + between + begin + printed.rstrip() + "\n```" + sample.partition("\n```")[2])


def page(html: Path) -> Image.Image:
    """The top of a page, with the budget on the latency moved by hand."""
    browser = Browser()
    try:
        browser.devtools("Emulation.setDeviceMetricsOverride", width=WIDE, height=HIGH, deviceScaleFactor=1, mobile=False)
        browser.devtools("Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-color-scheme", "value": "light"}])
        browser.post("/url", url=html.resolve().as_uri())
        move = """const slider = [...document.querySelectorAll('#sliders input')].at(-1);
            slider.value = Math.round(slider.max * .72); slider.dispatchEvent(new Event('input', {bubbles: true}));"""
        browser.post("/execute/sync", script=move, args=[])
        shot = browser.devtools("Page.captureScreenshot", format="png")
        return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    finally:
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edgezen", type=Path, default=ROOT / "target/release/edgezen")
    edgezen = parser.parse_args().edgezen.resolve()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        def run(*words: str) -> str:
            return subprocess.run([edgezen, *words], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout

        printed = run(*WORDS)
        renew_sample(printed)
        (PICTURES / "run.svg").write_text(terminal(printed))
        run("report", "runs/pixel2-80ms-seed0")
        picture = page(Path(folder) / "runs/pixel2-80ms-seed0/report.html")
        picture.quantize(256, dither=Image.Dither.NONE).save(PICTURES / "report.png", optimize=True)
    for name in ["run.svg", "report.png"]:
        print(f"{PICTURES / name}: {(PICTURES / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
