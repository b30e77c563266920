"""ipyparallel: a cluster of local engines, called through both of its views."""

import logging

import ipyparallel
import numpy
from measuring import ENGINES, MIB, median, report, row_sum, same

CALLS = 200
TASKS = 2000


def main():
    cluster = ipyparallel.Cluster(n=ENGINES, log_level=logging.ERROR)
    client = cluster.start_and_connect_sync(activate=False)
    try:
        every, anywhere, one = client[:], client.load_balanced_view(), client[0]
        report("apply_rtt_us", median(lambda: one.apply_sync(same, 1), CALLS) * 1e6)
        report("balanced_apply_rtt_us", median(lambda: anywhere.apply_sync(same, 1), CALLS) * 1e6)

        tasks = range(TASKS)
        report("elements_per_s_chunk1", TASKS / median(lambda: anywhere.map_async(same, tasks, chunksize=1).get(), 2))

        rows = numpy.random.default_rng(1).random((5000, 3))
        report("sums_chunk10_s", median(lambda: anywhere.map_async(row_sum, rows, chunksize=10).get()))
        report("sums_chunk100_s", median(lambda: anywhere.map_async(row_sum, rows, chunksize=100).get()))

        array = numpy.arange(MIB * 2**20 // 8, dtype=float)
        report("push_mib_s", ENGINES * MIB / median(lambda: every.push({"bulk": array}, block=True)))
        report("scatter_mib_s", MIB / median(lambda: every.scatter("part", array, block=True)))
        report("gather_mib_s", MIB / median(lambda: every.gather("part", block=True)))
    finally:
        cluster.stop_cluster_sync()


if __name__ == "__main__":
    main()
