//! The named values that live in a worker between calls.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::here::here;
use super::namespace_error::NamespaceError;
use crate::codec::{self, CodecError, Value};

/// An engine's named values: what `push`, `scatter` and `execute` left there, for `pull`, `gather` and `execute`.
///
/// ```
/// # fn main() -> phalanx::Result<()> {
/// # phalanx::init();
/// # let client = phalanx::Client::in_process(2)?;
/// let dview = client.direct_view(..);
/// dview.push("k", &2.5_f64).get()?;
/// dview.execute(|ns| {
///     let squared = ns.at::<f64>("k").powi(2);
///     ns.set("k2", squared);
/// }).get()?;
/// assert_eq!(dview.pull::<f64>("k2").get()?, [6.25, 6.25]);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Namespace {
    values: BTreeMap<String, Slot>,
    engine: u32,
    predecessor: Predecessor,
    /// What work mappers keep here, by their keys: it has no name, and never leaves.
    kept: BTreeMap<u128, Box<dyn Any>>,
}

/// What became of the worker before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Predecessor {
    /// For people; empty when there was none.
    pub(crate) message: String,
    /// The signal that ended it; 0 when none did.
    pub(crate) signal: u32,
}

struct Slot {
    /// An `Arc` of the value, so that a [`Reference`](super::Reference) can hold it while its function runs.
    value: Box<dyn Any>,
    type_name: &'static str,
    encode: fn(&dyn Any, &mut Vec<u8>) -> Result<(), CodecError>,
}

impl Namespace {
    pub(crate) fn new(engine: u32, predecessor: Predecessor) -> Self {
        Self { values: BTreeMap::new(), engine, predecessor, kept: BTreeMap::new() }
    }

    /// Keeps something that is not named, in the place of what had the key before.
    pub(crate) fn keep(&mut self, key: u128, what: Box<dyn Any>) {
        self.kept.insert(key, what);
    }

