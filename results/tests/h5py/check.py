"""Compares an HDF5 file with what the Rust test says must be in it: every dataset, every value, every bit.

Expectations come on standard input, one JSON object per line: the file's path, every dataset of the
checked groups, and attributes; a verdict per line goes out. Numbers come as the hexadecimal little-endian bytes of the Rust values, so that NaNs and signed zeros count too.
"""

import json
import sys
import traceback

import h5py
import numpy as np


def little_endian_hex(array, dtype):
    return np.ascontiguousarray(array, dtype=dtype).tobytes().hex()


def check_fixed(dataset, want):
    dtype = np.dtype(want["dtype"])
    assert dataset.dtype == dtype, f"type {dataset.dtype}, expected {dtype}"
    assert little_endian_hex(dataset[()], dtype) == want["hex"], f"values {dataset[()]!r}"


def check_text(dataset, want):
    info = h5py.check_string_dtype(dataset.dtype)
    assert info is not None and info.encoding == "utf-8" and info.length is None, f"type {dataset.dtype}"
    got = np.asarray(dataset.asstr()[()], dtype=object).ravel().tolist()
    assert got == want["texts"], f"texts {got!r}"


def check_json(dataset, want):
    assert dataset.attrs["encoding"] == "json"
    texts = np.asarray(dataset.asstr()[()], dtype=object).ravel().tolist()
    # repr makes NaN equal to NaN, and tells 1 from 1.0 and True.
    got = [None if text == "" else repr(json.loads(text)) for text in texts]
    expected = [None if text is None else repr(json.loads(text)) for text in want["json"]]
    assert got == expected, f"JSON {got!r}, expected {expected!r}"


def check_ragged(dataset, want):
    base = h5py.check_vlen_dtype(dataset.dtype)
    dtype = np.dtype(want["dtype"])
    assert base == dtype, f"variable-length {base}, expected {dtype}"
    cells = [np.asarray(cell) for cell in np.asarray(dataset[()], dtype=object).ravel()]
    got = [little_endian_hex(cell, dtype) for cell in cells]
    assert got == want["cells"], f"cells {cells!r}"


def check_enumeration(dataset, want):
    names = h5py.check_enum_dtype(dataset.dtype)
    assert names is not None, f"type {dataset.dtype}"
    by_code = {code: name for name, code in names.items()}
    got = [by_code[int(code)] for code in np.asarray(dataset[()]).ravel()]
    assert got == want["names"], f"names {got!r}"


CHECKS = {
    "fixed": check_fixed,
    "text": check_text,
    "json": check_json,
    "ragged": check_ragged,
    "enumeration": check_enumeration,
}


def datasets_in(file, groups):
    found = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found.append(name)

    for group in groups:
        if isinstance(file.get(group), h5py.Dataset):
            found.append(group)
        elif group in file:
            file[group].visititems(lambda name, item, group=group: visit(f"{group}/{name}", item))
    return sorted(found)


def check_attribute(file, path, name, want):
    got = file[path].attrs[name]
    got = got.tolist() if hasattr(got, "tolist") else got
    assert got == want, f"{path} attribute {name}: {got!r}, expected {want!r}"


def check(expectation):
    with h5py.File(expectation["path"], "r") as file:
        found = datasets_in(file, expectation["groups"])
        expected = sorted(expectation["datasets"])
        assert found == expected, f"datasets {found}, expected {expected}"
        for path, want in expectation["datasets"].items():
            dataset = file[path]
            try:
                assert list(dataset.shape) == want["shape"], f"shape {dataset.shape}, expected {want['shape']}"
                CHECKS[want["kind"]](dataset, want)
            except AssertionError as error:
                raise AssertionError(f"{path}: {error}; expected {want}") from None
        for path, name, want in expectation["attributes"]:
            check_attribute(file, path, name, want)


def main():
    for line in sys.stdin:
        try:
            check(json.loads(line))
            verdict = {"ok": True}
        except Exception:  # whatever it is, the Rust test is to show it
            verdict = {"ok": False, "error": traceback.format_exc()}
        print(json.dumps(verdict), flush=True)


if __name__ == "__main__":
    main()
