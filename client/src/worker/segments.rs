//! The entry points of work mappers: a worker's resource is made, used by task after task, and let go.
//!
//! A resource is kept in the worker under its mapper's key, without a name and without an encoding: it never travels. What comes
//! back of a task is a [`Reply`].

use std::time::{Duration, Instant};

use phalanx_proto::v1::FailureKind;

use super::call::Call;
use super::entries::{Apply, Function, failed, put};
use super::entry::{BadEntry, Entry, summon};
use super::fault::{Fault, guard};
use super::namespace::Namespace;
use crate::codec::{self, CodecError, Value};
use crate::mapper::Task;

/// What workers do for a mapper. It has no size: it travels as its place in the executable.
pub(crate) trait Segment<T>: Copy + 'static {
    /// What a worker keeps from task to task.
    type Resource: 'static;
    /// What a task gives.
    type Output: Value;

    /// The function's name, for people.
    fn label() -> &'static str;
    /// Makes the resource of a worker.
    fn make(&self, worker: usize) -> Result<Self::Resource, Fault>;
    /// Runs a task.
    fn run(&self, resource: &mut Self::Resource, task: T) -> Result<Self::Output, Fault>;
}

/// A function.
#[derive(Clone, Copy)]
pub(crate) struct Plain<F>(F);

/// A function that returns a `Result`.
#[derive(Clone, Copy)]
pub(crate) struct Fallible<F>(F);

/// A factory of resources, and a function that uses one.
#[derive(Clone, Copy)]
pub(crate) struct With<G, F>(G, F);

/// A factory and a function that return `Result`s.
#[derive(Clone, Copy)]
pub(crate) struct FallibleWith<G, F>(G, F);

impl<F> Plain<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(f)
    }
}

impl<F> Fallible<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(f)
    }
}

impl<G, F> With<G, F> {
    pub(crate) fn new(factory: G, f: F) -> Self {
        Self(factory, f)
    }
}

impl<G, F> FallibleWith<G, F> {
    pub(crate) fn new(factory: G, f: F) -> Self {
        Self(factory, f)
    }
}

impl<T, F> Segment<T> for Plain<F>
where
    F: Apply<T> + Copy + 'static,
    F::Output: Value,
{
    type Resource = ();
    type Output = F::Output;

    fn label() -> &'static str {
        std::any::type_name::<F>()
    }

    fn make(&self, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn run(&self, (): &mut (), task: T) -> Result<F::Output, Fault> {
        Ok(self.0.apply(task))
    }
}

impl<T, F, R, E> Segment<T> for Fallible<F>
where
    F: Apply<T, Output = Result<R, E>> + Copy + 'static,
    R: Value,
    E: std::fmt::Display,
{
    type Resource = ();
    type Output = R;

    fn label() -> &'static str {
        std::any::type_name::<F>()
    }

    fn make(&self, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn run(&self, (): &mut (), task: T) -> Result<R, Fault> {
        self.0.apply(task).map_err(failed)
    }
}

impl<T, G, C, F> Segment<T> for With<G, F>
where
    G: Fn(usize) -> C + Copy + 'static,
    C: 'static,
    F: ApplyWith<C, T> + Copy + 'static,
    F::Output: Value,
{
    type Resource = C;
    type Output = F::Output;

    fn label() -> &'static str {
        std::any::type_name::<F>()
    }

    fn make(&self, worker: usize) -> Result<C, Fault> {
        Ok((self.0)(worker))
    }

    fn run(&self, resource: &mut C, task: T) -> Result<F::Output, Fault> {
        Ok(self.1.apply_with(resource, task))
    }
}

impl<T, G, C, D, F, R, E> Segment<T> for FallibleWith<G, F>
where
    G: Fn(usize) -> Result<C, D> + Copy + 'static,
    C: 'static,
    D: std::fmt::Display,
    F: ApplyWith<C, T, Output = Result<R, E>> + Copy + 'static,
    R: Value,
    E: std::fmt::Display,
{
    type Resource = C;
    type Output = R;

    fn label() -> &'static str {
        std::any::type_name::<F>()
    }

    fn make(&self, worker: usize) -> Result<C, Fault> {
        (self.0)(worker).map_err(failed)
    }

    fn run(&self, resource: &mut C, task: T) -> Result<R, Fault> {
        self.1.apply_with(resource, task).map_err(failed)
    }
}

/// A function that can be called with a worker's resource and a tuple of one to four arguments.
pub trait ApplyWith<C, Args> {
    /// What it returns.
    type Output;
    /// Calls it.
    fn apply_with(&self, resource: &mut C, args: Args) -> Self::Output;
}

macro_rules! impl_apply_with {
    ($($arg:ident),*) => {
        impl<Func, Out, C, $($arg),*> ApplyWith<C, ($($arg,)*)> for Func
        where
            Func: Fn(&mut C, $($arg),*) -> Out,
        {
            type Output = Out;
            #[allow(non_snake_case, reason = "arguments are named like their types")]
            fn apply_with(&self, resource: &mut C, ($($arg,)*): ($($arg,)*)) -> Out {
                self(resource, $($arg),*)
            }
        }
    };
}

impl_apply_with!(A);
impl_apply_with!(A, B);
impl_apply_with!(A, B, D);
impl_apply_with!(A, B, D, E);

