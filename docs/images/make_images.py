"""Make the pictures of the documentation anew, after a change of what they show: the summary table, samples, pages.

Run it with the Python of an environment in which gptool is installed with the extras `test` and `browser`; the pictures
of pages need Chromium.

    .venv/bin/python -P docs/images/make_images.py
"""

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
    make_pages()
