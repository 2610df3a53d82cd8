"""python ready.py MODULE …: imports each, which compiles it and all that it imports. A container cannot keep what
Python compiles on its read-only file system, and would do so at every start and every health check. Fails, and with it
the build, where something cannot be imported."""

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages


def main(names: list[str]) -> int:
    sys.dont_write_bytecode = False
    sys.path.insert(0, str(Path.cwd()))
    for name in names:
        module = import_module(name)
        for part in walk_packages(getattr(module, "__path__", ()), f"{name}."):
            # Migrations run in alembic's hands alone; views and the shell in Streamlit's.
            if not any(word in part.name for word in (".migrations", ".views", ".shell", ".main")):
                import_module(part.name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
