"""`/healthz`: 200 while the service can take jobs, 503 with the reasons while it cannot."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gptool.service import health
from gptool.service.health import HealthCheck
from gptool.service.queue.store import JobStore
from gptool.service.settings import ServiceSettings
from gptool.service.tokens import add_token
from helpers.rest_client import Reply, RestClient
from helpers.service_process import ServiceProcess
from helpers.waiting import wait_until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("health")
    add_token(folder / "tokens", "crew")
    with ServiceProcess(folder, f"World={cache}", "--token-file", "tokens") as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> RestClient:
    return RestClient(service.address)


def ask_until(client: RestClient, status: int) -> Reply:
    def reply() -> Reply | None:
        found = client.ask("GET", "/healthz")
        return found if found.status == status else None

    found = wait_until(reply, lambda: client.ask("GET", "/healthz"))
    assert found
    return found


def test_healthy_service_needs_no_token(client: RestClient) -> None:
    reply = ask_until(client, 200)
    assert reply.json() == {"status": "ok"}
    assert reply.headers["cache-control"] == "no-store"
    assert client.ask("HEAD", "/healthz").status == 200
    assert client.ask("GET", "/healthz/").status == 200


def test_locked_database_is_reported_and_recovers(service: ServiceProcess, client: RestClient) -> None:
    with closing(sqlite3.connect(service.output / "jobs.sqlite")) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        reply = ask_until(client, 503)
        assert reply.json() == {
            "status": "unavailable",
            "reasons": ["the job database cannot be written: database is locked"],
        }
        foreign.rollback()
    ask_until(client, 200)


def test_unwritable_output_directory_is_reported(tmp_path: Path) -> None:
    settings = ServiceSettings(output_directory=tmp_path / "gone", disk_quota=1)
    database, directory = asyncio.run(HealthCheck(settings).problems())
    assert database == "the job database cannot be written: unable to open database file"
    assert directory == "the output directory cannot be written: No such file or directory"
    assert not (tmp_path / "gone").exists()


def test_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 2**63)
    JobStore(tmp_path).close()
    [problem] = asyncio.run(HealthCheck(ServiceSettings(output_directory=tmp_path)).problems())
    assert problem.startswith("the disk of the output directory is full; found ")


def test_disk_that_does_not_answer_occupies_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, calls = threading.Event(), []

    def hang(_: ServiceSettings) -> list[str]:
        calls.append(1)
        answer.wait()
        return []

    async def ask_repeatedly() -> None:
        check = HealthCheck(ServiceSettings(output_directory=tmp_path))
        results = await asyncio.gather(*(check.problems() for _ in range(20)))
        assert all(result == ["the output directory does not answer within 0.05 seconds"] for result in results)
        assert await check.problems()
        answer.set()
        while await check.problems():
            pass

    monkeypatch.setattr(health, "_find_problems", hang)
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(health, "REUSE_SECONDS", 0.0)
    try:
        asyncio.run(ask_repeatedly())
    finally:
        answer.set()
    assert len(calls) <= 2
