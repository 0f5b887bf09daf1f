//! A server as the command line's clients see it: an address, a token, and how failures are told.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long any answer may take: longer than the longest wait that can be asked for.
const ANSWER: Duration = Duration::from_secs(75);

/// Calls one project, as one agent.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    session: String,
}

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody knows whether the request arrived.
    #[error("{base} does not answer")]
    Unreachable {
        /// Who was asked.
        base: String,
        /// How it failed.
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

/// A refusal, as the API tells it.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl CallError {
    /// Whether the same may be accepted a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 502..=504),
        }
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Unreachable { .. } => None,
            Self::Refused(problem) => Some(&problem.code),
        }
    }
}

impl Client {
    /// A client of the project at `base`, in a session of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(base: &str, token: String, session: String) -> Result<Self, reqwest::Error> {
        let http = crate::outbound::client().connect_timeout(CONNECT).timeout(ANSWER).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token, session })
    }

    /// The project's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The agent's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The session that its leases belong to.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When that is refused, or nobody answers.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST path`; with a key, it has its effect once however often it is sent.
    ///
    /// # Errors
    /// When that is refused, or nobody answers.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        key: Option<&str>,
    ) -> Result<T, CallError> {
        let request = self.request(Method::POST, path).json(body);
        self.send(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }

    /// `PUT path`.
    ///
    /// # Errors
    /// When that is refused, or nobody answers.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, CallError> {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// When that is refused, or nobody answers.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.send(self.request(Method::DELETE, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .header("longhouse-session", &self.session)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let unreachable = |source| CallError::Unreachable { base: self.base.clone(), source };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(unreachable);
        }
        let text = response.text().await.map_err(unreachable)?;
        // Something between us and the server may answer in a language of its own.
        let problem = serde_json::from_str(&text).unwrap_or_else(|_| Problem {
            status: status.as_u16(),
            code: "unknown".to_owned(),
            detail: format!("{} answered {status}", self.base),
        });
        Err(CallError::Refused(Box::new(problem)))
    }
}
