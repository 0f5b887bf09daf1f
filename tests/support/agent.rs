//! An agent as the server sees one: a token and an HTTP client.

use std::fmt::Display;

use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

/// Calls a server, as one agent or as nobody.
#[derive(Clone)]
pub struct Agent {
    client: Client,
    base: String,
    token: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Agent {
    pub(crate) fn new(client: Client, base: String, token: Option<String>) -> Self {
        Self { client, base, token }
    }

    /// The token it sends.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// The address its paths are relative to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request with its token, to be completed and sent with [`Agent::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    pub fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, bytes: response.bytes().expect("a body").to_vec() }
    }

    /// Sends a request to a server that may be killed meanwhile: the answer, if it came whole.
    pub fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, bytes: response.bytes().ok()?.to_vec() })
    }

    /// `POST path` to such a server: the status, if the answer came whole.
    pub fn try_post(&self, path: &str, body: &Value) -> Option<u16> {
        self.try_send(self.request(Method::POST, path).json(body)).map(|answer| answer.status)
    }

    /// `GET path`.
    pub fn get(&self, path: impl Display) -> Answer {
        self.send(self.request(Method::GET, &path.to_string()))
    }

    /// `POST path` with a JSON body.
    pub fn post(&self, path: impl Display, body: &Value) -> Answer {
        self.send(self.request(Method::POST, &path.to_string()).json(body))
    }

    /// `PUT path` with a JSON body.
    pub fn put(&self, path: impl Display, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, &path.to_string()).json(body))
    }

    /// `PATCH path` with a JSON body.
    pub fn patch(&self, path: impl Display, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, &path.to_string()).json(body))
    }

    /// `POST path` with a JSON body, to have its effect once.
    pub fn post_keyed(&self, key: &str, path: impl Display, body: &Value) -> Answer {
        let request = self.request(Method::POST, &path.to_string()).header("idempotency-key", key);
        self.send(request.json(body))
    }

    /// `DELETE path`.
    pub fn delete(&self, path: impl Display) -> Answer {
        self.send(self.request(Method::DELETE, &path.to_string()))
    }

    /// Makes a task and returns its id.
    pub fn make(&self, task: &Value) -> String {
        let made = self.post("/tasks", task).expect(201);
        made["tasks"][0]["id"].as_str().expect("an id").to_owned()
    }

    /// Claims one task and returns its grant.
    pub fn claim(&self, claim: &Value) -> Value {
        let claimed = self.post("/tasks/claim", claim).expect(200);
        let [grant] = claimed["tasks"].as_array().expect("a list").as_slice() else { panic!("{claimed}") };
        grant.clone()
    }

    /// A task as it is now.
    pub fn task(&self, id: &str) -> Value {
        self.get(format!("/tasks/{id}")).expect(200)
    }

    /// Waits until a task has such an event, and returns it.
    pub fn wait_for(&self, id: &str, event: &str) -> Value {
        let page = self.get(format!("/events?task={id}&types={event}&wait_ms=50000")).expect(200);
        let [first, ..] = page["events"].as_array().expect("a list").as_slice() else {
            panic!("{event} never came: {}", self.task(id))
        };
        first.clone()
    }

    /// Runs a command to its end and returns the answer's body.
    pub fn run<const N: usize>(&self, argv: [&str; N]) -> Value {
        self.run_with(json!({ "argv": &argv[..] }))
    }

    /// Runs what `body` describes to its end and returns the answer's body.
    pub fn run_with(&self, body: Value) -> Value {
        self.post("/runs", &body).expect(200)
    }
}

impl Answer {
    /// The JSON body, if the status is `status`.
    pub fn expect(self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status, status, "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Checks that this is a problem with that status and code, and returns it.
    pub fn problem(self, status: u16, code: &str) -> Value {
        let content_type = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(
            content_type,
            Some("application/problem+json"),
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        assert!(problem["request_id"].is_string(), "{problem}");
        problem
    }
}