    /// What is kept under a key.
    pub(crate) fn kept<T: 'static>(&mut self, key: u128) -> Option<&mut T> {
        self.kept.get_mut(&key)?.downcast_mut()
    }

    /// Drops what is kept under a key.
    pub(crate) fn let_go(&mut self, key: u128) {
        self.kept.remove(&key);
    }

    /// What became of the worker before.
    pub(crate) fn predecessor(&self) -> &Predecessor {
        &self.predecessor
    }

    /// The id of the engine that this runs on.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.engine()
    /// }).get()?;
    /// assert_eq!(got, 0);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn engine(&self) -> u32 {
        self.engine
    }

    /// The place of this engine among those that the call is for, from 0.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let ranks = client.direct_view([1, 0]).execute(|ns| (ns.engine(), ns.rank(), ns.size())).get()?;
    /// assert_eq!(ranks, [(1, 0, 2), (0, 1, 2)]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn rank(&self) -> u32 {
        here().map_or(0, |here| here.rank)
    }

    /// How many engines the call is for.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).execute(|ns| ns.size()).get()?, [2, 2]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn size(&self) -> u32 {
        here().map_or(1, |here| here.size)
    }

    /// Sets a name, replacing what it held.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     ns.contains("k")
    /// }).get()?;
    /// assert!(got);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn set<T: Value>(&mut self, name: impl Into<String>, value: T) {
        let encode = |value: &dyn Any, out: &mut Vec<u8>| {
            codec::encode(&**value.downcast_ref::<Arc<T>>().expect("stored together with its type"), out)
        };
        let slot = Slot { value: Box::new(Arc::new(value)), type_name: std::any::type_name::<T>(), encode };
        self.values.insert(name.into(), slot);
    }

    /// The value of a name.
    ///
    /// # Errors
    /// [`NamespaceError::Missing`] or [`NamespaceError::Type`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.get::<f64>("missing").is_err()
    /// }).get()?;
    /// assert!(got);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get<T: Value>(&self, name: &str) -> Result<&T, NamespaceError> {
        Ok(self.shared(name)?)
    }

    /// As [`get`](Self::get), to be shared.
    pub(super) fn shared<T: Value>(&self, name: &str) -> Result<&Arc<T>, NamespaceError> {
        let slot = self.values.get(name).ok_or_else(|| self.missing(name))?;
        slot.value.downcast_ref().ok_or_else(|| self.mistyped::<T>(name, slot.type_name))
    }

    /// The value of a name, to be changed in place.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`NamespaceError::InUse`].
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     *ns.get_mut::<i32>("k").expect("set a line ago") += 1;
    ///     *ns.at::<i32>("k")
    /// }).get()?;
    /// assert_eq!(got, 3);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get_mut<T: Value>(&mut self, name: &str) -> Result<&mut T, NamespaceError> {
        self.alone::<T>(name)?;
        let slot = self.values.get_mut(name).and_then(|slot| slot.value.downcast_mut::<Arc<T>>());
        Ok(slot.and_then(Arc::get_mut).expect("it was there, and nobody's else, a line ago"))
    }

    /// The value of a name, for code that goes on only when it is there.
    ///
    /// # Panics
    /// When it is missing or has another type; the caller's client sees a name or type error, not a panic.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     *ns.at::<i32>("k")
    /// }).get()?;
    /// assert_eq!(got, 2);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn at<T: Value>(&self, name: &str) -> &T {
        self.get(name).unwrap_or_else(|e| std::panic::panic_any(e))
    }

    /// Takes a value out.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`NamespaceError::InUse`]; the value then stays.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     ns.take::<i32>("k").expect("set a line ago")
    /// }).get()?;
    /// assert_eq!(got, 2);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn take<T: Value>(&mut self, name: &str) -> Result<T, NamespaceError> {
        self.alone::<T>(name)?;
        let value = self.values.remove(name).and_then(|slot| slot.value.downcast::<Arc<T>>().ok());
        Ok(value
            .and_then(|value| Arc::into_inner(*value))
            .expect("it was there, and nobody's else, a line ago"))
    }

    /// Forgets a name; false when there was none.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     ns.remove("k")
    /// }).get()?;
    /// assert!(got);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn remove(&mut self, name: &str) -> bool {
        self.values.remove(name).is_some()
    }

    /// Forgets all names.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     ns.clear();
    ///     ns.contains("k")
    /// }).get()?;
    /// assert!(!got);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// Whether something has that name.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.contains("missing")
    /// }).get()?;
    /// assert!(!got);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// All names, in order.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let got = client.engine(0).execute(|ns| {
    ///     ns.set("k", 2);
    ///     ns.names().count()
    /// }).get()?;
    /// assert_eq!(got, 1);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Encodes a value that must be a `T`.
    pub(crate) fn encode<T: Value>(&self, name: &str, out: &mut Vec<u8>) -> Result<(), super::fault::Fault> {
        self.get::<T>(name)?;
        let slot = &self.values[name];
        (slot.encode)(slot.value.as_ref(), out)?;
        Ok(())
    }

    /// Demands that a name holds a `T` of which nobody has kept a reference.
    fn alone<T: Value>(&self, name: &str) -> Result<(), NamespaceError> {
        if Arc::strong_count(self.shared::<T>(name)?) > 1 {
            return Err(NamespaceError::InUse { name: name.to_owned(), engine: self.engine });
        }
        Ok(())
    }

    fn missing(&self, name: &str) -> NamespaceError {
        let existing = match self.values.len() {
            0 => "no names at all of this program (each program, or build of one, has its own)".to_owned(),
            n => {
                let names: Vec<_> = self.names().take(20).collect();
                format!("{}{}", names.join(", "), if n > 20 { ", …" } else { "" })
            }
        };
        let why = if self.predecessor.message.is_empty() {
            String::new()
        } else {
            format!("\nIts names were lost with the worker before this one: {}", self.predecessor.message)
        };
        NamespaceError::Missing { name: name.to_owned(), engine: self.engine, existing, why }
    }

    fn mistyped<T>(&self, name: &str, found: &'static str) -> NamespaceError {
        let wanted = std::any::type_name::<T>();
        NamespaceError::Type { name: name.to_owned(), engine: self.engine, found, wanted }
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let types = self.values.iter().map(|(name, slot)| (name, slot.type_name));
        f.debug_map().entries(types).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type() {
        let mut ns = Namespace::new(3, Predecessor::default());
        ns.set("a", 5_i32);
        *ns.get_mut::<i32>("a").unwrap() += 1;
        assert_eq!(ns.get::<i32>("a"), Ok(&6));
        let e = ns.get::<f64>("a").unwrap_err();
        assert_eq!(e.to_string(), "\"a\" on engine 3 is of type i32, not f64");
        assert!(ns.take::<f64>("a").is_err());
        assert_eq!(ns.take::<i32>("a"), Ok(6));
        assert!(!ns.contains("a"));
    }

    #[test]
    fn what_somebody_has_kept_is_read_and_replaced_but_not_changed() {
        let mut ns = Namespace::new(0, Predecessor::default());
        ns.set("a", 5_i32);
        let kept = Arc::clone(ns.shared::<i32>("a").unwrap());
        let e = ns.get_mut::<i32>("a").unwrap_err();
        assert!(e.to_string().contains("a function has kept a Reference to it"), "{e}");
        assert!(ns.take::<i32>("a").is_err());
        assert_eq!(ns.get::<i32>("a"), Ok(&5));
        ns.set("a", 6_i32);
        assert_eq!((*kept, ns.take::<i32>("a")), (5, Ok(6)));
    }

    #[test]
    fn a_missing_name_says_what_is_there_and_why_it_may_be_gone() {
        let mut ns = Namespace::new(1, Predecessor { message: "killed by SIGKILL".into(), signal: 9 });
        ns.set("b", 1_u8);
        let text = ns.get::<u8>("a").unwrap_err().to_string();
        assert!(text.contains("no value named \"a\"; it has b"), "{text}");
        assert!(text.contains("killed by SIGKILL"), "{text}");
    }
}
