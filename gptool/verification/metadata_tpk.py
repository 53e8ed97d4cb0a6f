"""Rules of the metadata of a .tpk and of a cache folder: XML documents, and mapserver.json. See docs/formats.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lxml import etree

from gptool.cache.conf_xml import children, parse_xml
from gptool.cache.file_store import FileStore
from gptool.cache.level_storage import find_storage
from gptool.cache.paths import join_path, parent_folder
from gptool.errors import CacheError, GptoolError
from gptool.model import PACKET_SIZE, StorageFormat
from gptool.verification.documents import LINE_BREAKS, check_text, check_thumbnail, read_json, text
from gptool.verification.finding import Where
from gptool.verification.metadata_tpkx import GUID, GUID_FORM, NAME_BLANKS, STORAGE
from gptool.verification.recorder import Recorder
from gptool.verification.rule import ALL, FOLDERS, Kind, Rule, form
from gptool.verification.target import Target

TPK = frozenset({Kind.TPK})
XML_KINDS = FOLDERS | TPK

XML = Rule("metadata.xml", "XML documents are well-formed, without a document type.", kinds=XML_KINDS)
DECLARATION = form("metadata.declaration", "XML documents start with an XML declaration of UTF-8.", TPK)
ITEM_ID = form("metadata.item-id", "item.pkinfo and iteminfo.xml state the same id, name and type.", TPK)
SERVICE = Rule("metadata.service", "mapserver.json has the members of packages by Esri's programs.", kinds=TPK)
READABLE = Rule("metadata.readable", "Readers find what they need in the metadata.", kinds=ALL)

RULES = (XML, DECLARATION, ITEM_ID, SERVICE, READABLE)

PKINFO, ITEM, THUMBNAIL = "esriinfo/item.pkinfo", "esriinfo/iteminfo.xml", "esriinfo/thumbnail/thumbnail.png"
MAPSERVER = "servicedescriptions/mapserver/mapserver.json"
PROLOG = re.compile(rb'<\?xml version="1\.0" encoding="utf-8" ?\?>', re.IGNORECASE)
SERVICE_NAMES = ("currentVersion", "mapName", "layers", "spatialReference", "initialExtent", "fullExtent")


def check_tpk_metadata(target: Target, recorder: Recorder) -> dict[str, Any]:
    """Check the metadata of a .tpk. Return mapserver.json, and the elements of iteminfo.xml and conf.cdi."""
    pkinfo, item = (_read_xml(target, path, recorder, crlf=True) for path in (PKINFO, ITEM))
    check_thumbnail(THUMBNAIL, target.read(THUMBNAIL), recorder)
    data = target.read(MAPSERVER)
    service = None if data is None else read_json(MAPSERVER, data, recorder)
    if pkinfo is not None and item is not None:
        _check_item(pkinfo, item, recorder)
    if service is not None:
        _check_service(service, recorder)
    return {"service": service, "item": item, **check_conf(target, recorder)}


def check_conf(target: Target, recorder: Recorder) -> dict[str, Any]:
    """Check conf.xml, conf.cdi and conf.properties, and that the storage format is that of the files.

    Return the elements of conf.xml and conf.cdi.
    """
    paths = _conf_paths(target)
    conf = {name: _read_xml(target, path, recorder) for name, path in paths.items()}
    conf_xml = conf.get("conf.xml")
    if conf_xml is not None:
        _check_storage(target, paths["conf.xml"], conf_xml, recorder)
    return {"conf": conf_xml, "cdi": conf.get("conf.cdi"), "cdi path": paths.get("conf.cdi")}


def child_text(element: etree._Element, *names: str) -> str:
    """Return the text of a descendant by its local names; empty if there is none."""
    for name in names:
        [*found] = children(element, name)
        if not found:
            return ""
        element = found[0]
    return (element.text or "").strip()


def _conf_paths(target: Target) -> dict[str, str]:
    """Return the paths of the documents of the cache, by their usual names."""
    files, folder = target.files, ""
    if files is None:
        return {}
    if target.kind is Kind.TPK:
        names = files.list_names("v101")
        folder = next((path for name in sorted(names) if files.is_folder(path := f"v101/{name}")), "v101")
    elif target.cache is not None:
        folder = parent_folder(target.cache.tiles_folder)
        while folder and not any(name.lower() == "conf.xml" for name in files.list_names(folder)):
            folder = parent_folder(folder)
    found = {name.lower(): join_path(folder, name) for name in files.list_names(folder)}
    return {name: found[name] for name in ("conf.xml", "conf.cdi", "conf.properties") if name in found}


def _read_xml(target: Target, path: str, recorder: Recorder, *, crlf: bool = False) -> etree._Element | None:
    data = target.read(path)
    if data is None:
        return None
    where = Where(path)
    check_text(path, data, recorder)
    recorder.require(PROLOG.match(data.removeprefix(b"\xef\xbb\xbf")), DECLARATION, where, data[:60], "UTF-8")
    if crlf:
        bare = data.replace(b"\r\n", b"")
        recorder.require(not {*b"\r\n"} & {*bare}, LINE_BREAKS, where, "other line breaks", "CRLF")
    try:
        return parse_xml(data, Path(path))
    except GptoolError as error:
        recorder.add(XML, where, error, "well-formed XML")
        return None


def _check_item(pkinfo: etree._Element, item: etree._Element, recorder: Recorder) -> None:
    for name, other in (("ID", "guid"), ("name", "name"), ("type", "type")):
        found, expected = child_text(pkinfo, name), child_text(item, other)
        where = Where(PKINFO, name)
        recorder.require(found and found == expected, ITEM_ID, where, found or "nothing", expected or "a text")
    guid, name = child_text(item, "guid"), child_text(item, "name")
    recorder.require(GUID_FORM.fullmatch(guid), GUID, Where(ITEM, "guid"), guid, "8-4-4-4-12 upper-case digits")
    recorder.require(not re.search(r"\s", name), NAME_BLANKS, Where(ITEM, "name"), name, "no blanks")


def _check_service(service: dict[str, Any], recorder: Recorder) -> None:
    contents, info = service.get("contents"), service.get("resourceInfo")
    for name, value in (("contents", contents), ("resourceInfo", info)):
        valid = isinstance(value, dict)
        recorder.require(valid, SERVICE, Where(MAPSERVER, name), text(value), "an object")
    if isinstance(contents, dict):
        for name in SERVICE_NAMES:
            recorder.require(name in contents, SERVICE, Where(MAPSERVER, f"contents.{name}"), "nothing", "the member")
    if isinstance(info, dict):
        for name in ("geoFullExtent", "geoInitialExtent"):
            recorder.require(name in info, SERVICE, Where(MAPSERVER, f"resourceInfo.{name}"), "nothing", "the member")


def _check_storage(target: Target, path: str, conf: etree._Element, recorder: Recorder) -> None:
    """Check that conf.xml states the storage format that the names of the files show."""
    stated = child_text(conf, "CacheStorageInfo", "StorageFormat") or StorageFormat.EXPLODED.value  # 9.x states none
    packet = child_text(conf, "CacheStorageInfo", "PacketSize")
    found = _storage_of_files(target)
    where = Where(path, "CacheStorageInfo/StorageFormat")
    if target.kind is Kind.TPK:
        found = found or StorageFormat.COMPACT
        recorder.require(found is StorageFormat.COMPACT, STORAGE, where, found.value, StorageFormat.COMPACT.value)
    if found is None:
        return
    recorder.require(stated == found.value, STORAGE, where, stated, f"{found.value}, as the files are")
    if found is not StorageFormat.EXPLODED:
        where = Where(path, "CacheStorageInfo/PacketSize")
        recorder.require(packet == str(PACKET_SIZE), STORAGE, where, packet or "nothing", str(PACKET_SIZE))


def _storage_of_files(target: Target) -> StorageFormat | None:
    """Return the storage format that the headers of bundles, or else the names in the level folders, show.

    None if there are no tiles.
    """
    if target.files is None or target.cache is None:
        return None
    files, cache = target.files, target.cache
    levels = [lod.level for lod in cache.scheme.lods]
    stored = [find_storage(cache, level) or _storage_by_names(files, cache.level_folder(level)) for level in levels]
    found = {storage for storage in stored if storage}
    return cache.storage if cache.storage in found else min(found, default=None)


def _storage_by_names(files: FileStore, folder: str) -> StorageFormat | None:
    """Return the storage format of the bundles in a folder, whose headers do not show it; None without bundles."""
    try:
        names = [name.lower() for name in files.list_names(folder)]
    except CacheError:
        return None
    if any(name.endswith(".bundlx") for name in names):
        return StorageFormat.COMPACT
    return StorageFormat.COMPACT_V2 if any(name.endswith(".bundle") for name in names) else None
