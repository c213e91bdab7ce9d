#!/usr/bin/env python3
"""Looks at a report in a headless browser: nothing overflows, no plot is empty, in light and dark, wide and narrow. And uses it:
budgets are moved, networks chosen, the table sorted and saved. A page about trainings (--trained) has nothing to use.

    scripts/check_report.py report.html [--trained] [--screenshots DIR]

Needs Chromium with its driver (Debian: chromium, chromium-driver) and Pillow. Speaks the WebDriver protocol itself.
"""

import argparse
import base64
import csv
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

# Uses the page as a person does; what is seen is compared with the data. `done` gets the problems, the text that was saved, and
# where a point of a plot is.
USE = """
const done = arguments[arguments.length - 1];
const {columns, runs, nets} = JSON.parse(document.getElementById('data').textContent);
const problems = [], at = id => document.getElementById(id);
const expect = (is, what) => { if (!is) problems.push(what); };
const rows = () => [...document.querySelectorAll('#nets tbody tr')];
const shown = () => rows().filter(row => row.offsetParent !== null).map(row => Number(row.dataset.net));
const chosen = () => document.querySelector('#picked code')?.textContent;
const held = (net, c) => net.cells[c] ? (net.cells[c].held ?? [net.cells[c].value])[0] : null;
expect(!at('controls').hidden, 'the script did not start');
expect(chosen() === nets.find(net => net.run === 0 && net.best).net, 'the network that was handed over is not chosen');
const sliders = [...document.querySelectorAll('#sliders input')];
expect(sliders.length > 0, 'there are no sliders');
const bounded = columns.map((column, c) => c).filter(c => columns[c].bounds &&
  new Set(nets.map(net => held(net, c)).filter(value => value !== null)).size > 1);
expect(sliders.length === bounded.length, `${sliders.length} sliders for ${bounded.length} columns`);
at('loose').click();
expect(shown().length === nets.length, 'without budgets not all networks are shown');
sliders.forEach((slider, i) => {
  const c = bounded[i], sign = columns[c].at_least ? -1 : 1;
  const values = [...new Set(nets.map(net => held(net, c)).filter(value => value !== null))].sort((a, b) => sign * (a - b));
  for (const position of [0, Math.floor(slider.max / 2), Number(slider.max)]) {
    slider.value = position;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    const all = position === Number(slider.max);
    const want = nets.flatMap((net, place) =>
      all || (held(net, c) !== null && sign * held(net, c) <= sign * values[position]) ? [place] : []);
    const seen = shown().sort((a, b) => a - b);
    expect(String(seen) === String(want), `${columns[c].id} at ${position}: ${seen.length} networks, not ${want.length}`);
    const best = want.reduce((a, b) => nets[b].cells[0].value > nets[a].cells[0].value ? b : a);
    expect(chosen() === nets[best].net, `${columns[c].id} at ${position}: not the best is chosen`);
    expect(at('fits').textContent.startsWith(`${want.length} of ${nets.length} networks fit.`), at('fits').textContent);
    const faint = [...document.querySelectorAll('svg.plot [data-net].out')].map(dot => Number(dot.dataset.net));
    expect(faint.every(place => !want.includes(place)), 'a point that fits is faint');
  }
});
if (runs.length > 1) {
  const box = document.querySelector('#runs input');
  box.click();
  expect(shown().every(place => nets[place].run !== 0), 'a run that is switched off is shown');
  box.click();
}
for (const head of [...document.querySelectorAll('#nets thead button')].slice(0, 3)) {
  head.click();
  const c = head.parentElement.cellIndex, order = shown().map(place => nets[place].cells[c]?.value ?? -Infinity);
  expect(order.every((value, i) => i === 0 || order[i - 1] >= value), `sorted by ${columns[c].id}, the rows are not in order`);
}
rows()[1].querySelector('button').click();
expect(chosen() === nets[rows()[1].dataset.net].net, 'a click on a row does not choose');
sliders.at(-1).value = Math.floor(sliders.at(-1).max / 2);
sliders.at(-1).dispatchEvent(new Event('input', {bubbles: true}));
const want = shown().length;
let saved = null, name = null;
URL.createObjectURL = blob => { saved = blob; return 'data:,'; };
HTMLAnchorElement.prototype.click = function () { name = this.download; };
at('csv-fits').click();
saved.text().then(csv => {
  expect(name === 'front.csv', `saved as ${name}`);
  expect(csv.trim().split('\\n').length === want + 1, 'the table has other rows than the page');
  at('csv-all').click();
  return saved.text();
}).then(csv => {
  at('loose').click();
  window.scrollTo(0, 0);
  const dots = [...document.querySelectorAll('svg.plot [data-net]')], dot = dots[Math.floor(dots.length / 3)];
  dot.scrollIntoView({block: 'center'});
  const box = dot.getBoundingClientRect();
  done({problems, csv, point: [box.x + box.width / 2, box.y + box.height / 2], net: nets[dot.dataset.net].net});
}).catch(error => done({problems: [...problems, String(error)], csv: '', point: null}));
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

    def click(self, x: float, y: float) -> None:
        steps = [{"type": "pointerMove", "x": round(x), "y": round(y)}, {"type": "pointerDown", "button": 0},
                 {"type": "pointerUp", "button": 0}]
        self.post("/actions", actions=[{"type": "pointer", "id": "finger", "actions": steps}])

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
    parser.add_argument("--trained", action="store_true", help="the page is about trainings alone")
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
                if args.trained and browser.post("/execute/sync", script="return document.scripts.length", args=[]):
                    found.append("a page about trainings has a script, which nobody tries here")
                if scheme == "light" and not args.trained:
                    found += used(browser, args.page)
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


def used(browser: Browser, page: Path) -> list[str]:
    """What goes wrong when the page is used."""
    seen = browser.post("/execute/async", script=USE, args=[])
    found = list(seen["problems"])
    if seen["point"]:
        browser.click(*seen["point"])
        chosen = browser.post("/execute/sync", script="return document.querySelector('#picked code').textContent", args=[])
        # Points may lie closer together than the pointer is exact: then its neighbour is chosen.
        if not chosen:
            found.append("a click on a point chooses nothing")
    stored = page.parent / "front.csv"
    if page.name == "report.html" and stored.exists():
        ours, theirs = ({row["net"]: row for row in csv.DictReader(io.StringIO(text))} for text in (seen["csv"], stored.read_text()))
        if ours.keys() != theirs.keys():
            found.append("the saved table has other networks than front.csv")
        for net, row in theirs.items():
            for name, value in row.items():
                if name in ("best", "net") or not value or not ours.get(net, {}).get(name):
                    continue
                if abs(float(ours[net][name]) - float(value)) > 1e-9 * abs(float(value)):
                    found.append(f"{name} of {net} is {ours[net][name]}, not {value}")
    return found


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
