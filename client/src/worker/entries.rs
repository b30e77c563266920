//! The entry points: one generic function per way of calling a user's function. Instantiated
//! with the function's own type, each becomes an [`Entry`] whose offset is what travels.

use std::sync::Arc;

use ndarray::ArrayView1;
use phalanx_proto::v1::FailureKind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::entry::{BadEntry, Entry, offset_of, summon};
use super::fault::Fault;
use super::namespace::Namespace;
use crate::codec::{self, CodecError, Number, Value};
use crate::comm::{self, Meeting};
use crate::simulation::{Piece, System};

/// A function as a job names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    /// The entry point's place in the executable.
    pub(crate) entry: i64,
    /// The function's name, for people.
    pub(crate) label: &'static str,
    /// It runs in a process that nothing else uses and that ends with its job.
    pub(crate) own_worker: bool,
}

impl Function {
    fn of<F>(entry: Entry) -> Result<Self, BadEntry> {
        Ok(Self { entry: offset_of(entry)?, label: std::any::type_name::<F>(), own_worker: false })
    }

    pub(super) fn named(entry: Entry, label: &'static str) -> Result<Self, BadEntry> {
        Ok(Self { entry: offset_of(entry)?, label, own_worker: false })
    }
}

pub(super) fn put<R: Serialize + 'static>(value: &R, out: &mut Vec<u8>) -> Result<(), Fault> {
    Ok(codec::encode(value, out)?)
}

pub(super) fn failed<E: std::fmt::Display>(e: E) -> Fault {
    Fault::new(FailureKind::Error, format_args!("{e:#}"))
}

/// `f(element)`.
pub(crate) fn map<F, A, R>() -> Result<Function, BadEntry>
where
    F: Fn(A) -> R + Copy + 'static,
    A: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        call.with_references(|call| call.each(|_, bytes, out| put(&f(codec::decode(bytes)?), out)));
    })
}

/// `f(element)`, whose errors are failures of the element.
pub(crate) fn try_map<F, A, R, E>() -> Result<Function, BadEntry>
where
    F: Fn(A) -> Result<R, E> + Copy + 'static,
    A: DeserializeOwned + 'static,
    R: Serialize + 'static,
    E: std::fmt::Display,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        call.with_references(|call| {
            call.each(|_, bytes, out| put(&f(codec::decode(bytes)?).map_err(failed)?, out));
        });
    })
}

/// `f(&context, element)`.
pub(crate) fn map_with<F, C, A, R>() -> Result<Function, BadEntry>
where
    F: Fn(&C, A) -> R + Copy + 'static,
    C: DeserializeOwned + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    R: Serialize + 'static,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        call.with_references(|call| {
            let context = call.work.job.context::<C>();
            call.each(|_, bytes, out| match &context {
                Ok(context) => put(&f(context, codec::decode(bytes)?), out),
                Err(fault) => Err(fault.clone()),
            });
        });
    })
}

/// `f(&context, element)`, whose errors are failures of the element.
pub(crate) fn try_map_with<F, C, A, R, E>() -> Result<Function, BadEntry>
where
    F: Fn(&C, A) -> Result<R, E> + Copy + 'static,
    C: DeserializeOwned + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    R: Serialize + 'static,
    E: std::fmt::Display,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        call.with_references(|call| {
            let context = call.work.job.context::<C>();
            call.each(|_, bytes, out| match &context {
                Ok(context) => put(&f(context, codec::decode(bytes)?).map_err(failed)?, out),
                Err(fault) => Err(fault.clone()),
            });
        });
    })
}

/// `f(system, arguments, &context, seed)`, the element being the three but for the context.
pub(crate) fn simulate<F, S, A, Q, R>() -> Result<Function, BadEntry>
where
    F: Fn(S, A, &Q, u64) -> R + Copy + 'static,
    S: System,
    A: Value,
    Q: Value + Sync,
    R: Serialize + 'static,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        let context = call.work.job.context::<Q>();
        call.each(|_, bytes, out| {
            let piece: Piece<S::Parameters, A> = codec::decode(bytes)?;
            let context = context.as_ref().map_err(Clone::clone)?;
            put(&f(S::build(&piece.system), piece.arguments, context, piece.seed), out)
        });
    })
}

