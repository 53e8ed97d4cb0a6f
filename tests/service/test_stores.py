"""Services of caches in stores."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gptool.cache import object_client
from gptool.errors import CacheError
from gptool.jobs.redaction import path_redactor
from gptool.model import BundleAddress
from gptool.service.catalog import Catalog
from gptool.settings import CacheSettings, read_settings, write_settings
from gptool.system.store_url import read_store_url
from helpers.caches import conf_text, jpeg_tile, make_cache, world
from helpers.object_server import SECRET, Fault, ObjectServer
from helpers.packages import make_tpkx
from helpers.rest_client import RestClient
from helpers.service_process import ServiceProcess


def test_tiles_estimates_and_exports(tmp_path: Path, store_server: ObjectServer, bucket: Path) -> None:
    make_cache(bucket / "World", world())
    make_tpkx(bucket / "World.tpkx", world())
    web = f"http://me:pass-word@127.0.0.1:{store_server.port}/tiles/World.tpkx?sig=se-cret"
    with ServiceProcess(tmp_path, "World=s3://tiles/World", f"Web={web}") as service:
        client, shown = RestClient(service.address), ""
        for name in ("World", "Web"):
            path = f"services/{name}/ImageServer"
            shown += client.get(path, f="json").body.decode()
            assert client.get(f"{path}/tile/8/123/124").body == jpeg_tile(1000 * 123 + 124)
            _, estimated = client.run(f"{path}/estimateExportTilesSize", levels="2", tilePackage="true")
            _, ended = client.run(f"{path}/exportTiles", levels="2", tilePackage="true")
            assert (estimated["jobStatus"], ended["jobStatus"]) == ("esriJobSucceeded", "esriJobSucceeded")
            shown += str(ended)
        store_server.fault = Fault(status=403, applies=lambda _, path: "L01" in path)
        _, failed = client.run("services/World/ImageServer/exportTiles", levels="1", tilePackage="true")
        shown += str(failed) + service.log()
        kept = b"".join(path.read_bytes() for path in service.output.rglob("*") if path.is_file())
    assert failed["jobStatus"] == "esriJobFailed"
    assert "World/_alllayers/L01/R0000C0000.bundle: access is denied by the store" in str(failed)
    for hidden in (SECRET, "pass-word", "se-cret"):
        assert hidden not in shown
        assert hidden.encode() not in kept


def test_replaced_cache_is_opened_again(
    store_server: ObjectServer, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cache(bucket / "World", world())
    package = make_tpkx(bucket / "x.tpkx", world())
    catalog = Catalog({name: CacheSettings(read_store_url(f"s3://tiles/{name}")) for name in ("World", "x.tpkx")})
    before = {name: catalog.service(name) for name in catalog.names}
    assert all(catalog.service(name) is service for name, service in before.items())
    (bucket / "World" / "conf.xml").write_text(conf_text(quality=60))
    with zipfile.ZipFile(package, "a") as opened:
        opened.writestr("more", b"")
    monkeypatch.setattr(object_client, "LISTING_SECONDS", 1e-9)
    assert not any(catalog.service(name) is service for name, service in before.items())
    assert catalog.service("World").cache.image.compression_quality == 60


@pytest.mark.parametrize("name", ["World", "x.tpkx"])
def test_replaced_tiles_are_noticed_when_they_are_read(store_server: ObjectServer, bucket: Path, name: str) -> None:
    """One read fails, and the next one is of the new state, although listings are used for a minute."""
    make = make_tpkx if name == "x.tpkx" else make_cache
    make(bucket / name, world())
    catalog = Catalog({name: CacheSettings(read_store_url(f"s3://tiles/{name}"))})
    address, other = (8, 123, 124), jpeg_tile(7)

    def read() -> bytes:
        cache = catalog.service(name).cache
        with cache.open_bundle(BundleAddress(8, 0, 0)) as bundle:
            ((batch),) = bundle.batches(np.array([123 * 128 + 124]))
            return batch.source[int(batch.offsets[0]) :][: int(batch.sizes[0])].tobytes()

    assert read() == world()[address]
    if name == "World":
        shutil.rmtree(bucket / name)
    make(bucket / name, world() | {address: other})
    with pytest.raises(CacheError, match="object was modified or replaced while it was read"):
        read()
    assert read() == other


@pytest.mark.parametrize(
    ("location", "text", "shown"),
    [
        ("s3://tiles/World", "s3://tiles/World/conf.xml: not XML", "World/conf.xml: not XML"),
        ("s3://tiles/World", "s3://tiles/World: not XML in /out/x", "World: not XML in the output directory/x"),
        ("s3://tiles/World", "s3://tiles/Other: no, s3://tiles/World2/x: no", "a store: no, a store: no"),
        ("https://h/a?sig=1", "https://h/a/tile: see https://example.com/x", "World/tile: see https://example.com/x"),
    ],
)
def test_urls_are_replaced_in_messages(location: str, text: str, shown: str) -> None:
    assert path_redactor("World", read_store_url(location), Path("/out"))(text) == shown


def test_settings_keep_urls(tmp_path: Path) -> None:
    url = read_store_url("https://me:pass@h/a%20b?sig=1")
    write_settings(tmp_path / "caches.toml", {"World": CacheSettings(url)})
    assert read_settings(tmp_path / "caches.toml").caches["World"].location == url
