//! The server as a whole: everything wired, and everything ended in order.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use longhouse_engine::policy::{Apart, PolicyConfig, PolicyEngine};
use longhouse_engine::{Engine, EngineConfig, EngineError};
use longhouse_store::{Clock, SystemClock};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use crate::app::policies::{self, PolicyTools};
use crate::app::{App, OpenError, Project, audit, checks, outside, retention, webhooks};
use crate::home::Home;
use crate::http;

/// How long runs may go on after the server was asked to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server needs besides its listener.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The project, initialised.
    pub home: Home,
    /// Directories of tools.
    pub tools: Vec<PathBuf>,
    /// The directory of the policies that ship with the server.
    pub policies: Option<PathBuf>,
    /// Where compiled tools and policies are kept.
    pub cache_dir: Option<PathBuf>,
}

/// Why a server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The project cannot be served.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine cannot run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The directory of policies cannot be listed.
    #[error("cannot list the policies")]
    Policies(#[source] std::io::Error),
    /// The control socket cannot be had, or the listener failed.
    #[error("cannot listen")]
    Listen(#[from] std::io::Error),
}

/// A server that is set up and does not listen yet.
pub struct Server {
    app: Arc<App>,
    project: Arc<Project>,
}

impl Server {
    /// Opens the project and the engine. Tools are compiled in the background from now on.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub fn open(config: ServeConfig) -> Result<Self, ServeError> {
        let ServeConfig { home, tools, policies, cache_dir } = config;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let project = Arc::new(Project::open(home, &clock)?);
        let apart = Some(Apart::by_this_program());
        let policy_engine = PolicyEngine::new(PolicyConfig {
            cache_dir: cache_dir.clone(),
            apart,
            ..PolicyConfig::default()
        })?;
        let policies = PolicyTools::new(policy_engine, policies.as_deref()).map_err(ServeError::Policies)?;
        let engine = Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() })?;
        engine.load_tools(&tools)?;
        let projects = BTreeMap::from([(project.name.clone(), Arc::clone(&project))]);
        Ok(Self { app: Arc::new(App { engine, policies, clock, projects }), project })
    }

    /// What the server has.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The project it serves.
    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// Serves until `shutdown` comes: then accepts nothing more, lets requests and runs end, and closes.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        reload: impl Future<Output = ()> + Send,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let home = &self.project.home;
        home.remove_stale_socket()?;
        let control = UnixListener::bind(home.control_socket())?;
        home.protect_socket()?;

        let stopping = watch::Sender::new(false);
        let stop = |stopping: &watch::Sender<bool>| {
            let mut stopping = stopping.subscribe();
            async move {
                // Its sender outlives the listeners.
                let _ = stopping.wait_for(|stopping| *stopping).await;
            }
        };
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(error = %error, "TCP_NODELAY was refused");
            }
        });
        // Made once: a router as it is would be built anew for each connection, 18 KB of it.
        let api = axum::serve(listener, http::router(Arc::clone(&self.app)).into_make_service())
            .with_graceful_shutdown(stop(&stopping));
        let operator = axum::serve(control, http::operator_router(Arc::clone(&self.project)))
            .with_graceful_shutdown(stop(&stopping));
        tokio::spawn(checks::carry_out_all(Arc::clone(&self.app), Arc::clone(&self.project)));
        tokio::spawn(policies::load_in_force(Arc::clone(&self.app), Arc::clone(&self.project)));
        let clock = Arc::clone(&self.app.clock);
        tokio::spawn(outside::look_again_and_again(Arc::clone(&self.project), Arc::clone(&clock)));
        tokio::spawn(audit::write_down(Arc::clone(&self.project)));
        tokio::spawn(retention::forget_again_and_again(Arc::clone(&self.project), Arc::clone(&clock)));
        tokio::spawn(webhooks::deliver_all(Arc::clone(&self.project), clock, http::event_text));
        let closing = async {
            shutdown.await;
            tracing::info!("stopping");
            stopping.send_replace(true);
            self.project.close(PATIENCE).await;
        };
        tokio::select! {
            (api, operator, ()) = async { tokio::join!(api, operator, closing) } => {
                api?;
                operator?;
            }
            () = reload => {}
        }
        home.remove_stale_socket()?;
        Ok(())
    }
}
