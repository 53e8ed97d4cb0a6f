"""Kinds of results: which of them names and parameters ask for, and how a new one is added."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import pytest

from gptool import errors, export_tiles
from gptool.model import BundleAddress, StorageFormat
from gptool.output import registry
from gptool.output.bundle import CompactV2Writer, FileRegion, WrittenBundle, bundle_files, bundle_regions
from gptool.output.dataset import COMPACT_DATASET, COMPACT_V2_DATASET
from gptool.output.kind import OutputKind, ResultInfo, ResultWriter
from gptool.output.registry import is_tile_package, kind_for_request, resolve_output
from gptool.output.tpk import TPK
from gptool.output.tpkx import TPKX
from gptool.plan import BundlePlan
from helpers.checks import check_nothing_left

COMPACT, COMPACT_V2 = StorageFormat.COMPACT, StorageFormat.COMPACT_V2


MISTAKEN = (
    "/x.tpxk",
    "/x.tpkz",
    "/x.tpkx ",
    "/x.tpkx.",
    "/x.tpkx2",
    "/x.tpkx.bak",
    "/x.txt",
    "/x.png",
    "/x.kml",
    "/x.mp4",
    "/x.7z",
)
"""Names that nobody means a folder by."""


@pytest.mark.parametrize(
    ("name", "storage_format", "kind"),
    [
        ("x.tpkx", None, TPKX),
        ("x.TPKX", COMPACT_V2, TPKX),
        ("x.tpk", None, TPK),
        ("x.Tpk", COMPACT, TPK),
        ("x", None, COMPACT_V2_DATASET),
        ("x.y", COMPACT_V2, COMPACT_V2_DATASET),
        ("world.2024", None, COMPACT_V2_DATASET),
        ("world.v2", None, COMPACT_V2_DATASET),
        ("tpkx", COMPACT, COMPACT_DATASET),
    ],
)
def test_kind_of_an_output_name(
    tmp_path: Path, name: str, storage_format: StorageFormat | None, kind: OutputKind
) -> None:
    assert resolve_output(tmp_path / name, storage_format) == (tmp_path / name, kind)
    assert is_tile_package(name) == kind.is_file


def test_relative_output_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_output(os.path.join("a", "..", "x.tpk"), None)[0] == tmp_path / "x.tpk"  # noqa: PTH118


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "output: name is empty"),
        ("/x/.tpkx", "/x/.tpkx: output has no name; expected a name that ends in .tpkx, .tpk"),
        ("/", "/: output has no name; expected a name that ends in .tpkx, .tpk"),
        (
            "/x.sqlite",
            "/x.sqlite: unsupported output format; found the suffix .sqlite, expected a name that ends in .tpkx, .tpk",
        ),
        ("/x.TIF", "/x.TIF: unsupported output format"),
        *((name, f"{name}: unsupported output format") for name in MISTAKEN),
    ],
)
@pytest.mark.posix("paths with slashes in messages")
def test_unsupported_output_names_are_rejected(name: str, message: str) -> None:
    with pytest.raises(errors.ParameterError) as caught:
        resolve_output(name, None)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("tile_package", "storage_format", "kind"),
    [
        (True, None, TPKX),
        (True, COMPACT_V2, TPKX),
        (True, COMPACT, TPK),
        (False, None, COMPACT_V2_DATASET),
        (False, COMPACT_V2, COMPACT_V2_DATASET),
        (False, COMPACT, COMPACT_DATASET),
    ],
)
def test_kind_of_a_request(tile_package: bool, storage_format: StorageFormat | None, kind: OutputKind) -> None:
    assert kind_for_request(storage_format, tile_package=tile_package) is kind


# ---- a new kind ----


class Concatenation(OutputKind):
    """A file of all bundles, one after the other: written only from staged bundles, as a database would be."""

    def open_writer(self, path: Path, info: ResultInfo, staging: Path) -> ConcatenationWriter:
        return ConcatenationWriter(path.open("wb"), staging)

    def result_size(self, info: ResultInfo, bundles: Iterable[BundlePlan]) -> int:
        files = [bundle_files(CompactV2Writer, bundle.address, bundle.tiles, bundle.bytes) for bundle in bundles]
        return sum(file.size for [file] in files)


class ConcatenationWriter(ResultWriter):
    def __init__(self, file: BinaryIO, staging: Path) -> None:
        self._file, self._staging = file, staging

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def allocate(
        self, address: BundleAddress, sizes: Sequence[int] | None, *, separate: bool
    ) -> tuple[FileRegion, ...]:
        return bundle_regions(self._staging, CompactV2Writer, address)

    def places(self, address: BundleAddress) -> tuple[tuple[FileRegion, ...], ...]:
        return (bundle_regions(self._staging, CompactV2Writer, address),)

    def add_bundle(self, bundle: WrittenBundle) -> None:
        [file] = bundle.files
        self._file.write(file.region.path.read_bytes())

    def finish(self, info: ResultInfo) -> int:
        return self._file.tell()


@pytest.mark.parametrize("quality", [None, 50])
def test_a_new_kind_needs_one_class_and_one_entry(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quality: int | None
) -> None:
    monkeypatch.setattr(
        registry, "FILE_KINDS", (*registry.FILE_KINDS, Concatenation(".bundles", COMPACT_V2, CompactV2Writer))
    )
    result = export_tiles(cache, tmp_path / "x.bundles", compression_quality=quality)
    dataset = export_tiles(cache, tmp_path / "x", compression_quality=quality).path
    bundles = sorted((dataset / "_alllayers").rglob("*.bundle"))
    assert result.path.read_bytes() == b"".join(path.read_bytes() for path in bundles)
    assert result.size == result.path.stat().st_size
    check_nothing_left(tmp_path, "x", "x.bundles")
