//! The least that a keep-alive HTTP client does: blocking, one connection, no runtime.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// A connection of one agent.
pub struct Client {
    stream: BufReader<TcpStream>,
    project: String,
    token: String,
}

impl Client {
    /// Connects to `address` (host and port).
    pub fn connect(address: &str, project: &str, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), project: project.to_owned(), token: token.to_owned() })
    }

    /// Runs a command with the argument `hello` and tells how long the answer took.
    pub fn time_run(&mut self, command: &str) -> anyhow::Result<Duration> {
        let body = format!(r#"{{"argv":["{command}","hello"]}}"#);
        let path = format!("/v1/projects/{}/runs", self.project);
        let started = Instant::now();
        let (status, answer) = self.call("POST", &path, &body)?;
        let took = started.elapsed();
        ensure!(status == 200, "{status}: {answer}");
        Ok(took)
    }

    /// One request; the status and the body of its answer.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status line")?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok((status, String::from_utf8(answer)?))
    }
}
