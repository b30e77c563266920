//! Single calls, wherever there is room.

use super::balanced::LoadBalancedView;
use super::{Chunksize, One, Shape as _, context, submit};
use crate::codec::{ElementsBuilder, Value};
use crate::error::Error;
use crate::result::AsyncResult;
use crate::worker::{self, Apply, BadEntry, Function, Namespace};

impl LoadBalancedView {
    /// `f(arguments…)` on whichever engine is free.
    ///
    /// ```
    /// # use phalanx::Client;
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = Client::in_process(2)?;
    /// assert_eq!(client.load_balanced_view().apply(|a: i64, b: i64| a * b, (5, 6)).get()?, 30);
    /// # Ok(())
    /// # }
    /// ```
    pub fn apply<F, Args>(&self, f: F, args: Args) -> AsyncResult<F::Output>
    where
        F: Apply<Args> + Copy + 'static,
        F::Output: Value,
        Args: Value,
    {
        let _ = f;
        self.call(worker::apply::<F, Args>(), &args)
    }

    /// As [`apply`](Self::apply), for a function that can fail: an `Err` is the call's failure, which `retries` tries again and `get`
    /// reports. (With `apply` it is a value like any other.)
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// assert_eq!(lview.try_apply(|s: String| s.parse::<f64>(), ("2.5".to_owned(),)).get()?, 2.5);
    /// let failed = lview.try_apply(|s: String| s.parse::<f64>(), ("x".to_owned(),)).get();
    /// assert!(failed.unwrap_err().to_string().contains("invalid float literal"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_apply<F, Args, R, E>(&self, f: F, args: Args) -> AsyncResult<R>
    where
        F: Apply<Args, Output = std::result::Result<R, E>> + Copy + 'static,
        Args: Value,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        self.call(worker::try_apply::<F, Args, R, E>(), &args)
    }

    /// `f` with the namespace of whichever engine is free: what [`targets`](Self::targets), [`depend`](Self::depend) and
    /// [`follow`](Self::follow) leave to it. Names set there stay for later calls.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// use phalanx::Reference;
    /// let lview = client.load_balanced_view();
    /// let built = lview.execute(|ns| ns.set("table", vec![1.5, 2.5]));
    /// let used = lview.clone().follow(&built).apply(|t: Reference<Vec<f64>>| t[1], (Reference::new("table"),));
    /// assert_eq!(used.get()?, 2.5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute<F, R>(&self, f: F) -> AsyncResult<R>
    where
        F: Fn(&mut Namespace) -> R + Copy + 'static,
        R: Value,
    {
        let _ = f;
        self.call(worker::execute::<F, R>(), &())
    }

    /// As [`execute`](Self::execute), for a function that can fail: an `Err` is the call's failure.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.load_balanced_view().try_execute(|ns| ns.get::<f64>("nothing").copied()).get();
    /// assert!(out.unwrap_err().to_string().contains("no value named \"nothing\""));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_execute<F, R, E>(&self, f: F) -> AsyncResult<R>
    where
        F: Fn(&mut Namespace) -> std::result::Result<R, E> + Copy + 'static,
        R: Value,
        E: std::fmt::Display,
    {
        let _ = f;
        self.call(worker::try_execute::<F, R, E>(), &())
    }

    /// One call, with its arguments.
    fn call<Args: Value, R: Value>(
        &self,
        function: std::result::Result<Function, BadEntry>,
        args: &Args,
    ) -> AsyncResult<R> {
        let spec = function.map_err(Error::from).and_then(|function| {
            let mut element = ElementsBuilder::default();
            element.push_with(|_| ())?;
            self.spec(function, element, context(args)?, Chunksize::Elements(1))
        });
        AsyncResult::new(submit::<R>(&self.session, spec), |job| Ok(One::shaped(crate::result::values(job)?)))
    }
}
