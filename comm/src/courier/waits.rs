//! Who waits for whom: ranks that would wait for each other for ever are found out.
//!
//! A rank that made no progress for a second tells all others what it waits for, with the numbers of messages it has
//! sent to and received from each. A circle of such waits in which no message is under way can never end. This holds whenever
//! the posts were made: were some wait of the circle over, take the one that ended first; it ended by a message that its
//! sender had not begun when it posted, so the sender's wait ended earlier still. The same holds for a rank that cannot send because the
//! receiver takes nothing, when no bytes and no news of taken ones are under way. Computing ranks post nothing and are merely late.

use serde::{Deserialize, Serialize};

use crate::error::{CommError, clip};
use crate::stamp::Stamp;

/// What one rank waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Post {
    /// Its how manieth wait this is.
    pub(super) wait: u64,
    pub(super) stamp: Stamp,
    /// The ranks it needs a message from, and how many of each it has received.
    pub(super) receives: Vec<(u32, u64)>,
    /// The ranks that must take something before it can send more: bytes that it sent them, and that it knows to be taken.
    pub(super) sends: Vec<(u32, u64, u64)>,
    /// Messages begun, by destination.
    pub(super) sent: Vec<u64>,
    /// Bytes of messages that came, and that it told to be taken, by source.
    pub(super) got: Vec<(u64, u64)>,
}

impl Post {
    /// The ranks without which it cannot go on, by what everybody posted.
    fn needs<'a>(&'a self, rank: usize, posts: &'a [Option<&Post>]) -> impl Iterator<Item = usize> + 'a {
        let of = |peer: u32| posts.get(peer as usize).copied().flatten();
        let receives = self.receives.iter().filter(move |(peer, received)| {
            of(*peer).is_some_and(|theirs| theirs.sent.get(rank) == Some(received))
        });
        let receives = receives.map(|(peer, _)| *peer);
        let sends = self.sends.iter().filter(move |(peer, sent, taken)| {
            of(*peer).is_some_and(|theirs| theirs.got.get(rank) == Some(&(*sent, *taken)))
        });
        receives.chain(sends.map(|(peer, ..)| *peer)).map(|peer| peer as usize)
    }
}

/// The error of ranks that wait for each other, seen from one of them, if there are such.
pub(super) fn circle(from: usize, posts: &[Option<&Post>]) -> Option<CommError> {
    let path = find(from, posts)?;
    let post = |rank: usize| posts.get(rank).copied().flatten();
    for (i, &a) in path.iter().enumerate() {
        for &b in &path[i + 1..] {
            if let (Some(first), Some(second)) = (post(a), post(b))
                && first.stamp.is_collective()
                && first.stamp.same_place(&second.stamp)
                && first.stamp != second.stamp
            {
                return Some(mismatch(a, &first.stamp, b, &second.stamp));
            }
        }
    }
    // The same text wherever the circle was entered.
    let least = path.iter().enumerate().min_by_key(|(_, rank)| **rank).map_or(0, |(i, _)| i);
    let waits: Vec<String> = (0..path.len())
        .map(|i| {
            let (rank, next) = (path[(least + i) % path.len()], path[(least + i + 1) % path.len()]);
            let call = post(rank).map_or_else(String::new, |p| p.stamp.call());
            format!("rank {rank} for rank {next} in {call}")
        })
        .collect();
    Some(CommError::Deadlock { circle: clip(waits.join(", ")) })
}

/// A circle that can be reached from a rank.
fn find(from: usize, posts: &[Option<&Post>]) -> Option<Vec<usize>> {
    let (mut path, mut seen) = (vec![from], vec![false; posts.len()]);
    let mut open: Vec<Vec<usize>> = vec![needs(from, posts)];
    *seen.get_mut(from)? = true;
    while let Some(branches) = open.last_mut() {
        let Some(next) = branches.pop() else {
            open.pop();
            path.pop();
            continue;
        };
        if let Some(start) = path.iter().position(|rank| *rank == next) {
            return Some(path.split_off(start));
        }
        if !std::mem::replace(seen.get_mut(next)?, true) {
            path.push(next);
            open.push(needs(next, posts));
        }
    }
    None
}

