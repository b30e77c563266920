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
    window.came_after(started.elapsed(), Instant::now());
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
            window.crowded(now);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_of_which_nothing_is_known_sleeps_at_once() {
        assert_eq!(wait(|| panic!("it polls"), || 1), 1);
    }

    #[test]
    fn who_waited_shortly_polls_before_it_sleeps() {
        let (mut window, now) = (Window::default(), Instant::now());
        window.came_after(Duration::ZERO, now);
        WINDOW.set(window);
        assert_eq!(wait(|| Some(2), || panic!("it need not sleep")), 2);
    }

    #[test]
    fn who_polls_in_vain_sleeps() {
        let (mut window, mut looked) = (Window::default(), 0);
        window.came_after(Duration::ZERO, Instant::now());
        let mut never = || {
            looked += 1;
            None::<u32>
        };
        assert_eq!(poll_for(&mut window, Instant::now(), &mut never), None);
        assert!(looked > 0);
    }
}