/// Makes the resource of the worker that the element names, and keeps it under the key that is the context.
pub(crate) fn prepare<S: Segment<T>, T: Task>() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let (segment, key) = (summon::<S>(), key(call));
        call.each(|ns, bytes, _| {
            let worker = codec::decode::<u64>(bytes)?;
            ns.keep(key.clone()?, Box::new(segment.make(worker as usize)?));
            Ok(())
        });
    };
    Function::named(entry, S::label())
}

/// Runs the task that is the element with the resource that is kept under the key that is the context.
pub(crate) fn run_kept<S: Segment<T>, T: Task>() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let (segment, key) = (summon::<S>(), key(call));
        call.each(|ns, bytes, out| {
            let task = T::decode(bytes)?;
            match ns.kept::<S::Resource>(key.clone()?) {
                Some(resource) => run(&segment, resource, task, out),
                None => orphaned(ns, out),
            }
        });
    };
    Function::named(entry, S::label())
}

/// Runs the task behind the worker's number in the element, in a process that has done nothing else: the resource is made
/// for it alone.
pub(crate) fn run_alone<S: Segment<T>, T: Task>() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let segment = summon::<S>();
        call.each(|_, bytes, out| {
            let short = || Fault::new(FailureKind::Decode, "the worker's number is missing");
            let (worker, task) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
            let task = T::decode(task)?;
            match guard(|| segment.make(u64::from_le_bytes(*worker) as usize)) {
                Ok(mut resource) => run(&segment, &mut resource, task, out),
                Err(fault) => Ok(fail_worker(&fault, 0, out)?),
            }
        });
    };
    Ok(Function { own_worker: true, ..Function::named(entry, S::label())? })
}

/// The element of [`run_alone`].
pub(crate) fn with_worker(worker: usize, task: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(worker as u64).to_le_bytes());
    out.extend_from_slice(task);
}

/// Lets the resource go that is kept under the key that is the context.
pub(crate) fn release() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let key = key(call);
        call.each(|ns, _, _| {
            ns.let_go(key.clone()?);
            Ok(())
        });
    };
    Function::named(entry, "release")
}

fn key(call: &Call<'_>) -> Result<u128, Fault> {
    call.work.job.context::<u128>().map(|key| *key)
}

fn run<S: Segment<T>, T>(
    segment: &S,
    resource: &mut S::Resource,
    task: T,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let started = Instant::now();
    let value = segment.run(resource, task)?;
    let took = started.elapsed();
    put(&value, out)?;
    out.extend_from_slice(&u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
    out.push(DONE);
    Ok(())
}

/// The worker is not the one that the resource was made in.
fn orphaned(ns: &Namespace, out: &mut Vec<u8>) -> Result<(), Fault> {
    let before = ns.predecessor();
    let what = match before.message.as_str() {
        "" => "it was replaced, and what it kept is gone",
        message => message,
    };
    Ok(fail_worker(&Fault::new(FailureKind::WorkerLost, what), before.signal, out)?)
}

fn fail_worker(fault: &Fault, signal: u32, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let told = (fault.kind as i32, fault.message.clone(), fault.location.clone(), signal);
    codec::encode(&told, out)?;
    out.push(FAILED);
    Ok(())
}

/// What ends a reply.
const DONE: u8 = 0;
const FAILED: u8 = 1;

/// What comes back of a task whose function did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// Its value, encoded, and the time that the function took.
    Done { value: &'a [u8], took: Duration },
    /// It was not run, for a reason of the worker's own.
    WorkerFailed { kind: i32, message: String, location: String, signal: Option<i32> },
}

impl<'a> Reply<'a> {
    /// The reply that a worker has written.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let damaged = || CodecError::Decode {
            type_name: "worker's reply",
            bytes: bytes.len(),
            message: "it does not end as it should".to_owned(),
        };
        match bytes.split_last() {
            Some((&DONE, rest)) => {
                let (value, nanos) = rest.split_last_chunk::<8>().ok_or_else(damaged)?;
                Ok(Self::Done { value, took: Duration::from_nanos(u64::from_le_bytes(*nanos)) })
            }
            Some((&FAILED, rest)) => {
                let (kind, message, location, signal): (i32, String, String, u32) = codec::decode(rest)?;
                let signal = i32::try_from(signal).ok().filter(|signal| *signal > 0);
                Ok(Self::WorkerFailed { kind, message, location, signal })
            }
            _ => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_comes_out_as_it_went_in() {
        let mut out = Vec::new();
        run(&Plain::new(|x: i64| x + 1), &mut (), (41,), &mut out).unwrap();
        let Reply::Done { value, .. } = Reply::decode(&out).unwrap() else { panic!("it is done") };
        assert_eq!(codec::decode::<i64>(value).unwrap(), 42);

        let mut out = Vec::new();
        let fault = Fault { location: "here".to_owned(), ..Fault::new(FailureKind::Panic, "broken") };
        fail_worker(&fault, 9, &mut out).unwrap();
        let (message, location) = ("broken".to_owned(), "here".to_owned());
        let kind = FailureKind::Panic as i32;
        let wanted = Reply::WorkerFailed { kind, message, location, signal: Some(9) };
        assert_eq!(Reply::decode(&out).unwrap(), wanted);
    }

    #[test]
    fn a_damaged_reply_is_an_error() {
        for bytes in [&[][..], &[DONE], &[7; 20], &[FAILED], &[1, 2, FAILED]] {
            assert!(Reply::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
