//! What engines have, and what jobs need of them: `gpu`, `gpu=0`, `memory>=64`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::limits::is_tag_name;

/// What an engine has: names with values, which may be empty.
pub type Tags = BTreeMap<Arc<str>, Arc<str>>;

/// Something that an engine must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The tag's name.
    pub tag: Arc<str>,
    /// What its value must be.
    pub test: Test,
}

/// What a tag's value must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// Anything: the tag must be there.
    Present,
    /// This text.
    Is(Arc<str>),
    /// A number not below this one.
    AtLeast(Number),
    /// A number not above this one.
    AtMost(Number),
}

/// A number in a [`Test`], compared by its bits so that equal requests are found to be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(u64);

impl Number {
    /// `None` when it is not a number, or not finite.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self(value.to_bits()))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Need {
    /// Reads `gpu`, `gpu=0`, `memory>=64` or `load<=0.5`; `None` when it is none of these.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at = text.find(['=', '<', '>']).unwrap_or(text.len());
        let (tag, rest) = text.split_at(at);
        let number = |text: &str| text.trim().parse().ok().and_then(Number::new);
        let test = if rest.is_empty() {
            Test::Present
        } else if let Some(value) = rest.strip_prefix(">=") {
            Test::AtLeast(number(value)?)
        } else if let Some(value) = rest.strip_prefix("<=") {
            Test::AtMost(number(value)?)
        } else {
            Test::Is(rest.strip_prefix('=')?.trim().into())
        };
        is_tag_name(tag.trim()).then(|| Self { tag: tag.trim().into(), test })
    }

    /// Whether an engine with these tags will do.
    #[must_use]
    pub fn is_met_by(&self, tags: &Tags) -> bool {
        let Some(value) = tags.get(&self.tag) else { return false };
        let number = || value.trim().parse::<f64>().ok();
        match &self.test {
            Test::Present => true,
            Test::Is(wanted) => value == wanted,
            Test::AtLeast(least) => number().is_some_and(|number| number >= least.get()),
            Test::AtMost(most) => number().is_some_and(|number| number <= most.get()),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = &self.tag;
        match &self.test {
            Test::Present => write!(f, "{tag}"),
            Test::Is(value) => write!(f, "{tag}={value}"),
            Test::AtLeast(number) => write!(f, "{tag}>={}", number.get()),
            Test::AtMost(number) => write!(f, "{tag}<={}", number.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[(&str, &str)]) -> Tags {
        all.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value))).collect()
    }

    #[test]
    fn needs_are_read_and_shown_alike() {
        for text in ["gpu", "gpu=0", "memory>=64", "load<=0.5", "cpu=x86-64", "note=a=b"] {
            assert_eq!(Need::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "=1", "a b", "memory>=lots", "memory>64", "load<=NaN", "gpu!"] {
            assert_eq!(Need::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_engine_has_what_its_tags_say() {
        let engine = tags(&[("gpu", "0"), ("memory", "64"), ("fast", "")]);
        for (text, met) in [
            ("gpu", true),
            ("gpu=0", true),
            ("gpu=1", false),
            ("memory>=64", true),
            ("memory>=64.5", false),
            ("memory<=100", true),
            ("fast", true),
            ("fast>=1", false),
            ("slow", false),
        ] {
            assert_eq!(Need::parse(text).unwrap().is_met_by(&engine), met, "{text}");
        }
    }
}
