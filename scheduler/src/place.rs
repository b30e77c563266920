//! Where a balanced job's chunks may go: on which engines, by their ids and by what they have.

use phalanx_proto::ids::EngineId;
pub use phalanx_proto::needs::{Need, Number, Tags, Test};

/// Where chunks may go. The default is everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// These engines and no others, ascending.
    pub targets: Option<Vec<EngineId>>,
    /// What an engine must have.
    pub needs: Vec<Need>,
    /// The job has a condition that every engine looks at by itself; one where it is not met hands chunks back as
    /// refused, and gets no more.
    pub conditional: bool,
    /// When no engine has what it needs, it waits for one that comes instead of being refused.
    pub patient: bool,
    /// Its engines may be on their way back, as its client was: it waits for them, for a while.
    pub returning: bool,
}

impl Place {
    /// Whether it is everywhere.
    pub(crate) fn is_anywhere(&self) -> bool {
        self.targets.is_none() && self.needs.is_empty() && !self.conditional
    }

    /// Whether an engine may get chunks, but for the condition.
    pub(crate) fn suits(&self, id: EngineId, tags: &Tags) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.binary_search(&id).is_ok())
            && self.needs.iter().all(|need| need.is_met_by(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_both_engines_and_what_they_have() {
        let tags: Tags = [("gpu".into(), "0".into())].into();
        let mut place = Place { targets: Some(vec![EngineId(1), EngineId(3)]), ..Place::default() };
        assert!(place.suits(EngineId(3), &tags) && !place.suits(EngineId(2), &tags));
        place.needs.extend(Need::parse("gpu=1"));
        assert!(!place.suits(EngineId(3), &tags));
    }
}
