"""Sample compressions as jobs of the service: results, equal requests, cancellation and errors."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from lxml import html

from gptool import sample_compressions
from gptool.errors import ExportCancelledError, ServiceError
from gptool.jobs.record import EXPORT_TILES, SAMPLE_COMPRESSIONS, JobRecord
from gptool.jobs.status import JobStatus
from gptool.samples.page import PageLinks, make_page
from gptool.service.queue import reuse
from gptool.service.queue.reuse import ReusableJobs, is_usable, request_key
from helpers.caches import conf_text, jpeg_tile, make_cache, png_tile
from helpers.gate import Gate
from helpers.rest_client import REST, RestClient
from helpers.service_jobs import end_of, serving, settings_of, submit, texts_of
from helpers.service_process import ServiceProcess
from helpers.waiting import TIMEOUT

SAMPLES = "services/World/ImageServer/sampleCompressions"
SELECTION = {"levels": "0-1", "tilePackage": "true"}
TEXT_TAGS = "style", "script"
IGNORED = {"compressionQuality": "20", "targetSize": "1MB", "optimizeTilesForSize": "true", "optimizePng": "true"}
"""How a person filled in the form. Some of it contradicts the rest."""


@pytest.fixture(scope="module")
def service(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestClient]:
    folder = tmp_path_factory.mktemp("samples")
    large = {(0, 0, 0): jpeg_tile(1, size=1100)}
    caches = {
        "World": cache,
        "Png": make_cache(folder / "png", {(0, 0, 0): png_tile(1)}, conf=conf_text(format="PNG")),
        "Large": make_cache(folder / "large", large, conf=conf_text(range(1), tile=1100)),
    }
    with ServiceProcess(folder, *(f"{name}={path}" for name, path in caches.items())) as running:
        yield RestClient(running.address)


def start(client: RestClient, path: str = SAMPLES, **parameters: str) -> str:
    job: str = client.post(path, f="json", **parameters).json()["jobId"]
    return job


def texts(job: dict[str, Any]) -> str:
    return "\n".join(message["description"] for message in job["messages"])


def test_result_is_the_page_and_its_figures(service: RestClient, cache: Path) -> None:
    job = start(service, **SELECTION, **IGNORED)
    ended = service.wait(f"{SAMPLES}/jobs/{job}")
    assert ended["jobStatus"] == "esriJobSucceeded", ended
    expected = sample_compressions(cache, levels="0-1", tile_package=True)
    assert expected.summary in texts(ended)
    listing = service.json(f"directories/arcgisoutput/{job}")
    assert [file["name"] for file in listing["files"]] == ["samples.html"]
    report = service.json(f"directories/arcgisoutput/{job}/report.json")
    assert report["recommended"] == expected.to_json()["recommended"]
    assert report["name"] == "World"
    page = service.get(f"directories/arcgisoutput/{job}/samples.html")
    above = "../../../services/World/ImageServer"
    links = PageLinks(f"{above}/{SAMPLES.rpartition('/')[2]}/jobs/{job}", f"{above}/exportTiles?job={job}&quality=")
    assert page.body.decode() == make_page(replace(expected, name="World"), links)


def test_page_is_shown_by_its_own_policy_also_when_a_browser_has_it(service: RestClient) -> None:
    job = start(service, **SELECTION)
    service.wait(f"{SAMPLES}/jobs/{job}")
    path = service.path(f"directories/arcgisoutput/{job}/samples.html")
    page = service.ask("GET", path)
    again = service.ask("GET", path, If_None_Match=page.headers["etag"])
    assert (page.status, again.status, again.body) == (200, 304, b"")
    [style], [script] = (re.findall(f"<{tag}>(.*?)</{tag}>", page.body.decode(), re.DOTALL) for tag in TEXT_TAGS)
    sources = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (style, script)]
    for reply in (page, again):
        rules = dict(rule.strip().split(" ", 1) for rule in reply.headers["content-security-policy"].split(";"))
        assert rules == {
            "default-src": "'none'",
            "img-src": "data:",
            "style-src": sources[0],
            "script-src": sources[1],
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert reply.headers["content-disposition"] == "inline"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "private"


def test_links_of_the_page_lead_to_the_job_and_the_form(service: RestClient) -> None:
    job = start(service, **SELECTION)
    service.wait(f"{SAMPLES}/jobs/{job}")
    path = f"{REST}/directories/arcgisoutput/{job}/samples.html"
    page = html.document_fromstring(service.get(path).body)
    back, *use = [urljoin(path, str(link)) for link in page.xpath("//a/@href")]
    assert html.document_fromstring(service.get(back).body).get_element_by_id("recommendation") is not None
    assert [int(url.rpartition("=")[2]) for url in use[1:]] == sorted({30, 40, 50, 60, 70, int(use[0][-2:])})
    for url in use:
        form = html.document_fromstring(service.get(url).body).get_element_by_id("export").fields
        assert (form["levels"], form["compressionQuality"]) == ("0-1", url.rpartition("=")[2])


def test_equal_request_has_the_same_job(service: RestClient) -> None:
    first = start(service, levels="0")
    assert start(service, levels="0") == first
    assert start(service, levels="0", tables="exact") != first
    assert service.wait(f"{SAMPLES}/jobs/{first}")["jobStatus"] == "esriJobSucceeded"
    assert start(service, levels="0") == first


@pytest.mark.parametrize(
    ("service_name", "parameters", "text"),
    [
        ("World", {"levels": "99"}, "levels: level is not in the tiling scheme"),
        ("World", {"exportExtent": "nonsense"}, "exportExtent: "),
        ("World", {"tables": "x"}, "tables: "),
        ("World", {"areaOfInterest": "{"}, "areaOfInterest: "),
        ("Png", {}, "no valid JPEG tile to compare"),
        ("Large", {}, "expected JPEG tiles of at most 1,048,576 pixels"),
    ],
)
def test_error_is_that_of_the_job(
    service: RestClient, service_name: str, parameters: dict[str, str], text: str
) -> None:
    path = f"services/{service_name}/ImageServer/sampleCompressions"
    job = start(service, path, **parameters)
    ended = service.wait(f"{path}/jobs/{job}")
    assert ended["jobStatus"] == "esriJobFailed"
    assert text in texts(ended)
    assert "/tmp" not in texts(ended)
    assert start(service, path, **parameters) != job, "a failed job is no answer"


def test_cancelled_job_is_not_used_again(cache: Path, tmp_path: Path, gate: Gate) -> None:
    """Nor does it hold up an estimate, which has processes of its own."""
    with gate.closed(), ServiceProcess(tmp_path, f"World={cache}", environment=gate.environment) as running:
        client = RestClient(running.address)
        job = start(client, **SELECTION)
        gate.wait()
        assert start(client, **SELECTION) == job
        estimate = client.post("services/World/ImageServer/estimateExportTilesSize", f="json", levels="0").json()
        address = f"services/World/ImageServer/estimateExportTilesSize/jobs/{estimate['jobId']}"
        assert client.wait(address)["jobStatus"] == "esriJobSucceeded"
        client.post(f"{SAMPLES}/jobs/{job}/cancel", f="json")
        assert client.wait(f"{SAMPLES}/jobs/{job}")["jobStatus"] == "esriJobCancelled"
        assert not list((tmp_path / "output" / "results").glob("*"))
        assert start(client, **SELECTION) != job


class TestReuse:
    def record(self, **values: Any) -> JobRecord:
        others: dict[str, Any] = {"service": "World", "service_type": "ImageServer", "owner": "me", "created": 0.0}
        return JobRecord("j1", **{"operation": SAMPLE_COMPRESSIONS, "inputs": {}, "accessed": 0.0, **others, **values})

    def test_key_depends_on_all_of_a_request(self, cache: Path) -> None:
        inputs = {"levels": "0", "tables": "exact"}
        keys = {
            request_key(self.record(), inputs, cache),
            request_key(self.record(operation="ExportTiles"), inputs, cache),
            request_key(self.record(owner="you"), inputs, cache),
            request_key(self.record(service="Other"), inputs, cache),
            request_key(self.record(service_type="MapServer"), inputs, cache),
            request_key(self.record(), {"levels": "0"}, cache),
            request_key(self.record(), inputs, cache / "nowhere"),
        }
        assert len(keys) == 7
        assert request_key(self.record(), dict(reversed(inputs.items())), cache) in keys
        assert request_key(self.record(), {"levels": "\ud800"}, cache) not in keys

    def test_key_depends_on_the_state_of_the_cache(self, tmp_path: Path) -> None:
        cache = make_cache(tmp_path / "world", {(0, 0, 0): jpeg_tile(1), (1, 0, 0): jpeg_tile(2)})
        [bundle] = cache.rglob("L01/*.bundle")
        conf = cache / "conf.xml"
        keys = [request_key(self.record(), {}, cache)]
        (tmp_path / "new").write_bytes(bundle.read_bytes())
        (tmp_path / "new").replace(bundle)
        keys.append(request_key(self.record(), {}, cache))
        conf.write_bytes(conf.read_bytes() + b"\n")
        keys.append(request_key(self.record(), {}, cache))
        assert len({*keys}) == 3
        assert request_key(self.record(), {}, conf) == keys[-1], "another name of the same cache"

    def test_old_and_many_jobs_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        jobs = ReusableJobs()
        for i in range(reuse.MAX_REMEMBERED + 1):
            jobs.add(bytes([i % 256, i // 256]), f"j{i}")
        assert jobs.find(b"\0\0") is None
        assert jobs.find(b"\1\0") == "j1"
        monkeypatch.setattr("gptool.service.queue.reuse.REUSE_SECONDS", 0.0)
        assert jobs.find(b"\1\0") is None

    def test_failed_and_cancelled_jobs_are_not_usable(self) -> None:
        assert is_usable(self.record())
        assert not is_usable(self.record().end_with_error(ExportCancelledError("x"), 1.0))

    def test_simultaneous_equal_requests_share_a_job(self, cache: Path, tmp_path: Path) -> None:
        async def run() -> None:
            async with asyncio.timeout(TIMEOUT), serving(settings_of(tmp_path, cache)) as queue:
                submit = (
                    queue.submit(SAMPLE_COMPRESSIONS, "World", "ImageServer", {"levels": "0"}, "me") for _ in range(5)
                )
                assert len({job.job_id for job in await asyncio.gather(*submit)}) == 1

        asyncio.run(run())

    def test_other_requests_are_no_equals_of_one_that_is_refused(self, cache: Path, tmp_path: Path) -> None:
        """The area of interest that is too large is not among its inputs."""

        async def run() -> None:
            settings = settings_of(tmp_path, cache, max_area_bytes=10)
            async with asyncio.timeout(TIMEOUT), serving(settings) as queue:
                inputs = {"levels": "0"}
                first = await queue.submit(SAMPLE_COMPRESSIONS, "World", "ImageServer", inputs, "me")
                inputs["areaOfInterest"] = "x" * 11
                other = await queue.submit(SAMPLE_COMPRESSIONS, "World", "ImageServer", inputs, "me")
                assert other.job_id != first.job_id
                assert other.status is JobStatus.FAILED
                assert "areaOfInterest: too many bytes" in other.messages[0].description

        asyncio.run(run())


def test_equal_request_needs_no_place_in_the_queue_and_others_wait_apart(
    cache: Path, tmp_path: Path, gate: Gate
) -> None:
    async def run() -> None:
        settings = settings_of(tmp_path, cache, jobs=1, max_queued=1, max_jobs_per_token=2)
        async with asyncio.timeout(TIMEOUT), serving(settings) as queue:

            async def submit(operation: str, levels: str, owner: str) -> JobRecord:
                return await queue.submit(operation, "World", "ImageServer", {"levels": levels}, owner)

            first, waiting = [await submit(SAMPLE_COMPRESSIONS, levels, "me") for levels in ("0-3", "0-2")]
            for owner in ("me", "you"):
                with pytest.raises(ServiceError, match=r"too many jobs are waiting.*found 1, expected below 1"):
                    await submit(SAMPLE_COMPRESSIONS, "0-1", owner)
            assert (await submit(SAMPLE_COMPRESSIONS, "0-2", "me")).job_id == waiting.job_id
            await submit(EXPORT_TILES, "0-3", "you")
            export = await submit(EXPORT_TILES, "0-2", "you")
            assert export.status is JobStatus.SUBMITTED, "samples that wait do not fill the queue of exports"
            for job in (first, waiting, export):
                await queue.cancel(job.job_id)

    with gate.closed():
        asyncio.run(run())


def test_page_that_does_not_fit_into_the_storage_is_not_made(cache: Path, tmp_path: Path, gate: Gate) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache, disk_quota=500_000)) as queue:
            job = await end_of(queue, await submit(queue, SELECTION, SAMPLE_COMPRESSIONS))
        assert job.status is JobStatus.FAILED
        assert "not enough storage for the result" in texts_of(job)[-3]
        assert not list((tmp_path / "results").iterdir())

    with gate.closed():
        asyncio.run(run())


def test_result_is_no_larger_than_the_storage_that_is_reserved(cache: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(settings_of(tmp_path, cache)) as queue:
            job = await end_of(queue, await submit(queue, SELECTION, SAMPLE_COMPRESSIONS))
        assert job.result
        assert job.planned
        assert job.result.size < job.planned.reserved_bytes < 34_000_000

    asyncio.run(run())
