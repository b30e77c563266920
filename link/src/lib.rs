//! How clients and nodes reach the controller: over the profile's Unix socket on the same machine, over TCP with
//! mutual TLS from anywhere else.

mod connect;
mod error;
mod session;
mod socket;
mod tls;

pub use connect::{Connected, Route, connect};
pub use error::ConnectError;
pub use session::{first_message, open_session};
pub use socket::tune;
pub use tls::TlsError;
