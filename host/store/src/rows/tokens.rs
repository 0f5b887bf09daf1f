//! Bearer tokens, by hash.

use longhouse_core::{Timestamp, Token, TokenHash};
use rusqlite::Connection;

use super::{integer, number, parsed};
use crate::StoreError;

pub(crate) fn put(connection: &Connection, token: &Token) -> Result<(), StoreError> {
    let expires_at = token.expires_at.map(|at| integer(at.as_millis()));
    connection
        .prepare_cached("INSERT INTO tokens (hash, agent, expires_at) VALUES (?1, ?2, ?3)")?
        .execute((token.hash.0, token.agent.as_str(), expires_at))?;
    Ok(())
}

pub(crate) fn delete(connection: &Connection, hash: &TokenHash) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM tokens WHERE hash = ?1")?.execute([hash.0])?;
    Ok(())
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<Token>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT hash, agent, expires_at FROM tokens")?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        let expires_at: Option<i64> = row.get(2)?;
        let expires_at = expires_at.map(|ms| number("tokens.expires_at", ms)).transpose()?;
        tokens.push(Token {
            hash: TokenHash(row.get(0)?),
            agent: parsed("tokens.agent", row.get(1)?)?,
            expires_at: expires_at.map(Timestamp::from_millis),
        });
    }
    Ok(tokens)
}
