"""A cache raster dataset: a folder of conf.xml, conf.cdi and the level folders of bundles."""

from __future__ import annotations

from gptool.model import StorageFormat
from gptool.package.conf import conf_cdi, conf_xml
from gptool.package.kind import Facts, Kind


def dataset(storage: StorageFormat) -> Kind:
    """Return the kind of a dataset with bundles of that storage."""

    def metadata(facts: Facts) -> dict[str, bytes]:
        return {"conf.xml": conf_xml(facts, storage), "conf.cdi": conf_cdi(facts.plan)}

    return Kind(storage, "_alllayers", is_package=False, metadata=metadata)
