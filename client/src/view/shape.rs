//! One engine gives one value, several give a list.

/// What calls on a view's engines give: `T` for one engine, `Vec<T>` for several.
pub trait Shape: sealed::Sealed + Clone + Send + Sync + 'static {
    /// The form that values take.
    type Of<T>;
    /// Whether it is a list, with a place for each engine.
    #[doc(hidden)]
    const IS_LIST: bool;
    /// The engines' values, in that form.
    #[doc(hidden)]
    fn shaped<T>(values: Vec<T>) -> Self::Of<T>;
}

/// A single engine, given by its id: calls give its value.
#[derive(Debug, Clone, Copy)]
pub struct One;

/// Engines given by a list or range, even of one: calls give a `Vec` in their order.
#[derive(Debug, Clone, Copy)]
pub struct Many;

impl Shape for One {
    type Of<T> = T;
    const IS_LIST: bool = false;
    fn shaped<T>(values: Vec<T>) -> T {
        values.into_iter().next().expect("a call on one engine has one value")
    }
}

impl Shape for Many {
    type Of<T> = Vec<T>;
    const IS_LIST: bool = true;
    fn shaped<T>(values: Vec<T>) -> Vec<T> {
        values
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::One {}
    impl Sealed for super::Many {}
}
