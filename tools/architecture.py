"""The packages of Chrysaetos, their sizes, and which of them each imports.

Run ``python -m tools.architecture`` to print the table. The README has it without the sizes; a test compares
the two.
"""

from __future__ import annotations

from pathlib import Path

import grimp

__all__ = ["imports", "sizes", "table"]

_ROOT = Path(__file__).parents[1] / "src" / "chrysaetos"


def imports() -> dict[str, set[str]]:
    """Return each package with the packages that it imports, the highest first."""
    graph = grimp.build_graph("chrysaetos")
    found = {package: set[str]() for package in sizes()}
    for module in graph.modules:
        package = _package(module)
        if package in found:
            imported = map(_package, graph.find_modules_directly_imported_by(module))
            found[package].update(other for other in imported if other in found and other != package)

    def height(package: str) -> int:
        return 1 + max(map(height, found[package]), default=0)

    return {package: found[package] for package in sorted(found, key=lambda name: (-height(name), name))}


def sizes() -> dict[str, int]:
    """Return the number of lines of each package."""
    return {
        folder.name: sum(len(file.read_text().splitlines()) for file in folder.rglob("*.py"))
        for folder in _ROOT.iterdir()
        if (folder / "__init__.py").exists()
    }


def table(lines: dict[str, int] | None = None) -> str:
    """Return the table: a line for each package, the highest first.

    Args:
        lines: the size of each package; without it the table has no such column.
    """
    rows = []
    for package, imported in imports().items():
        size = "" if lines is None else f"{lines[package]:>7,}"
        rows.append(f"{package:<11}{size}  {', '.join(sorted(imported))}".rstrip())
    return "\n".join(rows)


def _package(module: str) -> str:
    """Return the package of ``chrysaetos`` that a module is in, or the name of a module that is in none."""
    return module.partition(".")[2].partition(".")[0]


if __name__ == "__main__":
    print(table(sizes()))
    print(f"{'in all':<11}{sum(len(file.read_text().splitlines()) for file in _ROOT.rglob('*.py')):>7,}")
