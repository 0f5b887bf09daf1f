/// What a script may use. Whatever goes beyond ends the script: a sentence on its standard error, and [`crate::Ended`].
/// A program that runs by then is not told; it ends when its pipes do, or when [`crate::Machine::stop`] says so.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a command line. Default 1 MiB.
    pub text: usize,
    /// Stages of one pipeline. Default 64.
    pub stages: usize,
    /// Threads that run stages of pipelines at one time, in the whole script. Default 256.
    pub threads: usize,
    /// Functions, subshells and command substitutions inside one another. Default 64.
    pub depth: usize,
    /// Commands started, builtins included, in the whole script. Default 10,000.
    pub commands: u64,
    /// Bytes that one command's words may expand to, or one command substitution or here-document hold. Default 1 MiB.
    pub expansion: usize,
    /// Bytes that the names and values of a shell's variables hold; every subshell has a copy. Default 1 MiB.
    pub variables: usize,
    /// Bytes that wait in a pipe until their writer waits. Default 64 KiB.
    pub pipe: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text: 1 << 20,
            stages: 64,
            threads: 256,
            depth: 64,
            commands: 10_000,
            expansion: 1 << 20,
            variables: 1 << 20,
            pipe: 64 << 10,
        }
    }
}
