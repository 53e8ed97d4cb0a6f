"""Rules of the container: the zip of a package, and which files there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isal import isal_zlib

from gptool.cache.deflated_member import CHUNK_BYTES
from gptool.cache.file_store import FileStore
from gptool.errors import CacheError
from gptool.verification.finding import Where
from gptool.verification.raw_zip import NTFS_FIELD, UINT32, ZIP64_FIELD, Member, RawZip, extra_fields
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, Kind, Rule, form
from gptool.verification.target import Target

READABLE = Rule("container.readable", "The package or cache can be opened.", kinds=ALL)
MISSING = Rule("container.missing", "The document that describes the tiles is there: root.json, conf.xml.")
INCOMPLETE = Rule("container.incomplete", "The other documents of the kind and the thumbnail are there.")
SUFFIX = Rule("container.suffix", "The name ends in the suffix of the kind: .tpkx or .tpk.")
STORED = Rule("container.stored", "Every member is stored without compression.")
CHECKSUMS = Rule("container.checksums", "Every member has the CRC-32 that the zip states.")
LOCAL_HEADERS = Rule("container.local-headers", "Local headers state what the central directory states.")
PREFIX = Rule("container.prefix", "No bytes precede the first member.")
UNEXPECTED = form("container.unexpected", "There are no other files than those of the kind.")
FLAGS = form("container.flags", "General purpose flags are 0, except the flag of UTF-8 for a name that needs it.")
DESCRIPTORS = form("container.data-descriptors", "Sizes and checksums precede the members, not follow them.")
EXTRA_FIELDS = form("container.extra-fields", "There are no extra fields except NTFS times and necessary Zip64 fields.")
ZIP64 = form("container.zip64", "Zip64 records exist only where a number needs them.")
VERSION = form("container.version-needed", "The version needed to extract a file is 1.0, or 4.5 with Zip64.")
SYSTEM = form("container.system", "The zip is made on system 0 (FAT).")
ATTRIBUTES = form("container.attributes", "The external attributes of a file are 0x20 (archive).")
ORDER = form("container.order", "Metadata precede bundles, and bundles are sorted by level.")
COMMENTS = form("container.comments", "Neither the zip nor a member has a comment.")
KIND = Rule("container.kind", "The client opens packages or caches of this kind.", kinds=ALL, is_general=False)

RULES = (
    *(READABLE, MISSING, INCOMPLETE, SUFFIX, STORED, CHECKSUMS, LOCAL_HEADERS, PREFIX, UNEXPECTED, FLAGS, DESCRIPTORS),
    *(EXTRA_FIELDS, ZIP64, VERSION, SYSTEM, ATTRIBUTES, ORDER, COMMENTS, KIND),
)

BUNDLE = r"[Ll]\d\d/R[0-9a-fA-F]{4,8}C[0-9a-fA-F]{4,8}\.bund"
CONF = r"v101/[^/]+/[Cc]onf\."
REQUIRED = {
    Kind.TPKX: ("iteminfo.json", "root.json", "thumbnail.png"),
    Kind.TPK: (
        *("esriinfo/item.pkinfo", "esriinfo/iteminfo.xml", "esriinfo/thumbnail/thumbnail.png"),
        *("servicedescriptions/mapserver/mapserver.json", f"{CONF}cdi", f"{CONF}properties", f"{CONF}xml"),
    ),
}
"""Regular expressions of the files that must exist, in their order."""

ESSENTIAL = ("root.json", f"{CONF}xml")
"""Those without which no reader finds the tiles."""

POSSIBLE = {
    Kind.TPKX: rf"iteminfo\.json|root\.json|thumbnail\.png|delta\.json|.*{BUNDLE}le",
    Kind.TPK: rf"esriinfo/.*|servicedescriptions/.*|{CONF}(xml|cdi|properties)|v10[13]/[^/]+\.lyr|v101/.*{BUNDLE}l[ex]",
}
"""Regular expressions of the files that may exist; hidden files may not. Deltas have delta.json (docs/delta.md)."""

UTF8_FLAG, DESCRIPTOR_FLAG, ARCHIVE = 0x800, 0x8, 0x20


def check_container(target: Target, recorder: Recorder, *, all_checksums: bool) -> None:
    """Check the container.

    Parameters
    ----------
    target : Target
    recorder : Recorder
    all_checksums : bool
        Whether the checksums of bundles are compared, for which all bytes are read; those of other members always are.
    """
    if target.files is None:
        recorder.add(READABLE, Where(target.path.name), target.error, "a tile package or tile cache")
        return
    if target.records is None:
        return
    suffix, where = target.path.suffix, Where(target.path.name)
    recorder.require(suffix.lower() == target.kind, SUFFIX, where, suffix or "no suffix", target.kind.value)
    _check_names(target.kind, target.records, recorder)
    _check_records(target.records, recorder)
    for member in target.records.members:
        if not member.is_folder:
            _check_member(member, recorder)
            if all_checksums or ".bund" not in member.name:
                _check_crc32(target.files, member, recorder)


def _check_names(kind: Kind, records: RawZip, recorder: Recorder) -> None:
    names = [member.name for member in records.members if not member.is_folder]
    places = []
    for pattern in REQUIRED[kind]:
        found = [i for i, name in enumerate(names) if re.fullmatch(pattern, name)]
        places += found[:1]
        rule = MISSING if pattern in ESSENTIAL else INCOMPLETE
        recorder.require(found, rule, Where(pattern.replace(CONF, "v101/Layers/conf.")), "no such file", "the file")
    for name in names:
        expected = re.fullmatch(POSSIBLE[kind], name, re.IGNORECASE) and not re.search(r"(^|/)\.", name)
        recorder.require(expected, UNEXPECTED, Where(name), "a file", "only files of a tile package")
    bundles = [(i, match[1]) for i, name in enumerate(names) if (match := re.search(r"[Ll](\d\d)/[^/]*\.bund", name))]
    levels = [level for _, level in bundles]
    first = bundles[0][0] if bundles else len(names)
    ordered = places == sorted(places) and all(place < first for place in places) and levels == sorted(levels)
    recorder.require(ordered, ORDER, Where(), ", ".join(names[:8]), "metadata, then bundles by level")


def _check_records(records: RawZip, recorder: Recorder) -> None:
    where, members = Where(member="end of central directory"), records.members
    recorder.require(records.prefix == 0, PREFIX, where, f"{records.prefix} bytes", "none")
    needed = len(members) >= 0xFFFF or any(member.offset == UINT32 for member in members)
    if records.has_zip64_end:
        recorder.require(needed, ZIP64, where, "a Zip64 record", "none, as no number needs it")
    comments = [records.comment, *(member.comment for member in members)]
    recorder.require(not any(comments), COMMENTS, where, max(comments, key=len), "none")


def _check_member(member: Member, recorder: Recorder) -> None:
    where, local = Where(member.name), member.local
    flags = member.flags | local.flags
    recorder.require(member.method == 0, STORED, where, f"compression method {member.method}", "0 (stored)")
    recorder.require(not flags & DESCRIPTOR_FLAG, DESCRIPTORS, where, "a data descriptor", "none")
    others = flags & ~DESCRIPTOR_FLAG & ~(0 if member.name.isascii() else UTF8_FLAG)
    recorder.require(others == 0, FLAGS, where, f"{others:#x}", "0")
    recorder.require(member.system == 0, SYSTEM, where, f"system {member.system}", "0 (FAT)")
    attributes = member.attributes
    recorder.require(attributes == ARCHIVE, ATTRIBUTES, where, f"{attributes:#x}", f"{ARCHIVE:#x} (archive)")
    _check_extra(member, recorder)
    stated: list[object] = [member.name.encode(), member.method, member.crc32, member.packed_size, member.size]
    again: list[object] = [local.name, local.method, local.crc32, local.packed_size, local.size]
    if flags & DESCRIPTOR_FLAG:  # checksum and sizes follow the member
        stated, again = stated[:2], again[:2]
    # Only one of the two may have a Zip64 field.
    same = all(a == b or UINT32 in (a, b) for a, b in zip(stated, again, strict=True))
    recorder.require(same, LOCAL_HEADERS, where, f"local header {again[1:]}", f"{stated[1:]}")


def _check_extra(member: Member, recorder: Recorder) -> None:
    where = Where(member.name)
    fields = [*extra_fields(member.extra), *extra_fields(member.local.extra)]
    other = [f"{field:#x}" for field in fields if field not in (NTFS_FIELD, ZIP64_FIELD)]
    recorder.require(not other, EXTRA_FIELDS, where, ", ".join(other), "no extra fields")
    numbers = (member.size, member.packed_size, member.offset, member.local.size, member.local.packed_size)
    has_zip64, needs_zip64 = ZIP64_FIELD in fields, UINT32 in numbers
    recorder.require(has_zip64 <= needs_zip64, ZIP64, where, "a Zip64 field", "none, as no number needs it")
    versions, expected = {member.version_needed, member.local.version_needed}, 45 if has_zip64 else 10
    recorder.require(versions == {expected}, VERSION, where, ", ".join(map(str, sorted(versions))), str(expected))


def _check_crc32(files: FileStore, member: Member, recorder: Recorder) -> None:
    try:
        crc32 = 0
        for chunk in _chunks(files, member.name):
            crc32 = isal_zlib.crc32(chunk, crc32)
    except CacheError as error:
        recorder.add(CHECKSUMS, Where(member.name), error, "a member that can be read")
        return
    recorder.require(crc32 == member.crc32, CHECKSUMS, Where(member.name), f"CRC-32 {crc32:08x}", f"{member.crc32:08x}")


def _chunks(files: FileStore, path: str) -> Iterator[bytes]:
    with files.open(path) as source:
        for start in range(0, source.size, CHUNK_BYTES):
            yield source.read(start, min(CHUNK_BYTES, source.size - start)).tobytes()
