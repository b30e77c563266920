"""multiprocessing.Pool: the standard library's own, without a network and without names on its workers."""

from multiprocessing import Pool

import numpy
from measuring import ENGINES, median, report, row_sum, same

CALLS = 500
TASKS = 50_000


def main():
    with Pool(ENGINES) as pool:
        report("balanced_apply_rtt_us", median(lambda: pool.apply(same, (1,)), CALLS) * 1e6)
        report("elements_per_s_chunk1", TASKS / median(lambda: pool.map(same, range(TASKS), chunksize=1)))
        rows = numpy.random.default_rng(1).random((5000, 3))
        report("sums_chunk10_s", median(lambda: pool.map(row_sum, rows, chunksize=10)))
        report("sums_chunk100_s", median(lambda: pool.map(row_sum, rows, chunksize=100)))


if __name__ == "__main__":
    main()
