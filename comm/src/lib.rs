//! One communicator, with the names of MPI, over several ways to run.