/// As [`simulate`], errors being failures of the element.
pub(crate) fn try_simulate<F, S, A, Q, R, E>() -> Result<Function, BadEntry>
where
    F: Fn(S, A, &Q, u64) -> Result<R, E> + Copy + 'static,
    S: System,
    A: Value,
    Q: Value + Sync,
    R: Serialize + 'static,
    E: std::fmt::Display,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        let context = call.work.job.context::<Q>();
        call.each(|_, bytes, out| {
            let piece: Piece<S::Parameters, A> = codec::decode(bytes)?;
            let context = context.as_ref().map_err(Clone::clone)?;
            let result = f(S::build(&piece.system), piece.arguments, context, piece.seed);
            put(&result.map_err(failed)?, out)
        });
    })
}

/// `f(row)` over rows of plain numbers, as views of the bytes that arrived.
pub(crate) fn map_rows<F, T, R>() -> Result<Function, BadEntry>
where
    F: Fn(ArrayView1<'_, T>) -> R + Copy + 'static,
    T: Number,
    R: Serialize + 'static,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        let data = call.work.data.whole().clone();
        // Rows start at multiples of the row's length: if the first is aligned, all are.
        let copied;
        let numbers: &[T] = match bytemuck::try_cast_slice(&data) {
            Ok(numbers) => numbers,
            Err(_) => {
                copied = codec::vector::<T>(&data).unwrap_or_default();
                &copied
            }
        };
        call.each_range(|_, range, out| {
            let row = numbers.get(range.start / size_of::<T>()..range.end / size_of::<T>());
            let row = row.ok_or_else(|| Fault::new(FailureKind::Decode, "the row's bytes are missing"))?;
            put(&f(ArrayView1::from(row)), out)
        });
    })
}

/// `f(&mut namespace)`.
pub(crate) fn execute<F, R>() -> Result<Function, BadEntry>
where
    F: Fn(&mut Namespace) -> R + Copy + 'static,
    R: Serialize + 'static,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        call.each(|ns, _, out| put(&f(ns), out));
    })
}

/// `f(&mut namespace)`, whose errors are failures.
pub(crate) fn try_execute<F, R, E>() -> Result<Function, BadEntry>
where
    F: Fn(&mut Namespace) -> Result<R, E> + Copy + 'static,
    R: Serialize + 'static,
    E: std::fmt::Display,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        call.each(|ns, _, out| put(&f(ns).map_err(failed)?, out));
    })
}

/// `f(arguments…)`, the arguments being the context.
pub(crate) fn apply<F, Args>() -> Result<Function, BadEntry>
where
    F: Apply<Args> + Copy + 'static,
    F::Output: Serialize + 'static,
    Args: DeserializeOwned + 'static,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        let job = Arc::clone(&call.work.job);
        call.with_references(|call| {
            call.each(|_, _, out| put(&f.apply(codec::decode(job.context_bytes())?), out));
        });
    })
}

/// `f(arguments…)`, whose errors are failures.
pub(crate) fn try_apply<F, Args, R, E>() -> Result<Function, BadEntry>
where
    F: Apply<Args, Output = Result<R, E>> + Copy + 'static,
    Args: DeserializeOwned + 'static,
    R: Serialize + 'static,
    E: std::fmt::Display,
{
    Function::of::<F>(|call: &mut Call<'_>| {
        let f = summon::<F>();
        let job = Arc::clone(&call.work.job);
        call.with_references(|call| {
            call.each(|_, _, out| put(&f.apply(codec::decode(job.context_bytes())?).map_err(failed)?, out));
        });
    })
}

/// A function that can be called with a tuple of arguments: any function of up to eight.
pub trait Apply<Args> {
    /// What it returns.
    type Output;
    /// Calls it.
    fn apply(&self, args: Args) -> Self::Output;
}

