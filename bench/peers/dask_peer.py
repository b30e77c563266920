"""dask.distributed: a local cluster of processes with one thread each."""

import logging

import numpy
from distributed import Client, LocalCluster
from measuring import ENGINES, MIB, median, report, row_sum, same

CALLS = 100
TASKS = 2000


def sums(rows):
    return [row_sum(row) for row in rows]


def main():
    options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=ENGINES, **options) as cluster, Client(cluster) as client:
        call = lambda: client.submit(same, 1, pure=False).result()
        report("balanced_apply_rtt_us", median(call, CALLS) * 1e6)

        tasks = range(TASKS)
        run = lambda: client.gather(client.map(same, tasks, pure=False))
        report("elements_per_s_chunk1", TASKS / median(run, 2))

        # dask has no chunks for plain functions: the rows are grouped by hand, as its users do.
        rows = numpy.random.default_rng(1).random((5000, 3))
        grouped = lambda size: [rows[i : i + size] for i in range(0, len(rows), size)]
        run_grouped = lambda size: client.gather(client.map(sums, grouped(size), pure=False))
        report("sums_chunk10_s", median(lambda: run_grouped(10)))
        report("sums_chunk100_s", median(lambda: run_grouped(100)))

        array = numpy.arange(MIB * 2**20 // 8, dtype=float)
        push = lambda: client.scatter(array, broadcast=True, direct=True, hash=False)
        report("push_mib_s", ENGINES * MIB / median(push))
        halves = numpy.array_split(array, ENGINES)
        scatter = lambda: client.scatter(halves, direct=True, hash=False)
        report("scatter_mib_s", MIB / median(scatter))
        held = scatter()
        report("gather_mib_s", MIB / median(lambda: client.gather(held)))


if __name__ == "__main__":
    main()