fn needs(rank: usize, posts: &[Option<&Post>]) -> Vec<usize> {
    posts[rank].map(|post| post.needs(rank, posts).collect()).unwrap_or_default()
}

/// Two ranks do different things at one place of the program; the same error whoever notices.
pub(super) fn mismatch(a: usize, a_stamp: &Stamp, b: usize, b_stamp: &Stamp) -> CommError {
    let (rank, stamp, other, other_stamp) =
        if a < b { (a, a_stamp, b, b_stamp) } else { (b, b_stamp, a, a_stamp) };
    CommError::Mismatch {
        rank,
        call: stamp.call(),
        other,
        other_call: other_stamp.call(),
        place: stamp.place(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{ANY, NONE, Operation};

    fn post(receives: &[(u32, u64)], sent: &[u64]) -> Post {
        let stamp = Stamp {
            group: 0,
            seq: 3,
            operation: Operation::Message,
            detail: 0,
            root: NONE,
            kind: 0,
            count: ANY,
        };
        Post { wait: 1, stamp, receives: receives.to_vec(), sends: vec![], sent: sent.to_vec(), got: vec![] }
    }

    fn check(from: usize, posts: &[Option<Post>]) -> Option<String> {
        let posts: Vec<_> = posts.iter().map(Option::as_ref).collect();
        circle(from, &posts).map(|e| e.to_string())
    }

    #[test]
    fn a_circle_without_messages_under_way_is_found() {
        let posts = [
            Some(post(&[(1, 2)], &[0, 0, 0])),
            Some(post(&[(2, 0)], &[2, 0, 0])),
            Some(post(&[(0, 0)], &[0; 3])),
        ];
        let found = check(1, &posts).unwrap();
        assert!(found.contains("rank 0 for rank 1 in message(tag 3), rank 1 for rank 2"), "{found}");
        assert_eq!(check(2, &posts).unwrap(), found);
    }

    #[test]
    fn a_message_under_way_is_no_deadlock() {
        let posts = [Some(post(&[(1, 2)], &[0, 0])), Some(post(&[(0, 0)], &[3, 0]))];
        assert_eq!(check(0, &posts), None);
    }

    #[test]
    fn who_waits_for_a_computing_rank_is_merely_waiting() {
        let posts = [Some(post(&[(1, 0)], &[0; 3])), Some(post(&[(2, 0)], &[0; 3])), None];
        assert_eq!(check(0, &posts), None);
    }

    #[test]
    fn a_circle_beside_the_path_is_found_from_outside() {
        let posts = [
            Some(post(&[(3, 0), (1, 0)], &[0; 4])),
            Some(post(&[(2, 0)], &[0; 4])),
            Some(post(&[(1, 0)], &[0; 4])),
            None,
        ];
        assert!(check(0, &posts).unwrap().contains("rank 1 for rank 2"));
    }

    #[test]
    fn sends_that_nobody_takes_close_a_circle_if_nothing_is_under_way() {
        let mut posts = [Some(post(&[], &[0, 1])), Some(post(&[], &[1, 0]))];
        for (rank, post) in posts.iter_mut().enumerate() {
            let post = post.as_mut().unwrap();
            post.sends = vec![(1 - rank as u32, 700, 100)];
            post.got = vec![(700, 100); 2];
        }
        assert!(check(0, &posts).is_some());
        posts[1].as_mut().unwrap().got[0] = (700, 200);
        assert_eq!(check(0, &posts), None, "it has taken some");
        posts[1].as_mut().unwrap().got[0] = (600, 100);
        assert_eq!(check(0, &posts), None, "some is under way");
    }

    #[test]
    fn ranks_that_only_forge_do_not_break_it() {
        let posts = [Some(post(&[(9, 0), (1, 0)], &[])), Some(post(&[(0, 0)], &[]))];
        assert_eq!(check(0, &posts), None);
    }
}
