//! What every message says of the operation it belongs to.
//!
//! Two ranks that take part in the same operation put equal stamps on it. That is how ranks that disagree are found out.

use std::any::{TypeId, type_name};

use serde::{Deserialize, Serialize};

/// The operations; the numbers are what goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Operation {
    Message = 1,
    Barrier,
    Broadcast,
    BroadcastInto,
    Scatter,
    Scatterv,
    ScatterInto,
    Gather,
    Gatherv,
    GathervInto,
    GatherJoined,
    AllGather,
    AllGatherv,
    AllGatherInto,
    Reduce,
    AllReduce,
    ReduceWith,
    AllReduceWith,
    Exscan,
}

const OPERATIONS: [Operation; 19] = {
    use Operation::*;
    [
        Message,
        Barrier,
        Broadcast,
        BroadcastInto,
        Scatter,
        Scatterv,
        ScatterInto,
        Gather,
        Gatherv,
        GathervInto,
        GatherJoined,
        AllGather,
        AllGatherv,
        AllGatherInto,
        Reduce,
        AllReduce,
        ReduceWith,
        AllReduceWith,
        Exscan,
    ]
};

impl Operation {
    pub(crate) fn from_wire(byte: u8) -> Option<Self> {
        OPERATIONS.get(usize::from(byte).checked_sub(1)?).copied()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Barrier => "barrier",
            Self::Broadcast => "broadcast",
            Self::BroadcastInto => "broadcast_into",
            Self::Scatter => "scatter",
            Self::Scatterv => "scatterv",
            Self::ScatterInto => "scatter_into",
            Self::Gather => "gather",
            Self::Gatherv => "gatherv",
            Self::GathervInto => "gatherv_into",
            Self::GatherJoined => "gather_joined",
            Self::AllGather => "all_gather",
            Self::AllGatherv => "all_gatherv",
            Self::AllGatherInto => "all_gather_into",
            Self::Reduce => "reduce",
            Self::AllReduce => "all_reduce",
            Self::ReduceWith => "reduce_with",
            Self::AllReduceWith => "all_reduce_with",
            Self::Exscan => "exscan",
        }
    }
}

/// No root, no count: it is no matter of agreement in this operation.
pub(crate) const NONE: u32 = u32::MAX;
pub(crate) const ANY: u64 = u64::MAX;

/// A root as it is on a stamp; one that is too large for any group stays so.
pub(crate) fn root_on_stamp(root: usize) -> u32 {
    u32::try_from(root).unwrap_or(NONE).min(NONE - 1)
}

/// One operation of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// The group, by a number that its members agree on.
    pub(crate) group: u64,
    /// How many collectives the group had before this one; of a message, its tag.
    pub(crate) seq: u64,
    pub(crate) operation: Operation,
    /// The operator of a reduction.
    pub(crate) detail: u8,
    /// The root, as a rank of the group.
    pub(crate) root: u32,
    /// The type of the elements.
    pub(crate) kind: u64,
    /// How many elements there are on each rank.
    pub(crate) count: u64,
}

impl Stamp {
    /// Whether it belongs to a collective.
    pub(crate) fn is_collective(&self) -> bool {
        self.operation != Operation::Message
    }

    /// Whether both mean the same place in the program: the same collective of a group, or messages of one tag.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.group == other.group && self.seq == other.seq && self.is_collective() == other.is_collective()
    }

    /// What was called, for people.
    pub(crate) fn call(&self) -> String {
        let mut words = Vec::new();
        if self.operation == Operation::Message {
            words.push(format!("tag {}", self.seq));
        }
        if self.root != NONE {
            words.push(format!("root {}", self.root));
        }
        if let Some(name) = crate::op::name(self.detail) {
            words.push(name.to_owned());
        }
        match (self.count, kind_name(self.kind)) {
            (ANY, None) => {}
            (ANY, Some(name)) => words.push(name.to_owned()),
            (count, name) => words.push(format!("{count} × {}", name.unwrap_or("values"))),
        }
        match words.is_empty() {
            true => self.operation.name().to_owned(),
            false => format!("{}({})", self.operation.name(), words.join(", ")),
        }
    }

    /// Where in the program it stands.
    pub(crate) fn place(&self) -> String {
        let group = if self.group == 0 { "" } else { " of a subgroup" };
        if self.is_collective() {
            format!("as its {} collective{group}", ordinal(self.seq + 1))
        } else {
            format!("with tag {}{group}", self.seq)
        }
    }
}

fn ordinal(n: u64) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// A number for a type, the same in every process of one executable.
pub(crate) fn kind_of<T: 'static>() -> u64 {
    if TypeId::of::<T>() == TypeId::of::<()>() { 0 } else { hash(type_name::<T>()) }
}

fn kind_name(kind: u64) -> Option<&'static str> {
    macro_rules! find {
        ($($t:ty),*) => {
            match kind {
                0 => None,
                $(_ if kind == hash(type_name::<$t>()) => Some(stringify!($t)),)*
                $(_ if kind == hash(type_name::<Vec<$t>>()) => Some(concat!("Vec<", stringify!($t), ">")),)*
                _ => Some("another type"),
            }
        };
    }
    find!(f64, f32, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, bool, String)
}

/// FNV-1a: short, and the same everywhere.
const fn hash(text: &str) -> u64 {
    let (bytes, mut hash, mut i) = (text.as_bytes(), 0xcbf2_9ce4_8422_2325_u64, 0);
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_back_from_the_wire() {
        for operation in OPERATIONS {
            assert_eq!(Operation::from_wire(operation as u8), Some(operation));
        }
        assert_eq!(Operation::from_wire(0), None);
        assert_eq!(Operation::from_wire(OPERATIONS.len() as u8 + 1), None);
    }

    #[test]
    fn a_stamp_reads_like_a_call() {
        let stamp = Stamp {
            group: 0,
            seq: 4,
            operation: Operation::Reduce,
            detail: 4,
            root: 2,
            kind: kind_of::<f64>(),
            count: 7,
        };
        assert_eq!(stamp.call(), "reduce(root 2, max, 7 × f64)");
        assert_eq!(stamp.place(), "as its 5th collective");
        let ordinals: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).to_vec();
        assert_eq!(ordinals, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]);
    }
}
