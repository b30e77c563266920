//! The controller of Phalanx: it knows engines, clients and jobs, and is what everybody connects to.
//!
//! ```text
//!            server: Unix socket, TLS                 driver                      scheduler (pure)
//!   peer ──▶ service: sessions ── parse ──▶ inbox ──▶ one task, decides nothing ──▶ Input
//!   peer ◀── outbox ◀─────────────────────────────────  │  ◀──────────────────────  Action
//!                                        payload, programs
//! ```
//!
//! Start reading at `driver.rs`. As a library it runs inside another process, as the binary
//! `controller` it is a daemon:
//!
//! ```
//! use phalanx_controller::{Controller, ControllerConfig};
//! use phalanx_profile::Profile;
//!
//! # let temporary = tempfile::tempdir()?;
//! # let path = temporary.path().join("nbserver");
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let controller = Controller::start(ControllerConfig::local(Profile::at(&path)?)).await?;
//! assert!(controller.socket().exists());
//! controller.shutdown().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod controller;
mod driver;
mod inbox;
mod limits;
mod outbox;
mod parse;
mod payload;
mod programs;
mod server;
mod service;

pub use config::ControllerConfig;
pub use controller::{Controller, StartError};
pub use limits::Limits;
pub use phalanx_history::HistoryLimits;
pub use server::TlsError;
