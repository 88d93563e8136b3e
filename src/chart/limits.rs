//! What a render may use, so that a hostile chart ends in an error and not in the provider.
//! Limits are far above what real charts need; none of them is Helm's own.

use std::cell::Cell;

/// Why a template function or an action failed: Go's or Helm's message where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl<T: Into<String>> From<T> for Fault {
    fn from(message: T) -> Self {
        Fault(message.into())
    }
}

/// Bytes of text that one render may produce, all intermediate strings included.
const MAX_BYTES: usize = 256 << 20;
/// Evaluated nodes, loop turns and visited values in one render.
const MAX_STEPS: u64 = 3_000_000;
/// Nested evaluations: templates, blocks, pipelines. Helm's own limit of 1,000 nested includes stays below it.
const MAX_DEPTH: u32 = 20_000;
/// Longest single text.
pub(super) const MAX_TEXT: usize = 64 << 20;
/// Nesting of maps and lists. Go has no limit for printing and overflows its stack on a map that contains itself.
pub(super) const MAX_NESTING: usize = 500;

/// Counts what a render has used.
#[derive(Debug, Default)]
pub(super) struct Budget {
    steps: Cell<u64>,
    bytes: Cell<usize>,
    depth: Cell<u32>,
}

impl Budget {
    /// Counts one unit of work.
    pub(super) fn step(&self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// Counts `count` units of work.
    pub(super) fn steps(&self, count: usize) -> Result<(), Fault> {
        let used = self.steps.get().saturating_add(count as u64);
        self.steps.set(used);
        match used > MAX_STEPS {
            true => Err(format!("rendering takes more than {MAX_STEPS} steps").into()),
            false => Ok(()),
        }
    }

    /// Counts text that is about to be made.
    pub(super) fn text(&self, len: usize) -> Result<(), Fault> {
        let used = self.bytes.get().saturating_add(len);
        self.bytes.set(used);
        match used > MAX_BYTES || len > MAX_TEXT {
            true => Err(format!("rendering produces more than {} MiB of text", MAX_TEXT >> 20).into()),
            false => Ok(()),
        }
    }

    /// One level deeper; undone by [`leave`](Self::leave).
    pub(super) fn enter(&self) -> Result<(), Fault> {
        self.step()?;
        self.depth.set(self.depth.get() + 1);
        match self.depth.get() > MAX_DEPTH {
            true => Err(format!("templates nest more than {MAX_DEPTH} levels deep").into()),
            false => Ok(()),
        }
    }

    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }
}

/// Refuses values nested too deeply, and output that grows too long while it is written.
pub(super) fn check_nesting(depth: usize, written: usize) -> Result<(), Fault> {
    if depth > MAX_NESTING {
        return Err(format!("a value nests more than {MAX_NESTING} levels deep").into());
    }
    match written > MAX_TEXT {
        true => Err(format!("a value takes more than {} MiB of text", MAX_TEXT >> 20).into()),
        false => Ok(()),
    }
}
