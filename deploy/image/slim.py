"""python slim.py SITE_PACKAGES: removes from installed packages what no program reads while it runs: their tests,
headers and types, Jupyter's copies of charting libraries, and the parts of Arrow that speak to clouds. Only for images;
the build imports every program afterwards, so that nothing that is needed can go unnoticed."""

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
    # The browser has Plotly from Streamlit; this copy is for pages that Plotly writes itself.
    "plotly/package_data/plotly.min.js",
    # Arrow over networks and clouds' file systems: pyarrow asks for each only when it is used.
    "pyarrow/*flight*",
    "pyarrow/*s3*",
    "pyarrow/*gcsfs*",
    "pyarrow/*azurefs*",
    "pyarrow/*hdfs*",
    # Wheels know no links: the same file three times, and only the name with the first number is asked for.
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
