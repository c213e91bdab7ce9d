#!/usr/bin/env python3
"""Looks at a report in a headless browser: nothing overflows, no plot is empty, in light and dark, wide and narrow.

    scripts/check_report.py report.html [--screenshots DIR]

Needs Chromium with its driver (Debian: chromium, chromium-driver) and Pillow. Speaks the WebDriver protocol itself.
"""

import argparse
import base64
import io
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
]
VIEWS = [("wide", 1280, 900), ("phone", 390, 844), ("small", 320, 640)]

# What is wider than the window without a scroll bar of its own, what is cut off in a drawing, texts of a drawing
# that lie on each other, and what was asked for from elsewhere.
LOOK = """
const wide = document.documentElement.scrollWidth - window.innerWidth;
const problems = [];
if (wide > 0) problems.push(`the page is ${wide} px wider than the window`);
for (const e of document.querySelectorAll('main *')) {
  if (e.closest('svg, .scroll, details:not([open])')) continue;
  const box = e.getBoundingClientRect();
  if (box.width && box.right > window.innerWidth + 1) problems.push(`${e.tagName} ${e.className} ends at ${box.right}`);
}
const plots = [];
for (const svg of document.querySelectorAll('svg.plot')) {
  const frame = svg.getBoundingClientRect(), name = svg.getAttribute('aria-label');
  const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  for (const [words, box] of texts)
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      problems.push(`${name}: "${words}" is cut off`);
  for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
    const [a, b] = [texts[i][1], texts[j][1]];
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left), y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 2 && y > 0.35 * Math.min(a.height, b.height)) problems.push(`${name}: "${texts[i][0]}" lies on "${texts[j][0]}"`);
  }
  const marks = svg.querySelectorAll('circle, rect, path.line').length;
  if (marks < 2) problems.push(`${name}: has ${marks} marks`);
  plots.push({name, marks, box: [frame.left + scrollX, frame.top + scrollY, frame.width, frame.height]});
}
const fetched = performance.getEntriesByType('resource').map(r => r.name);
for (const name of fetched) problems.push(`asked for ${name}`);
return {problems, plots, height: document.documentElement.scrollHeight, ratio: devicePixelRatio,
  back: getComputedStyle(document.body).backgroundColor};
"""


class Browser:
    def __init__(self) -> None:
        driver = shutil.which("chromedriver") or sys.exit("chromedriver is missing (Debian: chromium-driver)")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.profile = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        options = {"args": [*FLAGS, f"--user-data-dir={self.profile.name}"]}
        if binary := shutil.which("chromium"):
            options["binary"] = binary
        for attempt in range(100):
            try:
                self.call("GET", "/status")
                break
            except urllib.error.URLError:
                if attempt == 99:
                    raise
                time.sleep(0.1)
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self.session = "/session/" + self.call("POST", "/session", wanted)["sessionId"]

    def call(self, method: str, path: str, body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            sys.exit(f"{path}: {error.read().decode()[:500]}")

    def post(self, path: str, **body):
        return self.call("POST", self.session + path, body)

    def devtools(self, command: str, **params):
        return self.post("/goog/cdp/execute", cmd=command, params=params)

    def close(self) -> None:
        try:
            self.call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait()
            self.profile.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--screenshots", type=Path, help="folder for the pictures")
    args = parser.parse_args()
    if args.screenshots:
        args.screenshots.mkdir(parents=True, exist_ok=True)
    browser = Browser()
    problems, backs = [], set()
    try:
        for scheme in ["light", "dark"]:
            for view, width, height in VIEWS:
                size = {"width": width, "height": height, "deviceScaleFactor": 2 if width < 500 else 1, "mobile": width < 500}
                browser.devtools("Emulation.setDeviceMetricsOverride", **size)
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                browser.devtools("Emulation.setEmulatedMedia", media="screen", features=features)
                browser.post("/url", url=args.page.resolve().as_uri())
                seen = browser.post("/execute/sync", script=LOOK, args=[])
                backs.add((scheme, seen["back"]))
                shot = browser.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                                        clip={"x": 0, "y": 0, "width": width, "height": seen["height"], "scale": 1})
                picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
                if args.screenshots:
                    picture.save(args.screenshots / f"{args.page.stem}-{scheme}-{view}.png")
                found = seen["problems"] + [p for plot in seen["plots"] if (p := empty(plot, picture, width))]
                if not seen["plots"]:
                    found.append("there are no plots")
                problems += [f"{scheme}, {view}: {problem}" for problem in found]
    finally:
        browser.close()
    if len({back for _, back in backs}) != 2:
        problems.append(f"light and dark look alike: {sorted(backs)}")
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(f"{args.page}: {len(problems)} problems")
    print(f"{args.page}: {2 * len(VIEWS)} views, nothing to complain of")


def empty(plot: dict, picture: Image.Image, width: int) -> str | None:
    """Whether next to nothing in the plot's rectangle differs from its background."""
    scale = picture.width / width
    left, top, wide, high = (scale * value for value in plot["box"])
    part = picture.crop((round(left), round(top), round(left + wide), round(top + high)))
    counts = sorted((count for count, _ in part.getcolors(part.width * part.height)), reverse=True)
    inked = 1 - counts[0] / sum(counts)
    return f"{plot['name']}: only {100 * inked:.2f} % of it is drawn on" if inked < 0.01 else None


if __name__ == "__main__":
    main()
