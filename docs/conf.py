"""The site of massgap: ``make docs`` builds it into ``docs/_build/html``, with every warning an error."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import massgap

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from massgap_site import source_address as linkcode_resolve  # noqa: F401 - found by its name

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]

project = "massgap"
author = PROJECT["authors"][0]["name"]
copyright = author
version = release = massgap.__version__
repository = PROJECT["urls"]["Homepage"]

extensions = [
    "massgap_site",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "_ext", "reference/schemas"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # a test executes the notebooks; here they are shown as they are kept
nb_render_markdown_format = "myst"
smartquotes = False  # --option must not become a dash
copybutton_exclude = ".linenos, .gp, .go"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # they stand in the signature of no one who reads the parameters
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

intersphinx_timeout = 5
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "awkward": ("https://awkward-array.org/doc/main", None),
    "coffea": ("https://coffea-hep.readthedocs.io/en/latest", None),
    "hist": ("https://hist.readthedocs.io/en/latest", None),
    "pyhf": ("https://pyhf.readthedocs.io/en/stable", None),
    "uproot": ("https://uproot.readthedocs.io/en/stable", None),
}

html_theme = "pydata_sphinx_theme"
html_title = "massgap"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "github_url": repository,
    "header_links_before_dropdown": 9,
    "collapse_navigation": True,
    "navigation_depth": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {
    key: [] for key in ("index", "start", "facilities", "recasting", "performance", "house")
}  # no pages below
