//! What both ends ask of a TCP connection.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// A connection on which nothing comes is asked for a sign of life after this time, and given up when none comes for as long again.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Of the questions after that time, so many may go without an answer.
const UNANSWERED_MAX: u32 = 3;
/// What was sent and not acknowledged for this long will not be. (Nobody is asked for signs of life meanwhile.)
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// No waiting for more to send; and hosts that are gone are noticed by TCP itself, by the one who waits for them too. HTTP/2's own keepalive
/// would also give up on a peer that is merely stopped: a program under a debugger, or after ^Z.
///
/// # Errors
/// The kernel's, when the socket is none.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE / UNANSWERED_MAX)?;
    sockopt::set_tcp_keepcnt(stream, UNANSWERED_MAX)?;
    sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MAX.as_millis() as u32)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_is_gone_is_noticed_within_a_minute_or_so() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tune(&stream).unwrap();
        assert!(stream.nodelay().unwrap() && sockopt::socket_keepalive(&stream).unwrap());
        let silent = sockopt::tcp_keepidle(&stream).unwrap();
        let asked = sockopt::tcp_keepintvl(&stream).unwrap() * sockopt::tcp_keepcnt(&stream).unwrap();
        assert_eq!(silent + asked, Duration::from_secs(60));
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 60_000);
    }
}
