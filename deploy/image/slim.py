"""`python slim.py SITE_PACKAGES`: removes from installed packages what no program needs at run time.

That is tests, headers and types, the copies of charting libraries for Jupyter, and the parts of Arrow that access cloud
storage. The build of an image imports every program afterwards (ready.py), and fails if a needed file is missing.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (
    "**/tests",
    "numpy/_core/include",
    "pyarrow/include",
    "pyarrow/src",
    "pydeck/nbextension",
    "plotly/labextension",
)
FILES = (
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/*.pxi",
    "**/*.h",
    "**/*.hpp",
    # Streamlit serves its own copy of Plotly; this one is for HTML files that Plotly writes.
    "plotly/package_data/plotly.min.js",
    # Arrow over networks, and cloud file systems: pyarrow loads each library when it is used.
    "pyarrow/*flight*",
    "pyarrow/*s3*",
    "pyarrow/*gcsfs*",
    "pyarrow/*azurefs*",
    "pyarrow/*hdfs*",
    # Wheels have no symbolic links: the same file three times, of which only the name with the first number is loaded.
    "pyarrow/libarrow_python.so",
    "pyarrow/libarrow_python.so.*.*.*",
)


def main(site: Path) -> int:
    before = _size(site)
    for folder in list(_matches(site, FOLDERS)):
        shutil.rmtree(folder, ignore_errors=True)
    for file in list(_matches(site, FILES)):
        file.unlink(missing_ok=True)
    print(f"{site}: {before / 1e6:.0f} MB, now {_size(site) / 1e6:.0f} MB")
    return 0


def _matches(site: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from site.glob(pattern)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
