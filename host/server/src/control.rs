//! Reaching a project from the command line: through the server that has it open, or directly.

use std::sync::Arc;

use longhouse_core::{AgentName, Caller};
use longhouse_store::{Clock, LockError, SystemClock};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::{OpenError, Project, agents};
use crate::home::Home;
use crate::http::{AddedBody, AgentBody, AgentsBody, NewAgentBody};

/// The operator's hold on a project.
pub enum Operator {
    /// A server has it open, and takes requests on its control socket.
    Running(Client),
    /// Nobody has.
    Stopped(Box<Project>),
}

/// Why the operator's wish was not granted.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The directory was never initialised.
    #[error("{0} is not a Longhouse project; run `longhouse init {0}` first")]
    NotInitialised(String),
    /// The project cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The server that has it open does not answer.
    #[error("the server that has this project open does not answer on its control socket")]
    Unreachable(#[source] reqwest::Error),
    /// It was refused, in the words of whoever refused.
    #[error("{0}")]
    Refused(String),
}

impl Operator {
    /// Takes hold of the project with this private directory.
    ///
    /// # Errors
    /// When it is none, or neither it nor its server can be reached.
    pub async fn reach(home: &Home) -> Result<Self, OperatorError> {
        if !home.dir().is_dir() {
            return Err(OperatorError::NotInitialised(home.project().display().to_string()));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        match Project::open(home.clone(), &clock) {
            Ok(project) => Ok(Self::Stopped(Box::new(project))),
            Err(OpenError::Lock(LockError::Held { .. })) => {
                let client = crate::outbound::client().unix_socket(home.control_socket()).build();
                Ok(Self::Running(client.map_err(OperatorError::Unreachable)?))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Adds an agent and returns its token.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn add_agent(&self, new: NewAgentBody) -> Result<String, OperatorError> {
        match self {
            Self::Running(client) => {
                let added: AddedBody =
                    receive(send(request(client, Method::POST, "/agents").json(&new)).await?).await?;
                Ok(added.token)
            }
            Self::Stopped(project) => {
                let spec = new.validate().map_err(|error| OperatorError::Refused(error.to_string()))?;
                let added = agents::add(&project.coordinator, Caller::Operator, spec).await;
                added.map(|token| token.as_str().to_owned()).map_err(refused)
            }
        }
    }

    /// All agents, as the API shows them.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn agents(&self) -> Result<Vec<AgentBody>, OperatorError> {
        match self {
            Self::Running(client) => {
                let listed: AgentsBody =
                    receive(send(request(client, Method::GET, "/agents")).await?).await?;
                Ok(listed.agents)
            }
            Self::Stopped(project) => {
                Ok(agents::list(&project.coordinator).iter().map(AgentBody::of).collect())
            }
        }
    }

    /// Removes an agent and its tokens.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revoke(&self, name: AgentName) -> Result<(), OperatorError> {
        match self {
            Self::Running(client) => {
                send(request(client, Method::DELETE, &format!("/agents/{name}"))).await.map(drop)
            }
            Self::Stopped(project) => {
                agents::remove(&project.coordinator, Caller::Operator, name).await.map_err(refused)
            }
        }
    }

    /// Lets go: commits, and closes what was opened.
    pub fn close(self) {
        match self {
            Self::Running(_) => {}
            Self::Stopped(project) => project.coordinator.close(),
        }
    }
}

/// The host is never looked up: the client has only the socket.
fn request(client: &Client, method: Method, path: &str) -> RequestBuilder {
    client.request(method, format!("http://longhouse{path}"))
}

/// What the server answered, if it did what was asked.
async fn send(request: RequestBuilder) -> Result<Response, OperatorError> {
    let response = request.send().await.map_err(OperatorError::Unreachable)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let problem: Problem = receive(response).await?;
    Err(OperatorError::Refused(problem.detail))
}

async fn receive<T: DeserializeOwned>(response: Response) -> Result<T, OperatorError> {
    response.json().await.map_err(OperatorError::Unreachable)
}

/// The part of a problem that is for people.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

fn refused(error: crate::app::AppError) -> OperatorError {
    OperatorError::Refused(error.to_string())
}
