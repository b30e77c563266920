"""Compares HDF5 files with what the program that wrote them says must be in them.

`check.py FOLDER NAME…` reads FOLDER/NAME.h5 and FOLDER/NAME.json, and prints NAME when all is as it must be. JSON holds
floats in their shortest exact form, so equal means equal to the last bit.
"""

import json
import math
import pathlib
import sys

import h5py
import numpy as np


def row(node, i):
    """The value of element i, in the form that JSON has for it."""
    if isinstance(node, h5py.Group):
        kind = node.attrs["encoding"]
        fields = [key for key in node if not key.endswith(".is_some")]
        values = {key: field(node, key, i) for key in fields}
        if kind == "tuple":
            return [values[str(k)] for k in range(len(values))]
        assert kind == "struct", f"{node.name} is a {kind}"
        return values
    if h5py.check_string_dtype(node.dtype) is not None:
        return node.asstr()[i]
    value = node[i]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def field(group, key, i):
    mask = key + ".is_some"
    if mask in group and not group[mask][i]:
        return None
    return row(group[key], i)


def whole(node):
    """A value that all elements share: it has no axis for them."""
    if isinstance(node, h5py.Group):
        assert node.attrs["encoding"] == "struct", f"{node.name} is a {node.attrs['encoding']}"
        fields = [key for key in node if not key.endswith(".is_some")]
        there = {key: bool(node[key + ".is_some"][()]) for key in fields if key + ".is_some" in node}
        return {key: whole(node[key]) if there.get(key, True) else None for key in fields}
    if h5py.check_string_dtype(node.dtype) is not None:
        return node.asstr()[()]
    return node[()].tolist()


def plain(value):
    """ndarray's own JSON form as nested lists."""
    if isinstance(value, dict) and set(value) == {"v", "dim", "data"}:
        return np.array(value["data"]).reshape(value["dim"]).tolist()
    return value


def same(found, wanted, where):
    assert found == plain(wanted), f"{where}: found {found!r}, expected {wanted!r}"


def empty(value):
    """Rows without a value hold NaN."""
    return isinstance(value, float) and math.isnan(value)


def check(file, want):
    count = len(want["parameters"])
    assert file.attrs["elements"] == count
    for key in ("job", "label"):
        same(file.attrs[key], want[key], key)
    assert math.isclose(file.attrs["wall_seconds"], want["wall_seconds"], rel_tol=1e-12)
    same(file["chunks/size"][()].tolist(), want["chunk_sizes"], "chunk sizes")

    assert ("context" in file) == (want["context"] is not None)
    if want["context"] is not None:
        same(whole(file["context"]), want["context"], "context")

    elements = file["elements"]
    for name, key in [("engine", "engines"), ("attempt", "attempts"), ("chunk", "chunks"),
                      ("started_ns", "started_ns"), ("completed_ns", "completed_ns")]:
        same(elements[name][()].tolist(), want[key], name)
    same(elements["error"].asstr()[()].tolist(), want["errors"], "errors")
    same(elements["error_kind"].asstr()[()].tolist(), want["kinds"], "kinds of errors")
    codes = h5py.check_enum_dtype(elements["status"].dtype)
    assert codes == {"ok": 0, "failed": 1, "missing": 2}, codes
    sizes = dict(enumerate(file["chunks"]["size"][()].tolist()))
    for i in range(count):
        if want["attempts"][i] == 1:
            same(int(elements["ran_with"][i]), sizes[want["chunks"][i]], f"ran_with {i}")
        same(int(elements["status"][i]), int(want["kinds"][i] != ""), f"status {i}")
        seconds = (want["completed_ns"][i] - want["started_ns"][i]) / 1e9 / int(elements["ran_with"][i])
        assert seconds >= 0 and math.isclose(elements["seconds"][i], seconds, rel_tol=1e-9), f"seconds {i}"
        same(row(file["parameters"], i), want["parameters"][i], f"parameter {i}")
        value = row(file["values"], i)
        if want["kinds"][i]:
            assert empty(value), f"element {i} failed and has the value {value!r}"
        else:
            same(value, want["values"][i], f"value {i}")


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:]:
        want = json.loads((folder / f"{name}.json").read_text())
        with h5py.File(folder / f"{name}.h5", "r") as file:
            check(file, want)
        print(name)


main()
