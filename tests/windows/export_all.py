"""Export caches to every kind of result, copied and at quality 50, and print a digest of each file and member.

export_all.py FOLDER CACHE... : run on Windows and on Linux, the lines are the same. FOLDER is for the results. Without
caches, those that the tests generate are exported, from the folder that PYTHONPATH has `helpers` in.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import gptool

OUTPUTS = {
    "tpkx": ("x.tpkx", None),
    "tpk": ("x.tpk", None),
    "compactV2": ("v2", "compactV2"),
    "compact": ("v1", "compact"),
}
QUALITIES = None, 50


def digests(result: Path) -> Iterator[tuple[str, str]]:
    """Yield the names and digests of a package and its members, or of the files of a dataset."""
    if result.is_file():
        yield "package", hashlib.sha256(result.read_bytes()).hexdigest()
        with zipfile.ZipFile(result) as package:
            for name in package.namelist():
                yield name, hashlib.sha256(package.read(name)).hexdigest()
        return
    for path in sorted(result.rglob("*"), key=lambda path: path.as_posix()):
        if path.is_file():
            yield path.relative_to(result).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()


def main(folder: Path, caches: list[Path]) -> None:
    """Export the caches."""
    for cache in caches:
        for kind, (name, storage) in OUTPUTS.items():
            for quality in QUALITIES:
                target = folder / cache.name / f"{kind}-{quality}" / name
                try:
                    gptool.export_tiles(cache, target, storage_format_type=storage, compression_quality=quality)
                except gptool.errors.GptoolError as error:
                    print(cache.name, kind, quality, "error", type(error).__name__, flush=True)
                    continue
                for member, digest in digests(target):
                    print(cache.name, kind, quality, member, digest, flush=True)
                shutil.rmtree(folder / cache.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
