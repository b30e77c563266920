//! The engines' namespaces: names that are set, read, split over the engines and joined again.

use bytes::Bytes;

use super::array::{Gather, Scatter};
use super::direct::DirectView;
use super::shape::Shape;
use super::{context, submit};
use crate::codec::Value;
use crate::error::{Error, Result};
use crate::result::AsyncResult;
use crate::worker;

impl<S: Shape> DirectView<S> {
    /// Sets a name on every engine. The value is encoded once and sent to the controller once.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// client.direct_view(..).push("edges", &vec![0.0, 0.5, 1.0]).get()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn push<T: Value>(&self, name: &str, value: &T) -> AsyncResult<()> {
        let handle =
            self.handle_on_each::<()>(worker::push::<T>(), || Ok(worker::push_context(name, value)?.into()));
        AsyncResult::new(handle, nothing)
    }

    /// The values that a name has on the engines.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let dview = client.direct_view(..);
    /// dview.push("n", &7_u32).get()?;
    /// assert_eq!(dview.pull::<u32>("n").get()?, [7, 7]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pull<T: Value>(&self, name: &str) -> AsyncResult<S::Of<T>> {
        self.on_each(worker::pull::<T>(), || Ok(context(&name.to_owned())?))
    }

    /// Splits a list or array (along its first axis) over the engines: each gets one block under that name, a `Vec` or array like the whole.
    /// With n items over p engines the first n mod p engines get one item more.
    ///
    /// ```
    /// # use ndarray::Array2;
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let dview = client.direct_view(..);
    /// dview.scatter("scenarios", &Array2::<f64>::ones((5000, 3))).get()?;
    /// dview.execute(|ns| {
    ///     let out: Vec<f64> = ns.at::<Array2<f64>>("scenarios").rows().into_iter().map(|row| row.sum()).collect();
    ///     ns.set("out", out);
    /// }).get()?;
    /// assert_eq!(dview.gather::<Vec<f64>>("out").get()?.len(), 5000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn scatter<V: Scatter + ?Sized>(&self, name: &str, values: &V) -> AsyncResult<()> {
        let spec = self.targets().and_then(|targets| {
            let (function, elements) = (worker::scatter::<V::Part>()?, values.parts(targets.len())?);
            let context = context(&name.to_owned())?;
            Ok(self.job(function, elements, context, targets))
        });
        AsyncResult::new(submit::<()>(&self.session, spec), nothing)
    }

    /// The values that a name has on the engines, joined in their order: what [`scatter`](Self::scatter) has split.
    ///
    /// ```
    /// # use ndarray::Array1;
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// # let dview = client.direct_view(..);
    /// dview.scatter("x", &Array1::linspace(0.0, 1.0, 11)).get()?;
    /// assert_eq!(dview.gather::<Array1<f64>>("x").get()?[10], 1.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn gather<T: Gather>(&self, name: &str) -> AsyncResult<T> {
        let handle = self.handle_on_each::<T>(worker::pull::<T>(), || Ok(context(&name.to_owned())?));
        let name = name.to_owned();
        AsyncResult::new(handle, move |job| {
            let joined = match crate::result::joined::<T>(job) {
                Some(joined) => joined,
                None => T::join(crate::result::values(job)?),
            };
            joined.map_err(|message| Error::Gather { name: name.clone(), message })
        })
    }

    /// The names that the engines' namespaces have.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// client.direct_view(0).push("a", &1).get()?;
    /// assert_eq!(client.direct_view(0).names().get()?, ["a"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn names(&self) -> AsyncResult<S::Of<Vec<String>>> {
        self.on_each(worker::names(), || Ok(Bytes::new()))
    }

    /// Forgets all names on the engines.
    ///
    /// ```
    /// # fn main() -> phalanx::Result<()> {
    /// # phalanx::init();
    /// # let client = phalanx::Client::in_process(2)?;
    /// client.direct_view(..).clear().get()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&self) -> AsyncResult<()> {
        AsyncResult::new(self.handle_on_each::<()>(worker::clear(), || Ok(Bytes::new())), nothing)
    }
}

fn nothing(job: &crate::job::Job) -> Result<()> {
    crate::result::values::<()>(job).map(drop)
}
