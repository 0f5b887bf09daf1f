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
    /// Bytes of names and values, those of outer scopes included.
    size: usize,
}

/// The variable is read-only.
#[derive(Debug)]
pub(crate) struct ReadOnly;

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.now.get(name)?.value.as_deref()
    }

    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<(), ReadOnly> {
        let variable = self.entry(name);
        if variable.read_only {
            return Err(ReadOnly);
        }
        let after = name.len() + value.len();
        let before = variable.value.replace(value).map_or(0, |value| name.len() + value.len());
        self.size = self.size.saturating_sub(before) + after;
        Ok(())
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// As it is, or made; not to be used to change the value.
    pub(crate) fn entry(&mut self, name: &str) -> &mut Variable {
        self.now.entry(name.to_owned()).or_default()
    }

    pub(crate) fn unset(&mut self, name: &str) -> Result<(), ReadOnly> {
        if self.now.get(name).is_some_and(|variable| variable.read_only) {
            return Err(ReadOnly);
        }
        self.drop_value(name);
        Ok(())
    }

    fn drop_value(&mut self, name: &str) {
        let value = self.now.remove(name).and_then(|variable| variable.value);
        self.size = self.size.saturating_sub(value.map_or(0, |value| name.len() + value.len()));
    }

    pub(crate) fn enter(&mut self) {
        self.scopes.push(HashMap::new());
    }

    pub(crate) fn leave(&mut self) {
        for (name, before) in self.scopes.pop().unwrap_or_default() {
            self.drop_value(&name);
            if let Some(variable) = before {
                self.now.insert(name, variable);
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
    const COMPUTED: [&str; 31] = [
        "BASH",
        "BASHOPTS",
        "BASHPID",
        "BASH_COMMAND",
        "BASH_LINENO",
        "BASH_REMATCH",
        "BASH_SOURCE",
        "BASH_SUBSHELL",
        "BASH_VERSION",
        "DIRSTACK",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "EUID",
        "FUNCNAME",
        "GROUPS",
        "HOSTNAME",
        "HOSTTYPE",
        "LINENO",
        "MACHTYPE",
        "OPTARG",
        "OPTIND",
        "OSTYPE",
        "PIPESTATUS",
        "PPID",
        "RANDOM",
        "SECONDS",
        "SHELLOPTS",
        "SHLVL",
        "SRANDOM",
        "UID",
        "_",
    ];
    COMPUTED.contains(&name)
}
