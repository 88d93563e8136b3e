//! What a chart may use while it is loaded and rendered, so that a hostile one ends in an error and not the program.
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

/// Bytes of text and lists that one render may produce, everything in between included.
const MAX_BYTES: usize = 256 << 20;
/// Evaluated nodes, loop turns and visited values in one render.
const MAX_STEPS: u64 = 3_000_000;
/// Nested evaluations: templates, blocks, pipelines. Helm's own limit of 1,000 nested includes stays below it.
const MAX_DEPTH: u32 = 20_000;
/// Longest single text.
pub(super) const MAX_TEXT: usize = 16 << 20;
/// Bytes that a function looks at in one step.
const BYTES_PER_STEP: usize = 16;
/// Memory of one value in a list.
const ITEM: usize = 48;
/// Bytes that the archives within a chart may unfold into, all of them together: as much as the chart itself.
pub(super) const MAX_UNPACKED: usize = 100 << 20;
/// A chart and its subcharts, at all depths.
pub(super) const MAX_CHARTS: usize = 500;
/// Values in one YAML document, and in all of a chart's or a render's documents together.
pub(super) const MAX_YAML_NODES: usize = 1_000_000;
/// Actions, commands and operands in all templates of a chart, or in one text for `tpl`.
pub(super) const MAX_TEMPLATE_NODES: usize = 1_000_000;
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
        if len > MAX_TEXT {
            return Err(format!("a text takes more than {} MiB", MAX_TEXT >> 20).into());
        }
        self.bytes(len)
    }

    /// Counts items of a list, or entries of a map, that are about to be made.
    pub(super) fn items(&self, count: usize) -> Result<(), Fault> {
        self.steps(count)?;
        self.bytes(count.saturating_mul(ITEM))
    }

    /// Counts a file as Go's `[]byte`, in which every byte is a value here.
    pub(super) fn byte_list(&self, len: usize) -> Result<(), Fault> {
        self.read(len)?;
        self.bytes(len.saturating_mul(ITEM))
    }

    fn bytes(&self, count: usize) -> Result<(), Fault> {
        let used = self.bytes.get().saturating_add(count);
        self.bytes.set(used);
        match used > MAX_BYTES {
            true => Err(format!("rendering produces more than {} MiB of text and lists", MAX_BYTES >> 20).into()),
            false => Ok(()),
        }
    }

    /// Counts text that a function goes through.
    pub(super) fn read(&self, len: usize) -> Result<(), Fault> {
        self.steps(len / BYTES_PER_STEP)
    }

    /// Counts text that is parsed: two characters can make a value.
    pub(super) fn parse(&self, len: usize) -> Result<(), Fault> {
        self.steps(len / 2)
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

/// What is left of an amount that several steps share.
#[derive(Debug)]
pub(super) struct Allowance(Cell<usize>);

impl Allowance {
    pub(super) fn new(amount: usize) -> Self {
        Self(Cell::new(amount))
    }

    pub(super) fn left(&self) -> usize {
        self.0.get()
    }

    /// False, and nothing taken, when there is not so much left.
    pub(super) fn take(&self, amount: usize) -> bool {
        let left = self.0.get().checked_sub(amount);
        left.inspect(|left| self.0.set(*left)).is_some()
    }
}

/// What a chart and all its subcharts may take together while they are loaded.
#[derive(Debug)]
pub(super) struct Loading {
    /// Bytes that archives within the chart may unfold into.
    pub unpacked: Allowance,
    pub charts: Allowance,
    pub yaml_nodes: Allowance,
    pub template_nodes: Allowance,
}

impl Default for Loading {
    fn default() -> Self {
        Self {
            unpacked: Allowance::new(MAX_UNPACKED),
            charts: Allowance::new(MAX_CHARTS),
            yaml_nodes: Allowance::new(MAX_YAML_NODES),
            template_nodes: Allowance::new(MAX_TEMPLATE_NODES),
        }
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
