//! Files written here, read by somebody else's library: h5py compares every value (`check.py`).

mod expectation;
mod files;
mod values;
