//! The variables of a shell, and the scopes of functions.

use std::collections::HashMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Variable {
    pub(crate) value: Option<String>,
    pub(crate) exported: bool,
    pub(crate) read_only: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    now: HashMap<String, Variable>,
    /// What is put back at the end of each scope, the innermost last.
    scopes: Vec<HashMap<String, Option<Variable>>>,
}

/// The variable is read-only.
#[derive(Debug)]
pub(crate) struct ReadOnly;

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.now.get(name)?.value.as_deref()
    }

    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<(), ReadOnly> {
        let variable = self.writable(name)?;
        variable.value = Some(value);
        Ok(())
    }

    /// As it is, or made; not to be used to change a value that is read-only.
    pub(crate) fn entry(&mut self, name: &str) -> &mut Variable {
        self.now.entry(name.to_owned()).or_default()
    }

    fn writable(&mut self, name: &str) -> Result<&mut Variable, ReadOnly> {
        let variable = self.entry(name);
        if variable.read_only { Err(ReadOnly) } else { Ok(variable) }
    }

    pub(crate) fn unset(&mut self, name: &str) -> Result<(), ReadOnly> {
        if self.now.get(name).is_some_and(|variable| variable.read_only) {
            return Err(ReadOnly);
        }
        self.now.remove(name);
        Ok(())
    }

    pub(crate) fn enter(&mut self) {
        self.scopes.push(HashMap::new());
    }

    pub(crate) fn leave(&mut self) {
        for (name, before) in self.scopes.pop().unwrap_or_default() {
            match before {
                Some(variable) => drop(self.now.insert(name, variable)),
                None => drop(self.now.remove(&name)),
            }
        }
    }

    /// Makes a variable the innermost scope's own.
    pub(crate) fn localize(&mut self, name: &str) -> Result<(), ReadOnly> {
        let before = self.now.get(name).cloned();
        if before.as_ref().is_some_and(|variable| variable.read_only) {
            return Err(ReadOnly);
        }
        let Some(scope) = self.scopes.last_mut() else { return Ok(()) };
        if !scope.contains_key(name) {
            let exported = before.as_ref().is_some_and(|variable| variable.exported);
            scope.insert(name.to_owned(), before);
            self.now.insert(name.to_owned(), Variable { exported, ..Variable::default() });
        }
        Ok(())
    }

    /// What programs get, sorted by name.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let exported = self.now.iter().filter(|(_, variable)| variable.exported);
        let mut exported: Vec<_> =
            exported.filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?))).collect();
        exported.sort();
        exported
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Variables that bash computes, and this shell does not have.
pub(crate) fn computed(name: &str) -> bool {
    const COMPUTED: [&str; 18] = [
        "BASHPID",
        "BASH_COMMAND",
        "BASH_LINENO",
        "BASH_REMATCH",
        "BASH_SOURCE",
        "BASH_SUBSHELL",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "FUNCNAME",
        "GROUPS",
        "LINENO",
        "OPTARG",
        "PIPESTATUS",
        "PPID",
        "RANDOM",
        "SECONDS",
        "SRANDOM",
    ];
    COMPUTED.contains(&name)
}
