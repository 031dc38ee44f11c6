#!/usr/bin/env python3
"""Holds the #includes of each folder to what its CMake link list allows.

    tools/check_includes.py [TREE]

The link lists are read from the CMakeLists.txt files; there is no second list to keep in step. A folder may include its own
headers, those of every folder that it links (through others, too), and those of a library only where its own list names the
library. A few headers and pragmas belong to one folder alone, whatever is linked."""
import pathlib
import re
import sys

# Headers of a library, and the CMake target that brings it.
LIBRARIES = {
    r"yaml\.h": "PkgConfig::YAML",
    r"jansson\.h": "PkgConfig::JANSSON",
    r"openssl/.*": "PkgConfig::CRYPTO",
    r"zlib\.h": "ZLIB::ZLIB",
    r"hdf5(_hl)?\.h|H5.*": "runner_hdf5",
    r"gsl/.*": "PkgConfig::GSL",
    r"hwloc\.h|hwloc/.*": "PkgConfig::HWLOC",
}
# What only these folders and files may do; the benchmark measures the machine's peak with intrinsics of its own.
EXCLUSIVE = {
    r'#\s*include\s*[<"](hdf5|H5)': ("src/store", "src/data/hdf5_source.c"),
    r'#\s*include\s*[<"]yaml\.h': ("src/config",),
    r'#\s*include\s*[<"](immintrin|x86intrin|[exst]mmintrin|arm_neon|arm_sve)\.h': ("src/kernel", "tools/bench"),
    r'#\s*include\s*[<"]omp\.h|#\s*pragma\s+omp': ("src/sched",),
}


def read_link_lists(tree):
    """{folder: {"folder": its path, "links": names as written}} for each folder that makes a target."""
    links, folders = {}, {}
    for path in sorted(tree.glob("src/*/CMakeLists.txt")) + sorted(tree.glob("tools/*/CMakeLists.txt")):
        text = re.sub(r"#.*", "", path.read_text())
        folder = path.parent
        for name, rest in re.findall(r"runner_library\(\s*(\w+)([^)]*)\)", text):
            links.setdefault(f"runner_{name}", set()).update(rest.split())
            folders[f"runner_{name}"] = folder
        for name, rest in re.findall(r"target_link_libraries\(\s*(\S+)\s([^)]*)\)", text):
            links.setdefault(name, set()).update(set(rest.split()) - {"PUBLIC", "PRIVATE", "INTERFACE"})
            folders[name] = folder
    return links, folders


def closure(links, target, seen=None):
    seen = set() if seen is None else seen
    for name in links.get(target, ()):
        if name not in seen:
            seen.add(name)
            closure(links, name, seen)
    return seen


def allowed(tree):
    """{folder: (folders it may include from, link names of its own)}"""
    links, folders = read_link_lists(tree)
    result = {}
    for target, folder in folders.items():
        sees, own = result.setdefault(folder, ({folder}, set()))
        own |= links[target]
        sees |= {folders[name] for name in closure(links, target) if name in folders}
    return result


def complaints(tree):
    rules = allowed(tree)
    for path in sorted([*tree.glob("src/**/*.[ch]"), *tree.glob("tools/**/*.[ch]")]):
        owner = next((folder for folder in path.parents if folder in rules), None)
        place = path.relative_to(tree)
        if owner is None:
            yield f"{place}: its folder is no target of CMake"
            continue
        sees, own = rules[owner]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for pattern, homes in EXCLUSIVE.items():
                if re.match(r"\s*" + f"(?:{pattern})", line) and not {owner, path} & {tree / home for home in homes}:
                    yield f"{place}:{number}: only {' and '.join(homes)} may say: {line.strip()}"
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            header = match.group(2)
            for pattern, target in LIBRARIES.items():
                if re.fullmatch(pattern, header) and target not in own:
                    yield f"{place}:{number}: {header} needs {target} in the link list of {owner.relative_to(tree)}"
            source = tree / "src" / header
            if match.group(1) == '"' and source.exists() and source.parent != owner:
                if not any(folder in source.parents for folder in sees):
                    yield f"{place}:{number}: {owner.relative_to(tree)} does not link {source.parent.relative_to(tree)}, so it may not include {header}"


def main():
    tree = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    found = list(complaints(tree))
    for line in found:
        print(line)
    if not read_link_lists(tree)[0]:
        print(f"{tree}: no link lists found")
        return 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
