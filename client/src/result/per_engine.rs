//! Results of a direct view, by engine.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::outcomes;
use super::single::AsyncResult;
use crate::error::{Error, RemoteError, Result};
use crate::job::{Ended, JobPlan};

impl<T: DeserializeOwned + 'static> AsyncResult<Vec<T>> {
    /// Waits for the values of the engines of a direct view, and gives them by the engines' ids.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`Error::NotPerEngine`] for a result that is not one value for each engine of a list or range.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(3)?;
    /// let ids = client.direct_view([2, 0]).execute(|ns| ns.engine() * 10).get_dict()?;
    /// assert_eq!(ids.into_iter().collect::<Vec<_>>(), [(0, 0), (2, 20)]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn get_dict(&self) -> Result<BTreeMap<u32, T>> {
        let engines = self.engines()?;
        Ok(engines.into_iter().zip(self.get()?).collect())
    }

    /// Waits until the call has ended everywhere: every engine's value or error, by the engines' ids.
    ///
    /// # Errors
    /// When the call itself was not run to its end; [`Error::NotPerEngine`] as [`get_dict`](Self::get_dict).
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let out = client.direct_view(..).try_execute(|ns| if ns.rank() == 0 { Err("not the first") } else { Ok(7) });
    /// assert!(out.get().is_err());
    /// let outcomes = out.results_dict()?;
    /// assert!(outcomes[&0].is_err());
    /// assert_eq!(outcomes[&1], Ok(7));
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn results_dict(&self) -> Result<BTreeMap<u32, std::result::Result<T, RemoteError>>> {
        let engines = self.engines()?;
        let _ = self.wait(None);
        if let Some(Ended::Failed(e)) = self.job.lock().ended.clone() {
            return Err(e);
        }
        Ok(engines.into_iter().zip(outcomes(&self.job)).collect())
    }

    fn engines(&self) -> Result<Vec<u32>> {
        match &self.job.spec.plan {
            JobPlan::Direct { targets } if self.is_per_engine => Ok(targets.clone()),
            // It could not even be submitted.
            _ => Err(self.error().unwrap_or(Error::NotPerEngine)),
        }
    }
}
