//! The least that a keep-alive HTTP/1.1 client does: blocking, one connection, no runtime, little CPU.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, ensure};

/// A connection, perhaps of somebody.
pub struct Http {
    stream: BufReader<TcpStream>,
    authorization: String,
    request: Vec<u8>,
    line: String,
    body: Vec<u8>,
}

impl Http {
    /// Of nobody.
    pub fn new(stream: BufReader<TcpStream>) -> Self {
        let (request, line, body) = Default::default();
        Self { stream, authorization: String::new(), request, line, body }
    }

    /// From now on of whom `token` belongs to.
    pub fn authorized(mut self, token: &str) -> Self {
        self.authorization = format!("authorization: Bearer {token}\r\n");
        self
    }

    /// One request; the body of its answer, which must have that status.
    pub fn expect(&mut self, status: u16, method: &str, path: &str, body: &str) -> anyhow::Result<&[u8]> {
        let answered = self.call(method, path, body).with_context(|| format!("{method} {path}"))?;
        ensure!(
            answered == status,
            "{method} {path} is answered with {answered}, not {status}: {}",
            String::from_utf8_lossy(&self.body)
        );
        Ok(&self.body)
    }

    /// One request; the status of its answer, whose body is left in `self.body`.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<u16> {
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.authorization,
            body.len()
        )?;
        self.stream.get_mut().write_all(&self.request)?;
        let status = self.read_line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context("no status line")?;
        let mut length = None;
        loop {
            match self.read_line()?.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = Some(value.trim().parse()?);
                }
                Some(_) => {}
                None => break,
            }
        }
        self.body.resize(length.context("an answer without a length")?, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(status)
    }

    fn read_line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line)? > 0, "the connection ended");
        Ok(self.line.trim_end())
    }
}
