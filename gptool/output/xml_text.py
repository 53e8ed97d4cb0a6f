"""XML elements with text, and the bytes of an XML document."""

from __future__ import annotations

import re

from lxml import etree

INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow (section 2.2): names of files and texts in JSON may hold any."""


def add(parent: etree._Element, name: str, text: object = None) -> etree._Element:
    """Add an element in the parent's namespace, with `?` for characters of its text that XML does not allow."""
    element = etree.SubElement(parent, etree.QName(etree.QName(parent).namespace, name))
    if text is not None:
        element.text = INVALID_XML.sub("?", str(text))
    return element


DECLARATION = b'<?xml version="1.0" encoding="utf-8" ?>'
"""The declaration of Esri's documents."""


def to_xml_bytes(root: etree._Element) -> bytes:
    """Return the document of a root element in UTF-8."""
    return DECLARATION + etree.tostring(root.getroottree(), encoding="utf-8", xml_declaration=False)
