"""The kinds of results: where each has its tiles, how they are stored, and what it states of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from gptool.model import BundleAddress, StorageFormat
from gptool.output.bundle import WrittenFile
from gptool.plan.plan import Plan


class WrittenBundle(NamedTuple):
    """A finished bundle."""

    address: BundleAddress
    files: tuple[WrittenFile, ...]


@dataclass(frozen=True)
class Facts:
    """What metadata are made of.

    Attributes
    ----------
    name : str
        The result's own name.
    quality : int
        0..100, the effective one: what the tiles' tables say.
    thumbnail : bytes
        A PNG; empty where the result has none.
    guid : str
        The item's id.
    """

    plan: Plan
    name: str
    quality: int
    thumbnail: bytes
    guid: str = ""


ROOM = 2 * 255 * 6
"""Bytes that a file of metadata keeps free for the result's name: it states it twice at most, a name has 255 bytes at
most, and JSON writes some of them as six."""


def with_room(make: Callable[[Facts], bytes], facts: Facts, room: int = ROOM) -> bytes:
    """Make a file of metadata of a size that neither name nor quality decide: blanks at its end, which no reader minds.

    So what a result weighs is known, to the byte, before its name and the quality of its tiles are.
    """
    largest = make(replace(facts, name="", quality=100))
    return make(facts).ljust(len(largest) + room)


@dataclass(frozen=True)
class Kind:
    """A kind of result.

    Attributes
    ----------
    storage : StorageFormat
        Of its bundles.
    tiles : str
        The folder of its level folders.
    is_package : bool
        Whether it is one file, a zip, or a folder.
    metadata : callable
        Returns its other files by path, in their order. Raises ConfError for what they can't state.
    """

    storage: StorageFormat
    tiles: str
    is_package: bool
    metadata: Callable[[Facts], dict[str, bytes]]

    def metadata_with_guid(self, facts: Facts, bundles: Iterable[WrittenBundle]) -> dict[str, bytes]:
        """Return the metadata, in packages with an id that follows from all content: the same content has the same.

        Raises
        ------
        ConfError
            When they can't state what they must.
        """
        if not self.is_package:
            return self.metadata(facts)
        digest = hashlib.sha256()
        for path, data in self.metadata(facts).items():
            digest.update(f"{path} {len(data)}\n".encode() + data)
        for bundle in bundles:
            for file in bundle.files:
                digest.update(f"{file.name} {file.size} {file.crc32}\n".encode())
        text = digest.hexdigest()[:32].upper()
        guid = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        return self.metadata(replace(facts, guid=guid))
