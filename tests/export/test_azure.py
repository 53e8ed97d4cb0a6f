"""Azure Blob Storage as Azurite answers it, Microsoft's own emulator, with objects that Azure's own client wrote."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptool import export_tiles, info, open_cache, verify
from gptool.cache.object_client import make_client
from gptool.errors import CacheError, OutputError, OutputExistsError
from gptool.model import Phase
from helpers.caches import conf_text, large_tile, make_cache, make_exploded_cache, square, world
from helpers.packages import make_tpkx
from helpers.reverse_proxy import free_port
from helpers.tile_readers import read_tiles
from helpers.waiting import TIMEOUT, wait_until

blob = pytest.importorskip("azure.storage.blob", reason="azure-storage-blob is not installed (the extra `stores`)")

AZURITE = Path(__file__).parents[1] / "clients" / "environment" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT, KEY = "tiles", base64.b64encode(b"a key of the test").decode()

pytestmark = [
    pytest.mark.skipif(not AZURITE.exists(), reason="Azurite is not installed: run tests/clients/make_environment"),
    pytest.mark.posix("Azurite"),
]


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of the emulator."""
    port, folder = free_port(), tmp_path_factory.mktemp("azurite")
    options = ("--blobPort", str(port), "--location", folder, "--silent", "--skipApiVersionCheck", "--disableTelemetry")
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with subprocess.Popen([AZURITE, *options], env=environment, stdout=subprocess.DEVNULL) as process:
        with socket.socket() as client:
            wait_until(lambda: client.connect_ex(("127.0.0.1", port)) == 0)
        yield connection(f"http://127.0.0.1:{port}/{ACCOUNT}", KEY)
        process.terminate()
        process.wait(TIMEOUT)


def connection(address: str, key: str) -> str:
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={address}"


@pytest.fixture
def container(azurite: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an empty container."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite)
    make_client.cache_clear()
    with blob.BlobServiceClient.from_connection_string(azurite) as client:
        client.create_container("caches")
        yield "caches"
        client.delete_container("caches")
    make_client.cache_clear()


def upload(source: Path, azurite: str, key: str) -> str:
    with blob.ContainerClient.from_connection_string(azurite, "caches") as client:
        for path in [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]:
            name = path.relative_to(source).as_posix() if path != source else ""
            client.upload_blob(f"{key}/{name}".strip("/"), path.read_bytes())
    return f"az://caches/{key}"


def test_folder_and_package(tmp_path: Path, azurite: str, container: str) -> None:
    folder = upload(make_cache(tmp_path / "World", world()), azurite, "a b/World")
    package = upload(make_tpkx(tmp_path / "World.tpkx", world()), azurite, "World.tpkx")
    for location in (folder, package):
        export_tiles(location, tmp_path / "x.tpkx", overwrite=True)
        assert read_tiles(tmp_path / "x.tpkx") == world()


def test_rows_of_an_exploded_cache(tmp_path: Path, azurite: str, container: str) -> None:
    tiles = square(11, range(3), range(20))
    location = upload(make_exploded_cache(tmp_path / "World", tiles, conf=conf_text(range(12))), azurite, "World")
    assert info(location).plan.tiles == len(tiles)


def test_errors(tmp_path: Path, azurite: str, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    location = upload(make_cache(tmp_path / "World", world()), azurite, "World")
    with pytest.raises(CacheError, match="az://absent/World: container not found"):
        open_cache("az://absent/World")
    with pytest.raises(CacheError, match="az://caches/nothing: neither an object nor a folder"):
        open_cache("az://caches/nothing")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.replace(KEY, base64.b64encode(b"no key").decode()))
    make_client.cache_clear()
    with pytest.raises(CacheError) as caught:
        open_cache(location)
    expected = "access is denied by the store; found status 403, expected credentials that may read and list it"
    assert str(caught.value) == f"{location}: {expected}"


def stored(azurite: str, prefix: str) -> dict[str, bytes]:
    """Return the bytes of the objects below a prefix, by the rest of their names."""
    with blob.ContainerClient.from_connection_string(azurite, "caches") as client:
        return {
            name.removeprefix(prefix).strip("/"): client.download_blob(name).readall()
            for name in client.list_blob_names(name_starts_with=prefix)
        }


def files(path: Path) -> dict[str, bytes]:
    found = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix().strip("."): file.read_bytes() for file in found}


@pytest.mark.parametrize("name", ["a b/x.tpkx", "x.tpk", "folder/x"])
def test_results(
    cache: Path, tmp_path: Path, azurite: str, container: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """They are those on a disk, also when they replace one; and nothing replaces one without being told to."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    export_tiles(cache, f"az://caches/{name}")
    assert stored(azurite, name) == files(export_tiles(cache, tmp_path / "local" / name).path)
    with pytest.raises(OutputExistsError, match=f"az://caches/{name}: output already exists"):
        export_tiles(cache, f"az://caches/{name}")
    export_tiles(cache, f"az://caches/{name}", levels="0-1", overwrite=True)
    expected = export_tiles(cache, tmp_path / "local" / name, levels="0-1", overwrite=True).path
    assert stored(azurite, name) == files(expected)
    assert verify(f"az://caches/{name}").passed
    assert [path.name for path in tmp_path.iterdir()] == ["local"]


def test_result_in_parts(tmp_path: Path, azurite: str, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a package of three parts nothing is left after an interrupt, and the next run goes on with it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "staging"))
    (tmp_path / "staging").mkdir()
    tiles = {(9, i // 128, i % 128): large_tile(i) for i in range(330)}
    source = make_cache(tmp_path / "World", tiles, conf=conf_text(range(10)))

    def interrupt(phase: Phase, _done: int, _total: int) -> None:
        if phase is Phase.UPLOADING:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_tiles(source, "az://caches/x.tpkx", progress=interrupt)
    assert stored(azurite, "") == {}
    result = export_tiles(source, "az://caches/x.tpkx")
    assert result.resumed.tiles == len(tiles)
    assert stored(azurite, "x.tpkx") == files(export_tiles(source, tmp_path / "x.tpkx").path)


def test_results_that_cannot_be_written(
    cache: Path, tmp_path: Path, azurite: str, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OutputError, match=r"az://absent/x\.tpkx: container not found"):
        export_tiles(cache, "az://absent/x.tpkx")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.replace(KEY, base64.b64encode(b"no key").decode()))
    make_client.cache_clear()
    with pytest.raises(OutputError) as caught:
        export_tiles(cache, "az://caches/x.tpkx")
    expected = "found status 403, expected credentials that may list, read, write and delete objects"
    assert str(caught.value) == f"az://caches/x.tpkx: access is denied by the store; {expected}"
