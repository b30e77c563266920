//! What engines have: tags from the command line, such as `--tag gpu=0 --slots 0`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use phalanx_proto::host;
use phalanx_proto::limits::{TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, TAGS_MAX, is_tag_name};
use phalanx_proto::v1;
use thiserror::Error;

/// The tags of each engine of a node, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeTags(Vec<BTreeMap<String, String>>);

/// A tag that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TagError {
    /// Not a name, or not a value.
    #[error("{0:?} is no tag: give NAME or NAME=VALUE, the name of letters, digits, `_`, `-` and `.`")]
    NotATag(String),
    /// Slots that are none.
    #[error("{0:?} are no slots: give numbers and ranges from 0 on, such as 0,2-3")]
    NotSlots(String),
    /// An engine that this node does not have.
    #[error("there is no slot {slot}: this node has {engines} engines, whose slots are 0 to {last}", last = .engines - 1)]
    NoSuchSlot {
        /// The slot.
        slot: u32,
        /// How many engines there are.
        engines: u32,
    },
    /// More than anybody needs.
    #[error("an engine has at most {TAGS_MAX} tags")]
    TooMany,
}

/// A tag as it was given, and for which slots: all when that was not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagOrder {
    /// `NAME` or `NAME=VALUE`.
    pub tag: String,
    /// `0,2-3`.
    pub slots: Option<String>,
}

impl NodeTags {
    /// The tags of a node of so many engines. Every engine also has its host's name as `host`.
    ///
    /// # Errors
    /// [`TagError`].
    pub fn read(engines: u32, orders: &[TagOrder]) -> Result<Self, TagError> {
        let host = BTreeMap::from([("host".to_owned(), host::name())]);
        let mut all = vec![host; engines as usize];
        for TagOrder { tag, slots } in orders {
            let (name, value) = parse(tag).ok_or_else(|| TagError::NotATag(tag.clone()))?;
            let ranges = match slots {
                None => vec![0..=engines.saturating_sub(1)],
                Some(text) => parse_slots(text).ok_or_else(|| TagError::NotSlots(text.clone()))?,
            };
            if let Some(slot) = ranges.iter().map(|range| *range.end()).find(|slot| *slot >= engines) {
                return Err(TagError::NoSuchSlot { slot, engines });
            }
            for slot in ranges.into_iter().flatten() {
                all[slot as usize].insert(name.to_owned(), value.to_owned());
            }
        }
        if all.iter().any(|tags| tags.len() > TAGS_MAX) { Err(TagError::TooMany) } else { Ok(Self(all)) }
    }

    /// Those of the engine in a slot.
    pub(crate) fn of(&self, slot: usize) -> impl Iterator<Item = (&str, &str)> {
        self.0.get(slot).into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Those of the engines in these slots.
    pub(crate) fn to_wire(&self, slots: &[usize]) -> Vec<v1::EngineTags> {
        let tag = |(name, value): (&str, &str)| v1::Tag { name: name.to_owned(), value: value.to_owned() };
        slots.iter().map(|slot| v1::EngineTags { tags: self.of(*slot).map(tag).collect() }).collect()
    }
}

/// What a worker finds a tag under in its environment: `PHALANX_TAG_GPU` for `gpu`.
pub(crate) fn variable(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("PHALANX_TAG_{}", upper.collect::<String>())
}

fn parse(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let (name, value) = (name.trim(), value.trim());
    let good = is_tag_name(name) && name.len() <= TAG_NAME_BYTES_MAX && value.len() <= TAG_VALUE_BYTES_MAX;
    good.then_some((name, value))
}

fn parse_slots(text: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let range = |part: &str| {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        (first <= last).then_some(first..=last)
    };
    text.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(tag: &str, slots: Option<&str>) -> TagOrder {
        TagOrder { tag: tag.to_owned(), slots: slots.map(str::to_owned) }
    }

    fn of(tags: &NodeTags, slot: usize) -> Vec<(&str, &str)> {
        tags.of(slot).filter(|(name, _)| *name != "host").collect()
    }

    #[test]
    fn a_tag_is_for_all_slots_or_for_those_that_are_named() {
        let orders = [order("gpu=0", Some("0")), order("gpu=1", Some("1, 3-3")), order("big", None)];
        let tags = NodeTags::read(4, &orders).unwrap();
        assert_eq!(of(&tags, 0), [("big", ""), ("gpu", "0")]);
        assert_eq!(of(&tags, 1), [("big", ""), ("gpu", "1")]);
        assert_eq!(of(&tags, 2), [("big", "")]);
        assert_eq!(of(&tags, 3), [("big", ""), ("gpu", "1")]);
        assert!(tags.of(2).any(|(name, value)| name == "host" && value == host::name()));
        assert_eq!(variable("my-gpu.2"), "PHALANX_TAG_MY_GPU_2");
    }

    #[test]
    fn what_is_no_tag_is_refused_with_a_reason() {
        let refused = |tag: &str, slots| NodeTags::read(2, &[order(tag, slots)]).unwrap_err();
        assert_eq!(refused("a b", None), TagError::NotATag("a b".to_owned()));
        assert_eq!(refused("", None), TagError::NotATag(String::new()));
        for slots in ["", "x", "2-1", "-1", "0,,1"] {
            assert_eq!(refused("gpu", Some(slots)), TagError::NotSlots(slots.to_owned()));
        }
        assert!(refused("gpu", Some("0-2")).to_string().contains("slots are 0 to 1"));
        let many: Vec<_> = (0..TAGS_MAX).map(|i| order(&format!("t{i}"), None)).collect();
        assert_eq!(NodeTags::read(1, &many), Err(TagError::TooMany));
    }
}
