"""Configuration of Sphinx for the documentation, which `.ci/docs` builds."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "gptool"
author = "the gptool authors"
project_copyright = author
release = version = installed_version("gptool-export-tiles")

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_click",
    "myst_parser",
    "click_examples",
    "code_names",
    "reference_tables",
    "self_contained",
]

exclude_patterns = ["extensions", "images"]
smartquotes = False  # it would turn the dashes of options into one
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

default_role = "code-name"
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_display_short_literal_types = True
maximum_signature_line_length = 88

# References are checked strictly, apart from types in signatures that other projects, or modules of this one without a
# page, define: without a network their inventories are not available.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"(collections|concurrent|contextlib|datetime|enum|np|numpy|os|pathlib|typing)\..*"),
    ("py:class", r"gptool\..*"),
]

html_theme = "furo"
html_title = f"gptool {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
