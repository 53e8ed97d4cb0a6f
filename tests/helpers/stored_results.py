"""Results in S3 as moto answers it: what is expected of them, and checks of the bucket."""

from __future__ import annotations

import json
from functools import cache as cached
from pathlib import Path
from typing import Any

from gptool import export_tiles
from helpers.moto_server import incomplete_uploads, stored_objects

RESULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpkx copied": ("x.tpkx", {}),
    "tpkx recompressed": ("a b/x.tpkx", {"compression_quality": 40}),
    "tpk recompressed": ("x.tpk", {"compression_quality": 40}),
    "V2 copied": ("x", {}),
    "V1 recompressed": ("folder/x", {"compression_quality": 40, "storage_format_type": "compact"}),
}


def contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a result, by relative path; that of a package is empty."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix().strip("."): file.read_bytes() for file in files}


@cached
def local_result(cache: Path, folder: Path, name: str, options: str = "{}") -> dict[str, bytes]:
    """Return what an export to the disk writes."""
    export_tiles(cache, folder / "local" / name, **json.loads(options), overwrite=True)
    return contents(folder / "local" / name)


def check_stored(client: Any, bucket: str, name: str, expected: dict[str, bytes], folder: Path) -> None:
    """Check that the bucket holds the result and nothing else, and that nothing is left on the disk."""
    assert stored_objects(client, bucket, name) == expected
    check_absent(client, bucket, folder, beside=name)
    assert not list((folder / "staging").iterdir())


def check_absent(client: Any, bucket: str, _folder: Path, beside: str = "\n") -> None:
    """Check that nothing of an export is in the bucket, complete or not."""
    assert [key for key in stored_objects(client, bucket) if not key.startswith(beside)] == []
    assert incomplete_uploads(client, bucket) == []


def staged(folder: Path) -> Path:
    [path] = (folder / "staging").glob(".gptool-*.part")
    return path
