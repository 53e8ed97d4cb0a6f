"""Making XML: elements of text, and the bytes of a document."""

from __future__ import annotations

import re

from lxml import etree

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold (section 2.2): a file's name may be any bytes, a text in JSON any characters."""


def add(parent: etree._Element, name: str, text: object = None) -> etree._Element:
    """Add an element of the parent's namespace, with `?` for what XML can't hold of its text."""
    element = etree.SubElement(parent, etree.QName(etree.QName(parent).namespace, name))
    if text is not None:
        element.text = NOT_XML.sub("?", str(text))
    return element


def to_xml_bytes(root: etree._Element) -> bytes:
    """Return the document in UTF-8."""
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="utf-8")
