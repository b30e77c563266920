//! The runs of an engine against a list of single chunks.

use proptest::prelude::*;

use super::*;

const JOB: JobKey = JobKey(7);

#[derive(Debug, Clone)]
enum Step {
    Push { skip: u64, count: u32, attempt: u32, holding: Holding },
    Take { at: usize, count: u32 },
    Recall { work_ns: u64 },
    Cancel { slot: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let holding = prop_oneof![3 => Just(Holding::Balanced), 1 => Just(Holding::Direct)];
    let push = (0u64..3, 1u32..6, 1u32..3, holding).prop_map(|(skip, count, attempt, holding)| Step::Push {
        skip,
        count,
        attempt,
        holding,
    });
    let take = (0usize..30, 1u32..9).prop_map(|(at, count)| Step::Take { at, count });
    let recall = (0u64..400).prop_map(|work_ns| Step::Recall { work_ns });
    let cancel = (0u32..2).prop_map(|slot| Step::Cancel { slot });
    prop::collection::vec(prop_oneof![4 => push, 5 => take, 1 => recall, 1 => cancel], 1..60)
}

/// Chunk by chunk: slot, index, attempt, holding.
type Model = Vec<(u32, u64, u32, Holding)>;

fn flat(held: &Held) -> Model {
    let chunks = |run: &HeldRun| {
        let run = *run;
        (0..u64::from(run.count)).map(move |i| (run.slot, run.index + i, run.attempt, run.holding))
    };
    held.iter().flat_map(chunks).collect()
}

fn push(held: &mut Held, model: &mut Model, next: &mut u64, step: &Step) {
    let Step::Push { skip, count, attempt, holding } = *step else { return };
    *next += skip;
    let slot = u32::from(holding == Holding::Direct);
    let run = HeldRun {
        job: JOB,
        slot,
        ordinal: *next,
        index: *next,
        count,
        attempt,
        len: 1,
        charge_ns: 30,
        holding,
        urgent: false,
    };
    held.push(run);
    model.extend((0..u64::from(count)).map(|i| (slot, *next + i, attempt, holding)));
    *next += u64::from(count);
}

fn take(held: &mut Held, model: &mut Model, at: usize, count: u32) -> Result<(), TestCaseError> {
    let Some(&(_, first, attempt, _)) = model.get(at) else { return Ok(()) };
    let wanted: Vec<u64> = (first..first + u64::from(count)).collect();
    let all = wanted.iter().all(|i| model.iter().any(|(_, index, a, _)| index == i && *a == attempt));
    let found = held.check(JOB, first, count, attempt);
    prop_assert_eq!(found.is_some(), all);
    prop_assert_eq!(held.check(JOB, first, count, attempt + 9), None);
    if !all {
        return Ok(());
    }
    let mut taken = 0;
    while taken < count {
        let run = held.take(JOB, first + u64::from(taken), count - taken).unwrap();
        prop_assert_eq!((run.index, run.attempt), (first + u64::from(taken), attempt));
        taken += run.count;
    }
    model.retain(|(_, index, _, _)| !wanted.contains(index));
    Ok(())
}

fn recall(held: &mut Held, model: &mut Model, work_ns: u64) -> Result<(), TestCaseError> {
    let recallable = held.recallable_ns();
    let mut asked = Vec::new();
    held.recall(work_ns, &held.recallable_jobs(), |run| {
        asked.extend(run.index..run.index + u64::from(run.count))
    });
    prop_assert!(
        model.first().is_none_or(|first| !asked.contains(&first.1)),
        "the first chunk may be running"
    );
    prop_assert_eq!(asked.is_empty(), recallable == 0);
    prop_assert!(asked.len() as u64 * 30 <= work_ns.max(30));
    for chunk in model.iter_mut().filter(|chunk| asked.contains(&chunk.1)) {
        prop_assert_eq!(chunk.3, Holding::Balanced);
        chunk.3 = Holding::Recalled;
    }
    Ok(())
}

proptest! {
    #[test]
    fn runs_are_what_their_chunks_are(steps in steps()) {
        let (mut held, mut model, mut next) = (Held::default(), Model::new(), 0);
        for step in steps {
            match &step {
                Step::Push { .. } => push(&mut held, &mut model, &mut next, &step),
                Step::Take { at, count } => take(&mut held, &mut model, *at, *count)?,
                Step::Recall { work_ns } => recall(&mut held, &mut model, *work_ns)?,
                Step::Cancel { slot } => {
                    let of = |c: &&mut (u32, u64, u32, Holding)| c.0 == *slot && c.3 != Holding::Cancelled;
                    let count = model.iter_mut().filter(of).map(|c| c.3 = Holding::Cancelled).count();
                    prop_assert_eq!(held.cancel(*slot) as usize, count);
                }
            }
            prop_assert!(held.is_consistent());
            prop_assert_eq!(flat(&held), model.clone());
            prop_assert_eq!(held.chunks() as usize, model.len());
        }
        let all: u32 = held.take_all().iter().map(|run| run.count).sum();
        prop_assert_eq!(all as usize, model.len());
        prop_assert_eq!(held.chunks(), 0);
    }
}
