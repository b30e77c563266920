//! For threads that block.

use std::cell::RefCell;
use std::thread;
use std::time::Instant;

use crate::Window;

thread_local! {
    static WINDOW: RefCell<Window> = RefCell::default();
}

/// Polls for as long as that is likely to help, then sleeps.
///
/// ```
/// use std::sync::mpsc;
/// let (tell, told) = mpsc::channel();
/// let teller = std::thread::spawn(move || tell.send(7));
/// let said = phalanx_idle::wait(|| told.try_recv().ok(), || told.recv().unwrap());
/// assert_eq!(said, 7);
/// # teller.join().unwrap();
/// ```
pub fn wait<T>(mut poll: impl FnMut() -> Option<T>, sleep: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let mut window = WINDOW.take();
    let polled = poll_for(&mut window, started, &mut poll);
    let news = polled.unwrap_or_else(sleep);
    window.came_after(started.elapsed());
    WINDOW.set(window);
    news
}

fn poll_for<T>(window: &mut Window, started: Instant, poll: &mut impl FnMut() -> Option<T>) -> Option<T> {
    let mut now = started;
    while now - started < window.len() {
        if let Some(news) = poll() {
            return Some(news);
        }
        thread::yield_now();
        let before = std::mem::replace(&mut now, Instant::now());
        if now - before > Window::TURN_MAX {
            window.crowded();
        }
    }
    None
}
