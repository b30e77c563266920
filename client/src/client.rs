//! The front door: a connection to a cluster.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use phalanx_profile::{ConnectionFile, Profile, Role};

use crate::error::{Error, Result};
use crate::local::{LocalCluster, WorkersAre};
use crate::session::{EngineInfo, FileSource, Session};
use crate::view::{DirectView, LoadBalancedView, Targets};
use crate::worker::forgot_init;

/// A connection to a cluster. Views made from it share it; it is closed when it is dropped, and a local cluster with it.
/// Jobs that are under way then are ended, so that a program that is interrupted frees the cluster; those of a view that is
/// [`keep`](LoadBalancedView::keep) go on, and [`job`](Self::job) finds them again.
///
/// Should the controller go away, the client keeps trying to reach it; load-balanced jobs then go on where they were.
pub struct Client {
    pub(crate) session: Arc<Session>,
    thread: Option<JoinHandle<()>>,
    /// Ends after the session.
    local: Option<LocalCluster>,
}

impl Client {
    /// Connects to the cluster of a profile on this machine.
    ///
    /// ```no_run
    /// # fn main() -> phalanx::Result<()> {
    /// phalanx::init();
    /// let client = phalanx::Client::connect("nbserver")?;
    /// println!("{:?}", client.ids());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Connect`] with what to do: no such profile (and which there are), no controller running, a bad certificate;
    /// [`Error::Refused`] when the controller is of another version.
    pub fn connect(profile: &str) -> Result<Self> {
        let name = profile.to_owned();
        Self::open(Arc::new(move || {
            let profile = Profile::open(&name).map_err(|e| e.to_string())?;
            ConnectionFile::load(profile.client_file(), Role::Client).map_err(|e| e.to_string())
        }))
    }

    /// Connects with a connection file (`client.json`) that was copied from the controller's profile.
    ///
    /// ```no_run
    /// # fn main() -> phalanx::Result<()> {
    /// phalanx::init();
    /// let client = phalanx::Client::connect_file("client.json")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        Self::open(Arc::new(move || ConnectionFile::load(&path, Role::Client).map_err(|e| e.to_string())))
    }

    /// Starts a cluster of `engines` engines for this program alone: controller and engines live in this process, each
    /// engine's functions run in a process of their own. It ends with the client.
    ///
    /// ```no_run
    /// # fn main() -> phalanx::Result<()> {
    /// phalanx::init();
    /// let client = phalanx::Client::local(4)?;
    /// assert_eq!(client.ids(), [0, 1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Local`] says what stands in the way.
    pub fn local(engines: usize) -> Result<Self> {
        Self::start(engines, WorkersAre::Processes)
    }

    /// As [`local`](Self::local), with engines that are threads of this process: for tests and debugging. A function that brings down its
    /// process brings down this one, and a running function cannot be stopped.
    ///
    /// ```
    /// let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.direct_view(..).map_sync(|x: i32| x * x, 0..4)?, [0, 1, 4, 9]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`local`](Self::local).
    pub fn in_process(engines: usize) -> Result<Self> {
        Self::start(engines, WorkersAre::Threads)
    }

    fn start(engines: usize, workers: WorkersAre) -> Result<Self> {
        forgot_init().map_err(|_| Error::NotInitialised)?;
        let local = LocalCluster::start(engines, workers)?;
        let file = local.client_file();
        let mut client = Self::open(Arc::new(move || {
            ConnectionFile::load(&file, Role::Client).map_err(|e| e.to_string())
        }))?;
        client.session.set_prints_here();
        client.local = Some(local);
        client.wait_for_engines(engines, Duration::from_secs(30))?;
        Ok(client)
    }

    fn open(source: FileSource) -> Result<Self> {
        forgot_init().map_err(|_| Error::NotInitialised)?;
        let (session, thread) = Session::open(source)?;
        Ok(Self { session, thread: Some(thread), local: None })
    }

    /// The ids of the engines there are, in order.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.ids(), [0, 1]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.session.engines().ids()
    }

    /// The engines there are: their ids, hosts and daemons.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// assert_eq!(client.engines()[1].id, 1);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn engines(&self) -> Vec<EngineInfo> {
        self.session.engines().all()
    }

    /// Waits until at least `n` engines are there.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let client = phalanx::Client::in_process(2)?;
    /// client.wait_for_engines(2, Duration::from_secs(10))?;
    /// assert!(client.wait_for_engines(3, Duration::ZERO).is_err());
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooFewEngines`] after `timeout`.
    pub fn wait_for_engines(&self, n: usize, timeout: Duration) -> Result<()> {
        self.session.engines().wait_for(n, timeout)
    }

    /// A view of engines: an id, a list of ids, a range, `..` for those there are now, or [`All`](crate::All) for those there are at
    /// each call. With a single id, calls give one value; else a list.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(3)?;
    /// assert_eq!(client.direct_view(1).apply(|| 7, ()).get()?, 7);
    /// assert_eq!(client.direct_view([0, 2]).apply(|| 7, ()).get()?, [7, 7]);
    /// assert_eq!(client.direct_view(..).apply(|| 7, ()).get()?, [7, 7, 7]);
    /// assert_eq!(client.direct_view(1..).targets()?, [1, 2]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    pub fn direct_view<T: Targets>(&self, targets: T) -> DirectView<T::Shape> {
        if T::DYNAMIC {
            return DirectView::dynamic(Arc::clone(&self.session));
        }
        let engines = targets.resolve(&self.session.engines().ids());
        DirectView::frozen(Arc::clone(&self.session), engines)
    }

    /// A view of the engine with this id, as [`ids`](Self::ids) gives them.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// for id in client.ids() {
    ///     assert_eq!(client.engine(id).execute(|ns| ns.engine()).get()?, id);
    /// }
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn engine(&self, id: u32) -> DirectView<crate::One> {
        let engine = [id].as_slice().resolve(&self.session.engines().ids());
        DirectView::frozen(Arc::clone(&self.session), engine)
    }

    /// A view that runs functions wherever there is room.
    ///
    /// ```
    /// # let client = phalanx::Client::in_process(2)?;
    /// let lview = client.load_balanced_view();
    /// assert_eq!(lview.map_sync(|x: u64| x + 1, 0..5, phalanx::Auto)?, [1, 2, 3, 4, 5]);
    /// # Ok::<(), phalanx::Error>(())
    /// ```
    #[must_use]
    pub fn load_balanced_view(&self) -> LoadBalancedView {
        LoadBalancedView::new(Arc::clone(&self.session))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.session.wait_all_kept();
        self.session.close();
        if let Some(thread) = self.thread.take() {
            // It only ends; a panic in it has been shown.
            let _ = thread.join();
        }
        drop(self.local.take());
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("engines", &self.ids()).finish_non_exhaustive()
    }
}
