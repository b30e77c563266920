//! In the order of the input, or as they come.

/// The order in which a stream gives its results.
pub trait Order: sealed::Sealed + Send + 'static {
    /// What is given for a value.
    type Item<R>;
    /// Whether it is that of the input.
    #[doc(hidden)]
    const IS_INPUTS: bool;
    /// A value in that form.
    #[doc(hidden)]
    fn item<R>(index: u64, value: R) -> Self::Item<R>;
}

/// In the order of the input: values alone.
#[derive(Debug, Clone, Copy)]
pub struct Ordered;

/// As they come: each value with its index in the input.
#[derive(Debug, Clone, Copy)]
pub struct Completed;

impl Order for Ordered {
    type Item<R> = R;
    const IS_INPUTS: bool = true;
    fn item<R>(_: u64, value: R) -> R {
        value
    }
}

impl Order for Completed {
    type Item<R> = (u64, R);
    const IS_INPUTS: bool = false;
    fn item<R>(index: u64, value: R) -> (u64, R) {
        (index, value)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ordered {}
    impl Sealed for super::Completed {}
}
