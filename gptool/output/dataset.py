"""A cache raster dataset: a folder of conf.xml, conf.cdi and the level folders of bundles."""

from __future__ import annotations

from functools import partial

from gptool.model import StorageFormat
from gptool.output.conf import conf_cdi, conf_xml
from gptool.output.kind import Facts, Kind, with_room


def dataset(storage: StorageFormat) -> Kind:
    """Return the kind of a dataset with bundles of that storage."""

    def metadata(facts: Facts) -> dict[str, bytes]:
        return {"conf.xml": with_room(partial(conf_xml, storage), facts, 0), "conf.cdi": conf_cdi(facts.plan)}

    return Kind(storage, "_alllayers", is_package=False, metadata=metadata)