macro_rules! impl_apply {
    ($($arg:ident),*) => {
        impl<Func, Out, $($arg),*> Apply<($($arg,)*)> for Func
        where
            Func: Fn($($arg),*) -> Out,
        {
            type Output = Out;
            #[allow(non_snake_case, reason = "arguments are named like their types")]
            fn apply(&self, ($($arg,)*): ($($arg,)*)) -> Out {
                self($($arg),*)
            }
        }
    };
}

impl_apply!();
impl_apply!(A);
impl_apply!(A, B);
impl_apply!(A, B, C);
impl_apply!(A, B, C, D);
impl_apply!(A, B, C, D, E);
impl_apply!(A, B, C, D, E, F);
impl_apply!(A, B, C, D, E, F, G);
impl_apply!(A, B, C, D, E, F, G, H);

/// Sets a name to a value, both in the context: one payload for all engines.
pub(crate) fn push<T: Value>() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let job = Arc::clone(&call.work.job);
        call.each(|ns, _, _| {
            let (name, value) = named_value(job.context_bytes())?;
            ns.set(name, codec::decode::<T>(value)?);
            Ok(())
        });
    };
    Function::named(entry, "push")
}

/// The context of [`push`].
pub(crate) fn push_context<T: Value>(name: &str, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut context = (name.len() as u32).to_le_bytes().to_vec();
    context.extend_from_slice(name.as_bytes());
    codec::encode(value, &mut context)?;
    Ok(context)
}

fn named_value(context: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let parts = context.split_first_chunk::<4>().and_then(|(len, rest)| {
        let (name, value) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        Some((std::str::from_utf8(name).ok()?, value))
    });
    parts.ok_or_else(|| Fault::new(FailureKind::Decode, "the name of the value that was pushed is damaged"))
}

/// Sets the name given as context to the element's value.
pub(crate) fn scatter<T: Value>() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let name = call.work.job.context::<String>().map(|name| String::clone(&name));
        // A large array is read from the parts in which it came, instead of being put together first.
        let parts = call.work.data.parts().to_vec();
        let alone = call.work.chunks.count == 1 && call.work.per_chunk() == 1;
        if alone && parts.len() > 1 && codec::is_raw::<T>() {
            return call.each_range(|ns, _, _| {
                let value = codec::join::<T>(&[&parts]).unwrap_or_else(|| Err("no array".to_owned()));
                ns.set(name.clone()?, value.map_err(|e| Fault::new(FailureKind::Decode, e))?);
                Ok(())
            });
        }
        call.each(|ns, bytes, _| {
            ns.set(name.clone()?, codec::decode::<T>(bytes)?);
            Ok(())
        });
    };
    Function::named(entry, "scatter")
}

/// The value of the name given as context.
pub(crate) fn pull<T: Value>() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let name = call.work.job.context::<String>().map(|name| String::clone(&name));
        call.each(|ns, _, out| ns.encode::<T>(name.as_ref().map_err(Clone::clone)?, out));
    };
    Function::named(entry, "pull")
}

/// All names.
pub(crate) fn names() -> Result<Function, BadEntry> {
    let entry: Entry =
        |call| call.each(|ns, _, out| put(&ns.names().map(str::to_owned).collect::<Vec<_>>(), out));
    Function::named(entry, "names")
}

/// Makes a rank's listener; see [`comm::rank`](crate::comm).
pub(crate) fn listen(label: &'static str) -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let job = Arc::clone(&call.work.job);
        call.each(|_, rank, out| put(&comm::listen(&*job.context::<Meeting>()?, codec::decode(rank)?), out));
    };
    Function::named(entry, label)
}

/// Runs a rank's program.
pub(crate) fn take_part(label: &'static str) -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        let job = Arc::clone(&call.work.job);
        call.each(|_, rank, out| {
            put(&comm::take_part(&*job.context::<Meeting>()?, codec::decode(rank)?), out)
        });
    };
    Function::named(entry, label)
}

/// Forgets all names.
pub(crate) fn clear() -> Result<Function, BadEntry> {
    let entry: Entry = |call| {
        call.each(|ns, _, _| {
            ns.clear();
            Ok(())
        });
    };
    Function::named(entry, "clear")
}
