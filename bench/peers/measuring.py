"""What the peers' programs have in common: rounds, medians and one line of JSON per figure."""

import json
import statistics
import sys
import time

ENGINES = int(sys.argv[1]) if len(sys.argv) > 1 else 2
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
MIB = 64


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(work, rounds=ROUNDS):
    """The median time of `work` over rounds, after one that warms up."""
    work()
    return statistics.median(seconds(work) for _ in range(rounds))


def report(key, value):
    print(json.dumps({"key": key, "value": value}), flush=True)


def same(x):
    return x


def row_sum(row):
    return sum(row)
