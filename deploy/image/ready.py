"""`python ready.py MODULE …`: imports each module and, of a package, all modules within.

The file system of a container is read-only, so what Python compiles at an import cannot be saved there, and every start
and every health check would compile again. The build of an image runs this script to compile in advance; it fails if a
module cannot be imported.
"""

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

# Run by alembic and by Streamlit, and not to be imported.
EXCLUDED = ("db.migrations", "app.views", "app.shell", "app.main")


def main(names: list[str]) -> int:
    sys.dont_write_bytecode = False
    sys.path.insert(0, str(Path.cwd()))
    for name in names:
        module = import_module(name)
        for part in walk_packages(getattr(module, "__path__", ()), f"{name}."):
            if not part.name.startswith(EXCLUDED):
                import_module(part.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
