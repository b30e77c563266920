//! What both ends ask of a TCP connection.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// A connection on which nothing comes is asked for a sign of life after this time, and given up when none comes for as long again.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Of the questions after that time, so many may go without an answer.
const UNANSWERED_MAX: u32 = 3;

/// No waiting for more to send; and hosts that are gone are noticed by TCP itself, by the one who only waits for them too: within a minute, or
/// when it has sent what is not acknowledged, as late as the kernel gives up (some fifteen minutes). HTTP/2's own keepalive, and a bound on that time
/// (`TCP_USER_TIMEOUT`), would also give up on a peer that is merely stopped and reads nothing: a program under a debugger, or after ^Z.
///
/// # Errors
/// The kernel's, when the socket is none.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE / UNANSWERED_MAX)?;
    sockopt::set_tcp_keepcnt(stream, UNANSWERED_MAX)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_is_gone_is_noticed_and_one_that_reads_nothing_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tune(&stream).unwrap();
        assert!(stream.nodelay().unwrap() && sockopt::socket_keepalive(&stream).unwrap());
        let silent = sockopt::tcp_keepidle(&stream).unwrap();
        let asked = sockopt::tcp_keepintvl(&stream).unwrap() * sockopt::tcp_keepcnt(&stream).unwrap();
        assert_eq!(silent + asked, Duration::from_secs(60));
        // A peer that is stopped reads nothing, for as long as it likes.
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 0);
    }
}
