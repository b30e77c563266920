//! The two-dimensional Ising model, simulated on a cluster and compared with its exact solutions.
//!
//! ```text
//! ising.toml ─ Settings ─▶ [RunSpec] ─ simulate, anywhere ─▶ [RunResult] ─ combine ─▶ [Point] ─┬▶ Table
//!                                                                exact: onsager, kaufman ──────┴▶ plot
//! ```
//!
//! [`ising::simulate`] is a pure function of its [`ising::RunSpec`]: where and when it runs changes nothing.
//! That makes it the natural element of a map over engines. Everything else happens before the map
//! ([`settings`]) or after it ([`point`], [`table`], [`plot`]).
//!
//! [`wang_landau`] is a second study: the density of states, from walks in windows of energies that are joined.
//!
//! Units throughout: J = k_B = 1, no field. Energies and specific heats are per site, where nothing else is said.

pub mod acceptance;
pub mod blocking;
mod chart;
pub mod elliptic;
pub mod ising;
mod jet;
pub mod kaufman;
pub mod lattice;
pub mod onsager;
mod panel;
mod picture;
pub mod plot;
pub mod point;
pub mod settings;
pub mod table;
pub mod wang_landau;
