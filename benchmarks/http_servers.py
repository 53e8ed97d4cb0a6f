"""The servers that the benchmark of the service compares: gptool, an ASGI application without content, MapProxy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.waiting import wait_until

MAPPROXY = Path(__file__).parents[1] / "tests" / "mapproxy" / "environment" / "bin" / "python"

CONSTANT = """\
import sys
from pathlib import Path
from gptool.service import server
from gptool.service.settings import ServiceSettings, named_caches

size, cache, folder = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}
body = {"type": "http.response.body", "body": bytes(size)}

async def answer(scope, receive, send):
    await send(head)
    await send(body)

server.make_app = lambda *_: answer
settings = ServiceSettings(named_caches({"constant": cache}), port=0, output_directory=folder)
server.serve(settings, lambda url: print(url, file=sys.stderr, flush=True))
"""
"""The service's own server with its settings, and another application: one answer, always the same."""

MAPPROXY_SETTINGS = """\
services: {{tms: {{use_grid_names: true, origin: nw}}}}
layers: [{{name: cache, title: cache, sources: [cache]}}]
caches:
  cache:
    grids: [grid]
    sources: []
    format: image/jpeg
    cache: {{type: compact, version: 2, directory: {tiles}}}
grids: {{grid: {{base: GLOBAL_WEBMERCATOR, origin: nw}}}}
"""

MAPPROXY_APPLICATION = """\
from mapproxy.wsgiapp import make_wsgi_app
application = make_wsgi_app({settings!r})
"""


def has_mapproxy() -> bool:
    """Return True if MapProxy and gunicorn are installed, by tests/mapproxy/make_environment."""
    command = [MAPPROXY, "-c", "import gunicorn, mapproxy"]
    return MAPPROXY.exists() and subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def constant_server(size: int, cache: Path, folder: Path) -> Iterator[int]:
    """Run an application whose only answer has `size` bytes, and yield its port."""
    command = [sys.executable, "-P", "-c", CONSTANT, str(size), str(cache), str(folder / "output")]
    with _running(command, folder, r"http://[^:]+:(\d+)/") as port:
        yield port


@contextmanager
def mapproxy_server(cache: Path, folder: Path) -> Iterator[int]:
    """Run MapProxy with the bundles of a cache, in one process of gunicorn with four threads, and yield its port."""
    settings = folder / "mapproxy.yaml"
    settings.write_text(MAPPROXY_SETTINGS.format(tiles=cache / "_alllayers"))
    (folder / "application.py").write_text(MAPPROXY_APPLICATION.format(settings=str(settings)))
    options = ["--worker-class=gthread", "--workers=1", "--threads=4", "--keep-alive=60", "--bind=127.0.0.1:0"]
    command = [str(MAPPROXY), "-m", "gunicorn", *options, "application"]
    with _running(command, folder, r"Listening at: http://[^:]+:(\d+) ") as port:
        yield port


@contextmanager
def _running(command: list[str], folder: Path, ready: str) -> Iterator[int]:
    """Run a program, and yield the port that it states on standard error."""
    log = folder / "log"
    with log.open("wb") as errors, subprocess.Popen(command, cwd=folder, stderr=errors, stdout=errors) as process:
        try:

            def find() -> re.Match[str] | None:
                assert process.poll() is None, log.read_text()
                return re.search(ready, log.read_text())

            match = wait_until(find, log.read_text)
            assert match
            yield int(match[1])
        finally:
            process.terminate()
