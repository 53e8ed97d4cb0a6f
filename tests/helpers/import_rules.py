"""Rules about imports, checked on the source: nothing is imported, so a broken tree is judged too."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

SUFFIXES = {".py", ".pyi", ".pyt"}


class Import(NamedTuple):
    """One imported module or name, such as `gptool.model.Lod`, and the line that imports it."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def read_imports(root: Path, files: Iterable[Path] | None = None) -> list[Import]:
    """Return all imports of the Python files in a folder, those in functions and for type checking too.

    Parameters
    ----------
    root : Path
        A package, whose name is that of the folder.
    files : iterable of Path or None
        The files; by default all of the package.
    """
    found = []
    for path in sorted(files if files is not None else root.rglob("*")):
        if path.suffix in SUFFIXES:
            importer = module_name(root, path)
            package = importer if path.stem == "__init__" else importer.rpartition(".")[0]
            tree = ast.parse(path.read_bytes(), path)
            found += [Import(importer, name, line) for name, line in _imported_names(tree, package)]
    return found


def module_name(root: Path, path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = [root.name, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_names(tree: ast.Module, package: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "import_module":
            names = [name.value for name in node.args[:1] if isinstance(name, ast.Constant)]
            yield from ((name, node.lineno) for name in names if isinstance(name, str))


class Package:
    """The modules of a package, and what they import of each other."""

    def __init__(self, root: Path) -> None:
        self.name = root.name
        self.imports = read_imports(root)
        self.modules = {module_name(root, path) for path in root.rglob("*") if path.suffix in SUFFIXES}
        self.direct_modules = sorted(path.stem for path in root.glob("*.py"))

    def module_of(self, name: str) -> str | None:
        """Return the module of the package that a dotted name is, or lies in; None for others."""
        while name:
            if name in self.modules:
                return name
            name = name.rpartition(".")[0]
        return None

    def part_of(self, module: str) -> str:
        """Return the folder of a module, or its own name if it lies directly in the package, which itself is ""."""
        return module.partition(".")[2].partition(".")[0]

    def upward_imports(self, stages: Sequence[Sequence[str]], allowed: Iterable[str] = ()) -> list[str]:
        """Return the imports that lead from one part to another, but not to a lower stage.

        Parameters
        ----------
        stages : sequence of sequences of str
            The parts, from the lowest stage to the highest.
        allowed : iterable of str
            Names that may be imported nevertheless.
        """
        heights = {part: height for height, parts in enumerate(stages) for part in parts}
        faults = [
            f"{part or self.name} has no stage" for part in sorted({*map(self.part_of, self.modules)} - {*heights})
        ]
        for found in self.imports:
            module = self.module_of(found.imported)
            source, target = self.part_of(found.importer), self.part_of(module) if module else None
            if target in (None, source) or found.imported in allowed or {source, target} - {*heights}:
                continue
            if heights[source] <= heights[target]:
                faults.append(str(found))
        return faults

    def cycles(self) -> list[str]:
        """Return a cycle of modules that import each other, if there is one."""
        graph: dict[str, set[str]] = {module: set() for module in self.modules}
        for found in self.imports:
            module = self.module_of(found.imported)
            if module and module not in (found.importer, self.name):
                graph[found.importer].add(module)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            return [" <- ".join(error.args[1])]
        return []

    def misplaced_imports(self, places: Mapping[str, Iterable[str]]) -> list[str]:
        """Return the imports of other packages in parts that they are not meant for.

        Parameters
        ----------
        places : mapping of str to iterable of str
            For each of those packages the parts that may import it.
        """
        return [
            str(found)
            for found in self.imports
            if (package := found.imported.partition(".")[0]) in places
            and self.part_of(found.importer) not in places[package]
        ]


def imports_of_tests(root: Path, files: Iterable[Path]) -> list[str]:
    """Return the imports of test modules and of conftest: what tests share belongs to the helpers."""
    return [
        str(found)
        for found in read_imports(root, files)
        if any(part.startswith("test_") or part == "conftest" for part in found.imported.split("."))
    ]
