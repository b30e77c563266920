//! Arguments that are names: each engine puts its own value in their place.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

use phalanx_proto::v1::FailureKind;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::fault::Fault;
use super::namespace::{Namespace, Predecessor};
use crate::codec::Value;

/// An argument of a function that stands for the value that a name has in the namespace of the engine where it runs. There it
/// dereferences to that value, which is not copied. What it names must be there, and be a `T`: else the call fails there with a name or type error.
///
/// It may be part of a tuple, a list or a struct, an argument of `apply`, an item of a map, or what goes `with` it. Functions on a load-balanced view run
/// on any engine; [`depend`](crate::LoadBalancedView::depend), [`follow`](crate::LoadBalancedView::follow) or [`targets`](crate::LoadBalancedView::targets) keep them to those that have the name.
///
/// ```
/// use phalanx::Reference;
/// # let client = phalanx::Client::in_process(2)?;
/// let dview = client.direct_view(..);
/// dview.scatter("a", &[1.0, 2.0, 3.0, 4.0]).get()?;
/// let sums = dview.apply(|a: Reference<Vec<f64>>, k: f64| a.iter().sum::<f64>() * k, (Reference::new("a"), 2.0));
/// assert_eq!(sums.get()?, [6.0, 14.0]);
/// // Wherever there is room, and the name is there.
/// client.direct_view(1).push("table", &vec![10, 20, 30]).get()?;
/// let lview = client.load_balanced_view().depend(|ns| ns.contains("table"));
/// let found = lview.with(Reference::<Vec<i32>>::new("table")).map_async(|table, key: usize| table[key], [2, 0], 1);
/// assert_eq!(found.get()?, [30, 10]);
/// # Ok::<(), phalanx::Error>(())
/// ```
pub struct Reference<T> {
    name: String,
    value: Option<Arc<T>>,
}

impl<T> Reference<T> {
    /// Stands for what this name will have there.
    ///
    /// ```
    /// let reference = phalanx::Reference::<Vec<f64>>::new("a");
    /// assert_eq!(reference.name(), "a");
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }

    /// The name.
    ///
    /// ```
    /// assert_eq!(phalanx::Reference::<u32>::new("n").name(), "n");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, where there is one: in a function on an engine that got this as an argument.
    ///
    /// ```
    /// assert!(phalanx::Reference::<u32>::new("n").value().is_none());
    /// ```
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.value.as_deref()
    }
}

/// # Panics
/// Where it has no value: see [`Reference::value`].
impl<T> Deref for Reference<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value().unwrap_or_else(|| {
            panic!(
                "a Reference to {:?} has a value only in a function on an engine that gets it as an argument",
                self.name
            )
        })
    }
}

impl<T> Clone for Reference<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), value: self.value.clone() }
    }
}

impl<T> std::fmt::Debug for Reference<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reference").field(&self.name).finish()
    }
}

impl<T> Serialize for Reference<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de, T: Value> Deserialize<'de> for Reference<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match resolve::<T>(&name) {
            Ok(value) => Ok(Self { name, value: Some(value) }),
            Err(why) => Err(D::Error::custom(why)),
        }
    }
}

thread_local! {
    /// The namespace in which references are looked up, while arguments are decoded.
    static OPEN: RefCell<Option<Namespace>> = const { RefCell::new(None) };
    /// Why one could not be: serde keeps no more than a text.
    static FAULT: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

fn resolve<T: Value>(name: &str) -> Result<Arc<T>, String> {
    OPEN.with_borrow(|open| match open {
        Some(namespace) => namespace.shared(name).map(Arc::clone).map_err(|e| {
            FAULT.set(Some(e.clone().into()));
            e.to_string()
        }),
        None => Err(nowhere(name)),
    })
}

/// There is no namespace to look it up in.
fn nowhere(name: &str) -> String {
    let text = format!(
        "a Reference to {name:?} names a value of one engine, and has none here; give it to a function as an argument, or pull the value"
    );
    FAULT.set(Some(Fault::new(FailureKind::Name, &text)));
    text
}

/// What kept a reference from being resolved, if that is why decoding has just failed.
pub(super) fn why_unresolved() -> Option<Fault> {
    FAULT.take()
}

/// From here on references on this thread are looked up in this namespace, of which only the engine is left meanwhile.
pub(super) fn open(namespace: &mut Namespace) {
    FAULT.take();
    let left = Namespace::new(namespace.engine(), Predecessor::default());
    OPEN.set(Some(std::mem::replace(namespace, left)));
}

/// The end of that.
pub(super) fn close(namespace: &mut Namespace) {
    if let Some(opened) = OPEN.take() {
        *namespace = opened;
    }
}
