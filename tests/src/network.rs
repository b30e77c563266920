//! A network between two machines that can go silent: nothing is closed, nothing arrives. It counts what it carries.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Between two looks at what the network shall do.
const PAUSE: Duration = Duration::from_millis(5);

/// Carries connections to an address, until it is cut. It ends when dropped.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    wishes: Arc<Wishes>,
}

#[derive(Debug, Default)]
struct Wishes {
    cut: AtomicBool,
    ended: AtomicBool,
    /// Bytes carried to the target, and from it.
    there: AtomicU64,
    back: AtomicU64,
}

impl Network {
    /// A network whose other end is at `target`.
    #[must_use]
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a loopback address");
        let address = listener.local_addr().expect("it is bound");
        let wishes = Arc::new(Wishes::default());
        let (theirs, target) = (Arc::clone(&wishes), target.to_owned());
        thread::spawn(move || accept(&listener, &target, &theirs));
        Self { address, wishes }
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Nothing passes any more, either way. Connections stay open; new ones come to nothing.
    pub fn cut(&self) {
        self.wishes.cut.store(true, Ordering::Release);
    }

    /// Bytes that were carried to the target so far, and from it.
    #[must_use]
    pub fn carried(&self) -> (u64, u64) {
        (self.wishes.there.load(Ordering::Acquire), self.wishes.back.load(Ordering::Acquire))
    }

    /// It works again.
    pub fn mend(&self) {
        self.wishes.cut.store(false, Ordering::Release);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.wishes.ended.store(true, Ordering::Release);
        // The listener wakes up and sees it.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, target: &str, wishes: &Arc<Wishes>) {
    for near in listener.incoming().map_while(Result::ok) {
        if wishes.ended.load(Ordering::Acquire) {
            return;
        }
        if wishes.cut.load(Ordering::Acquire) {
            continue;
        }
        let Ok(far) = TcpStream::connect(target) else { continue };
        let Ok((near_out, far_out)) = near.try_clone().and_then(|n| Ok((n, far.try_clone()?))) else {
            return;
        };
        for (from, to, is_back) in [(near, far_out, false), (far, near_out, true)] {
            let wishes = Arc::clone(wishes);
            thread::spawn(move || {
                carry(from, to, &wishes, if is_back { &wishes.back } else { &wishes.there })
            });
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, wishes: &Wishes, carried: &AtomicU64) {
    let mut bytes = vec![0; 64 << 10];
    from.set_read_timeout(Some(PAUSE)).expect("it is not zero");
    while !wishes.ended.load(Ordering::Acquire) {
        if wishes.cut.load(Ordering::Acquire) {
            thread::sleep(PAUSE);
            continue;
        }
        match from.read(&mut bytes) {
            Ok(n) if n > 0 && to.write_all(&bytes[..n]).is_ok() => {
                carried.fetch_add(n as u64, Ordering::AcqRel);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    // Whoever is at the other end sees the end, too.
    let _ = to.shutdown(std::net::Shutdown::Both);
}
