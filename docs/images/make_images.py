"""Make the pictures of the documentation anew, after a change of what they show: the table, parts, samples, pages.

Run it with the Python of an environment in which gptool is installed with the extras `test` and `browser`; the pictures
of pages need Chromium.

    .venv/bin/python -P docs/images/make_images.py
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).resolve().parent
GPTOOL = [sys.executable, "-P", "-c", "from gptool.cli import main; main(prog_name='gptool')"]
COMMAND = "gptool export-tiles gptool-demo/world world.tpkx --compression-quality 50"
FONTS = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace'


def make_summary_table() -> None:
    """Write what an export of the demo's cache prints, as it looks in a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*GPTOOL, "demo"], cwd=folder, check=True, capture_output=True)
        command = [*GPTOOL, *COMMAND.split()[1:]]
        printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
        printed = printed.replace(os.path.realpath(folder), "/data")
    lines = [line.rstrip() for line in printed.splitlines()]
    while not lines[0]:
        del lines[0]
    text = Text().append("$ ", "bold green").append(f"{COMMAND}\n\n", "bold white")
    for line in lines:
        text.append(f"{line}\n", "bold white" if re.match(r" *(Level|All) ", line) else "white")
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        console = Console(
            record=True, width=max(map(len, (COMMAND, *lines))) + 3, file=nothing, color_system="truecolor"
        )
        console.print(text, end="")
    # Rich refers to fonts on another host; those of the reader's system do.
    style = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    style = style.replace("Fira Code, monospace", FONTS)
    svg = console.export_svg(title="gptool export-tiles", code_format=style, unique_id="summary-table")
    (IMAGES / "summary-table.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE), encoding="utf-8")


PARTS = "gptool export-tiles gptool-demo/world world-parts --max-part-tiles 60"
COLOURS = "#f4d3b0", "#cfe0f5", "#d5ebcf", "#ecd5ea", "#f6e9b2", "#c9e6e3", "#f3cfd2", "#dcdcf3"
PANEL, MARGIN, LINE = 300, 20, 18
"""Side of a panel, space around it, and height of a line of text, pixels."""


def make_parts() -> None:
    """Draw how the demo's cache is divided into parts, as the manifest states it: the overview, and the others."""
    with tempfile.TemporaryDirectory() as folder:
        for command in ("gptool demo", PARTS):
            subprocess.run([*GPTOOL, *command.split()[1:]], cwd=folder, check=True, capture_output=True)
        parts = json.loads((Path(folder) / "world-parts" / "manifest.json").read_bytes())["parts"]
    world = parts[0]["extent"]
    panels = [[part for part in parts if part["overview"]], [part for part in parts if not part["overview"]]]
    width, height = 2 * PANEL + 3 * MARGIN, PANEL + 2 * MARGIN + LINE
    shapes = [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    for i, panel in enumerate(panels):
        left, top = MARGIN + i * (PANEL + MARGIN), MARGIN + LINE
        levels = f"levels {panel[0]['levels'][0]} to {panel[0]['levels'][-1]}"
        shapes.append(f'<text x="{left}" y="{MARGIN + 6}" font-weight="bold">{levels}</text>')
        for part, colour in zip(panel, COLOURS, strict=False):
            shapes += _draw_part(part, world, (left, top), colour)
        if i:
            for k in range(1, 4):  # the grid of level 2
                at = k * PANEL / 4
                shapes.append(f'<path d="M{left + at} {top}v{PANEL}M{left} {top + at}h{PANEL}" class="grid"/>')
    shapes.sort(key=lambda shape: ("<rect", "<path", "<text").index(shape[:5]))
    style = ".grid { stroke: #888; stroke-dasharray: 3 4; fill: none; } .part { stroke: #333; stroke-width: 1.5; }"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12"><style>{style}</style>\n'
    )
    (IMAGES / "parts.svg").write_text(svg + "\n".join(shapes) + "\n</svg>\n", encoding="utf-8")


def _draw_part(part: dict, world: dict, corner: tuple[float, float], colour: str) -> list[str]:
    """Return the box of a part, with its name and tiles."""
    scale = PANEL / (world["xmax"] - world["xmin"])
    box = part["extent"]
    x, y = corner[0] + (box["xmin"] - world["xmin"]) * scale, corner[1] + (world["ymax"] - box["ymax"]) * scale
    width, height = (box["xmax"] - box["xmin"]) * scale, (box["ymax"] - box["ymin"]) * scale
    name = part["name"].removeprefix("world-parts-").removesuffix(".tpkx")
    lines = (*(name.split("-") if width < PANEL / 2 - 1 else [name]), f"{part['tiles']} tiles")
    middle = y + height / 2 - LINE * (len(lines) - 1) / 2 + 4
    return [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}" class="part"/>',
        *(
            f'<text x="{x + width / 2:.1f}" y="{middle + i * LINE:.1f}" text-anchor="middle">{line}</text>'
            for i, line in enumerate(lines)
        ),
    ]


def make_pages() -> None:
    """Take the pictures of the service's pages, from the tests that use them in a browser."""
    tests = IMAGES.parents[1] / "tests" / "service"
    files = [str(tests / name) for name in ("test_browser.py", "test_samples_in_browser.py")]
    command = [sys.executable, "-P", "-m", "pytest", "-q", *files, "-k", "draw_estimate_export or drawn_area"]
    subprocess.run(command, env={**os.environ, "GPTOOL_SCREENSHOTS": str(IMAGES)}, check=True)


def make_samples() -> None:
    """Take the picture of a page of sample compressions of the demo's cache."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        subprocess.run([*GPTOOL, "demo"], cwd=folder, check=True, capture_output=True)
        subprocess.run([*GPTOOL, "samples", "gptool-demo/world", "world.html"], cwd=folder, check=True)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 1560})
        page.goto(Path(folder, "world.html").as_uri())
        page.locator("label[for=quality-30]").click()
        page.screenshot(path=IMAGES / "samples.jpg", type="jpeg", quality=60)
        browser.close()


if __name__ == "__main__":
    make_summary_table()
    make_samples()
    make_parts()
    make_pages()
