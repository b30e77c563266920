//! What is simulated.

use crate::codec::Value;

/// A system that can be told in parameters and built anew from them, wherever it is needed: what is expensive to send, or cannot be
/// sent at all (tables, caches, handles), is made where it is used.
///
/// A round trip must give an equal system: `S::build(&system.parameters())` behaves as `system` does.
///
/// ```
/// use phalanx::simulation::System;
/// use serde::{Deserialize, Serialize};
///
/// struct Chain {
///     parameters: Couplings,
///     neighbours: Vec<usize>,
/// }
///
/// #[derive(Clone, Serialize, Deserialize, PartialEq, Debug)]
/// struct Couplings {
///     sites: usize,
///     strength: f64,
/// }
///
/// impl System for Chain {
///     type Parameters = Couplings;
///
///     fn build(parameters: &Couplings) -> Self {
///         let neighbours = (0..parameters.sites).map(|i| (i + 1) % parameters.sites).collect();
///         Self { parameters: parameters.clone(), neighbours }
///     }
///
///     fn parameters(&self) -> Couplings {
///         self.parameters.clone()
///     }
/// }
///
/// let couplings = Couplings { sites: 8, strength: 0.5 };
/// assert_eq!(Chain::build(&couplings).parameters(), couplings);
/// assert_eq!(Chain::name(), "Chain");
/// ```
pub trait System: Sized + 'static {
    /// All that it takes to build one.
    type Parameters: Value + Clone;

    /// Builds it.
    fn build(parameters: &Self::Parameters) -> Self;

    /// What it was built from, or what it takes to build one like it.
    fn parameters(&self) -> Self::Parameters;

    /// What it is called in lists of parameters: its type's name, unless another one is given.
    #[must_use]
    fn name() -> String {
        let path = std::any::type_name::<Self>();
        let generics = path.find('<').unwrap_or(path.len());
        path[..generics].rsplit("::").next().unwrap_or(path).to_owned()
    }
}
