"""The list of one's own jobs: by token, or by the cookie of a browser that has none."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from lxml import html

from gptool.service.tokens import add_token
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess

START = "services/World/ImageServer/exportTiles"
SAMPLES = "services/World/ImageServer/sampleCompressions"
TASK = "services/ExportTiles/GPServer/EstimateExportTilesSize"
SAME = {"Sec_Fetch_Site": "same-origin"}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("jobs")
    return {"file": str(folder / "tokens")} | {name: add_token(folder / "tokens", name) for name in ("anna", "ben")}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, tokens: dict[str, str], cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    with ServiceProcess(folder, f"World={cache}", "--token-file", tokens["file"], "--allow-anonymous") as running:
        yield running


class Browser:
    """A browser that submits forms of the pages and keeps the cookie."""

    def __init__(self, service: ServiceProcess) -> None:
        self.client, self.cookie = RestClient(service.address, **SAME), ""

    def start(self, path: str, **values: str) -> str:
        """Submit a form, and return the path of the job."""
        reply = self.client.post(path, **values) if not self.cookie else self._with_cookie().post(path, **values)
        assert reply.status == 303, reply
        if "set-cookie" in reply.headers:
            [(name, morsel)] = SimpleCookie(reply.headers["set-cookie"]).items()
            attributes = morsel["httponly"], morsel["samesite"], morsel["path"]
            assert (name, *attributes) == ("gptool_jobs", True, "strict", "/arcgis/rest")
            self.cookie = f"{name}={morsel.value}"
        return reply.headers["location"]

    def jobs(self) -> list[str]:
        """Return the links of the page."""
        return [str(link.get("href")) for link in self._links()]

    def labels(self) -> list[str]:
        """Return the texts of the links of the page."""
        return [str(link.text_content()) for link in self._links()]

    def _links(self) -> list[html.HtmlElement]:
        reply = self._with_cookie().get("jobs")
        page = html.document_fromstring(reply.body)
        assert page.xpath("string(//h1)") == "My jobs", reply
        found: list[html.HtmlElement] = page.xpath("//table[@id='jobs']//td/a")
        return found

    def _with_cookie(self) -> RestClient:
        return RestClient(self.client.address, **SAME, **({"Cookie": self.cookie} if self.cookie else {}))


def test_jobs_of_all_operations_are_listed(service: ServiceProcess) -> None:
    browser = Browser(service)
    names = ("exportTiles", "estimateExportTilesSize", "sampleCompressions")
    started = [browser.start(f"services/World/ImageServer/{name}", levels="0") for name in names]
    assert browser.jobs() == started[::-1]


def test_browser_lists_the_jobs_that_it_started(service: ServiceProcess) -> None:
    first, second = Browser(service), Browser(service)
    assert first.jobs() == []
    package = first.start(START, levels="0", tilePackage="true")
    estimate = first.start(f"{TASK}/submitJob", levels="0-1", cache="World")
    other = second.start(START, levels="1")
    assert (first.jobs(), second.jobs()) == ([estimate, package], [other])
    for path in first.jobs():
        assert first.client.wait(path)["jobStatus"] == "esriJobSucceeded"


def test_token_lists_its_own_jobs_and_no_others(service: ServiceProcess, tokens: dict[str, str]) -> None:
    clients = {name: RestClient(service.address, Authorization=f"Bearer {tokens[name]}") for name in ("anna", "ben")}
    paths = {name: client.run(START, levels="0")[0] for name, client in clients.items()}
    anonymous = Browser(service)
    started = anonymous.start(START, levels="0")
    for name, path in paths.items():
        [job] = clients[name].json("jobs")["jobs"]
        assert (job["jobId"], job["jobStatus"]) == (path.rpartition("/")[2], "esriJobSucceeded")
        assert job["url"] == f"/arcgis/rest/{path}"
    stolen = Browser(service)
    stolen.cookie = f"gptool_jobs={paths['anna'].rpartition('/')[2]}.{started.rpartition('/')[2]}"
    assert stolen.jobs() == [started], "the cookie does not open jobs of a token"
    assert RestClient(service.address).json("jobs")["jobs"] == []


def test_sample_compressions_are_listed_once(service: ServiceProcess) -> None:
    """An equal request has the same job."""
    browser = Browser(service)
    export = browser.start(START, levels="0")
    samples = [browser.start(SAMPLES, levels="0-1") for _ in range(2)]
    assert samples[0] == samples[1]
    assert browser.jobs() == [samples[0], export]
    ids = [path.rpartition("/")[2] for path in (samples[0], export)]
    assert browser.cookie == f"gptool_jobs={'.'.join(ids)}"
    assert browser.client.wait(samples[0])["jobStatus"] == "esriJobSucceeded"
    assert [label.split()[:2] for label in browser.labels()] == [["Compare", "qualities"], ["Export", "Tiles"]]


@pytest.mark.parametrize("value", ["x", "." * 5000, "j" + "0" * 32, "j1.' OR 1=1 --", ".".join(["j" + "0" * 32] * 90)])
def test_hostile_cookie_lists_nothing(service: ServiceProcess, value: str) -> None:
    browser = Browser(service)
    browser.cookie = f"gptool_jobs={value}"
    assert browser.jobs() == []


def test_cookie_keeps_the_newest_jobs(service: ServiceProcess) -> None:
    browser = Browser(service)
    browser.cookie = "gptool_jobs=" + ".".join(f"j{number:032x}" for number in range(50))
    path = browser.start(START, levels="0")
    ids = browser.cookie.partition("=")[2].split(".")
    assert (ids[0], len(ids), ids[-1]) == (path.rpartition("/")[2], 50, f"j{48:032x}")
    assert len(browser.cookie) < 4000
