"""The tiles and bytes that a request selects from a cache, and the limit on their number."""

from gptool.plan.counting import count_tiles, make_plan, read_sizes
from gptool.plan.limit import check_count, reserved_bytes
from gptool.plan.tile_plan import MAX_LISTED_TILES, BundlePlan, LevelPlan, Plan, enclosing_window

__all__ = (
    "MAX_LISTED_TILES",
    "BundlePlan",
    "LevelPlan",
    "Plan",
    "check_count",
    "count_tiles",
    "enclosing_window",
    "make_plan",
    "read_sizes",
    "reserved_bytes",
)
