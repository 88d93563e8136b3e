//! What is used, allocated and available, as a table of text for a terminal.
//!
//! Owns columns, bars, colours and rounding. Never decides whether anything fits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::amounts::{Amounts, Countable};
use crate::domain::limit::Limit;
use crate::domain::size::Resource;

/// A host, or a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is called.
    pub name: String,
    /// What there is.
    pub limit: Limit,
    /// What runs already takes this.
    pub used: Amounts,
    /// What is planned takes this.
    pub allocated: Amounts,
    /// Why the numbers are missing; then the others mean nothing.
    pub missing: Option<String>,
}

impl Row {
    /// What is left after the plan; zero where more is taken than there is.
    pub fn available(&self) -> Limit {
        self.limit.available(&self.used.saturating_add(&self.allocated))
    }

    /// Everything that there is something to say of: a size's resources, virtual clusters where they are limited, and extended
    /// resources that are limited, used or allocated.
    pub fn countables(&self) -> Vec<Countable> {
        let virtual_clusters = self.limit.virtual_clusters.map(|_| Countable::VirtualClusters);
        let extended = [&self.limit.extended, &self.used.extended, &self.allocated.extended];
        let extended: BTreeSet<&Arc<str>> = extended.into_iter().flat_map(BTreeMap::keys).collect();
        let extended = extended.into_iter().cloned().map(Countable::Extended);
        Resource::ALL.into_iter().map(Countable::from).chain(virtual_clusters).chain(extended).collect()
    }
}

/// No line is longer, as long as no amount has more than nine characters.
const WIDTH: usize = 100;
/// Of the names of resources.
const NAME: usize = 22;
/// Of a bar, without its brackets.
const BAR: usize = 20;
const UNLIMITED: &str = "unlimited";

/// Whether the table has colours: grey is used, green allocated, white available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text and nothing else.
    Plain,
    /// ANSI escapes, for a terminal.
    Ansi,
}

impl Paint {
    const USED: &'static str = "\u{1b}[90m";
    const ALLOCATED: &'static str = "\u{1b}[32m";
    const AVAILABLE: &'static str = "\u{1b}[37m";
    const END: &'static str = "\u{1b}[0m";

    /// The text of a column, painted.
    fn cell(self, column: usize, text: &str) -> String {
        match column {
            _ if self == Self::Plain => text.to_owned(),
            2 => self.stroke(Self::USED, text),
            3 => self.stroke(Self::ALLOCATED, text),
            4 => self.stroke(Self::AVAILABLE, text),
            6 => self.bar(text),
            _ => text.to_owned(),
        }
    }

    fn bar(self, bar: &str) -> String {
        let end_of =
            |from: usize, mark: char| bar[from..].find(|c: char| c != mark).map_or(bar.len(), |length| from + length);
        let Some(start) = bar.find('[').map(|start| start + 1) else { return bar.to_owned() };
        let used = end_of(start, '#');
        let allocated = end_of(used, '=');
        let available = end_of(allocated, '.');
        let parts =
            [(Self::USED, start..used), (Self::ALLOCATED, used..allocated), (Self::AVAILABLE, allocated..available)];
        let painted: String = parts.into_iter().map(|(colour, part)| self.stroke(colour, &bar[part])).collect();
        format!("{}{painted}{}", &bar[..start], &bar[available..])
    }

    fn stroke(self, colour: &str, text: &str) -> String {
        if text.is_empty() { String::new() } else { format!("{colour}{text}{}", Self::END) }
    }
}

/// The table: a line for each resource of each row. `#` in a bar is used, `=` allocated, `.` available. The column
/// `allocated` is left out where nothing is. Where more is taken than there is, `available` is negative. Ends with a line
/// break, and is empty without rows.
pub fn render(rows: &[Row], paint: Paint) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let planned = rows.iter().any(|row| row.missing.is_none() && !row.allocated.is_zero());
    let header = ["host", "resource", "used", "allocated", "available", "of", ""].map(str::to_owned);
    let mut lines: Vec<[String; 7]> = vec![header];
    for row in rows.iter().filter(|row| row.missing.is_none()) {
        lines.extend(row.countables().iter().enumerate().map(|(index, of)| cells(row, of, index == 0)));
    }
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if !planned {
        widths[3] = 0;
    }
    widths[1] = widths[1].min(NAME);
    let others: usize = widths[1..].iter().filter(|width| **width > 0).map(|width| width + 2).sum();
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    widths[0] = longest.max("host".len()).min(WIDTH.saturating_sub(others).max(8));

    let mut lines = lines.into_iter();
    let mut text: String = lines.next().iter().map(|header| join(header, &widths, paint)).collect();
    for row in rows {
        match &row.missing {
            Some(why) => text.push_str(&explain(&row.name, why, widths[0])),
            None => text.extend(lines.by_ref().take(row.countables().len()).map(|line| join(&line, &widths, paint))),
        }
    }
    text
}

/// The line of one resource. The first one of a row names the row.
fn cells(row: &Row, of: &Countable, is_first: bool) -> [String; 7] {
    let name = if is_first { row.name.clone() } else { String::new() };
    let (used, allocated) = (row.used.get(of), row.allocated.get(of));
    let show = |amount: u64| of.show_short(amount);
    let (available, limit, bar) = match row.limit.get(of) {
        None => (UNLIMITED.to_owned(), UNLIMITED.to_owned(), String::new()),
        Some(limit) => {
            let taken = used.saturating_add(allocated);
            let available = if taken > limit { format!("-{}", show(taken - limit)) } else { show(limit - taken) };
            (available, show(limit), bar(used, allocated, limit))
        }
    };
    [name, of.name().to_owned(), show(used), show(allocated), available, limit, bar]
}

/// `[####==......]`. Whatever is there at all has at least one character.
fn bar(used: u64, allocated: u64, limit: u64) -> String {
    let taken = used.saturating_add(allocated);
    let free = usize::from(taken < limit);
    if taken == 0 && limit == 0 {
        return String::new();
    }
    let scale = |amount: u64| {
        let cells = u128::from(amount.min(limit)) * BAR as u128 / u128::from(limit.max(1));
        if limit == 0 && amount > 0 { BAR } else { usize::try_from(cells).unwrap_or(BAR) }
    };
    let parts = usize::from(used > 0) + usize::from(allocated > 0);
    let filled = scale(taken).max(parts).min(BAR - free);
    let hashes = scale(used).max(usize::from(used > 0)).min(filled - usize::from(allocated > 0));
    format!("[{}{}{}]", "#".repeat(hashes), "=".repeat(filled - hashes), ".".repeat(BAR - filled))
}

/// One line of the table: the first two columns and the bar on the left, numbers on the right.
fn join(cells: &[String; 7], widths: &[usize; 7], paint: Paint) -> String {
    let mut line = String::new();
    for (index, (cell, &width)) in cells.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0) {
        if index > 0 {
            line.push_str("  ");
        }
        let cell = shorten(cell, width);
        let pad = width - cell.chars().count();
        let (before, after) = if (2..6).contains(&index) { (pad, 0) } else { (0, pad) };
        line.extend([&*" ".repeat(before), &*paint.cell(index, &cell), &*" ".repeat(after)]);
    }
    format!("{}\n", line.trim_end())
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A row without numbers, over as many lines as the reason takes.
fn explain(name: &str, why: &str, width: usize) -> String {
    let indent = width + 2;
    let mut lines = vec![String::new()];
    for word in format!("numbers are missing: {why}").split_whitespace() {
        let word = shorten(word, WIDTH.saturating_sub(indent));
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(&word),
            Some(line) if indent + line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.extend([" ", word.as_str()]);
            }
            _ => lines.push(word),
        }
    }
    let name = shorten(name, width);
    let names = [name.as_str()].into_iter().chain(std::iter::repeat(""));
    lines.iter().zip(names).map(|(line, name)| format!("{name:indent$}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::size::Size;

    const GIB: u64 = 1 << 30;

    fn size(cores: u64, memory: u64, storage: u64) -> Size {
        Size { cpu: Millicores(cores * 1000), memory: Bytes(memory * GIB), storage: Bytes(storage * GIB) }
    }

    fn row(name: &str, limit: Size, used: Size, allocated: Size) -> Row {
        let limit = Limit { cpu: Some(limit.cpu), memory: Some(limit.memory), ..Limit::UNLIMITED };
        Row { name: name.to_owned(), limit, used: used.into(), allocated: allocated.into(), missing: None }
    }

    #[track_caller]
    fn check(rows: &[Row], expected: &str) {
        let actual = render(rows, Paint::Plain);
        assert_eq!(actual, expected, "\n{actual}");
        for line in actual.lines() {
            assert!(line.chars().count() <= WIDTH, "{} characters: {line}", line.chars().count());
            assert_eq!(line, line.trim_end());
        }
    }

    #[test]
    fn hosts_and_quota_are_one_table() {
        let mut quota = row("quota", size(64, 256, 0), size(60, 100, 0), size(4, 28, 2));
        quota.limit.storage = Some(Bytes(1024 * GIB));
        check(
            &[row("eu-1", size(64, 256, 0), size(52, 130, 20), size(8, 28, 2)), quota],
            "\
host   resource   used  allocated  available         of
eu-1   cpu          52          8          4         64  [################==..]
       memory    130Gi       28Gi       98Gi      256Gi  [##########==........]
       storage    20Gi        2Gi  unlimited  unlimited
quota  cpu          60          4          0         64  [##################==]
       memory    100Gi       28Gi      128Gi      256Gi  [#######===..........]
       storage       0        2Gi     1022Gi        1Ti  [=...................]
",
        );
    }

    #[test]
    fn a_summary_has_no_column_for_what_is_allocated() {
        check(
            &[row("a", size(8, 3, 0), Size { memory: Bytes(1), ..size(4, 0, 0) }, Size::ZERO)],
            "\
host  resource  used  available         of
a     cpu          4          4          8  [##########..........]
      memory       1      2.9Gi        3Gi  [#...................]
      storage      0  unlimited  unlimited
",
        );
        check(&[], "");
    }

    #[test]
    fn extended_resources_and_virtual_clusters_have_lines_where_there_is_something_to_say() {
        let mut host = row("eu-1", size(64, 256, 0), size(52, 130, 20), Size::ZERO);
        host.limit = Limit { extended: gpus(8), unnamed: Some(0), ..host.limit };
        host.used.extended = [("aws.amazon.com/neuroncore".into(), 2), ("nvidia.com/gpu".into(), 3)].into();
        let mut quota = row("quota", size(64, 256, 0), size(52, 130, 20), Size::ZERO);
        quota.limit.virtual_clusters = Some(20);
        (quota.used.virtual_clusters, quota.allocated.virtual_clusters) = (13, 1);
        check(
            &[host, quota],
            "\
host   resource                 used  allocated  available         of
eu-1   cpu                        52          0         12         64  [################....]
       memory                  130Gi          0      126Gi      256Gi  [##########..........]
       storage                  20Gi          0  unlimited  unlimited
       aws.amazon.com/neuron…      2          0         -2          0  [####################]
       nvidia.com/gpu              3          0          5          8  [#######.............]
quota  cpu                        52          0         12         64  [################....]
       memory                  130Gi          0      126Gi      256Gi  [##########..........]
       storage                  20Gi          0  unlimited  unlimited
       virtual_clusters           13          1          6         20  [#############=......]
",
        );
    }

    #[test]
    fn more_than_there_is_is_negative() {
        check(
            &[
                row("a", size(8, 0, 0), size(10, 1, 0), size(1, 0, 0)),
                row("b", size(0, 0, 0), size(0, 0, 0), Size::ZERO),
            ],
            "\
host  resource  used  allocated  available         of
a     cpu         10          1         -3          8  [###################=]
      memory     1Gi          0       -1Gi          0  [####################]
      storage      0          0  unlimited  unlimited
b     cpu          0          0          0          0
      memory       0          0          0          0
      storage      0          0  unlimited  unlimited
",
        );
    }

    #[test]
    fn missing_numbers_say_why() {
        let missing = Row {
            missing: Some(format!(
                "https://eu-2.example.com:6443 does not answer:\nconnection refused, {}",
                "x".repeat(200)
            )),
            ..row("eu-2", Size::ZERO, Size::ZERO, size(9, 9, 9))
        };
        check(
            &[missing.clone(), row("a", size(8, 3, 0), size(4, 0, 0), Size::ZERO)],
            &format!(
                "\
host  resource  used  available         of
eu-2  numbers are missing: https://eu-2.example.com:6443 does not answer: connection refused,
      {}…
a     cpu          4          4          8  [##########..........]
      memory       0        3Gi        3Gi  [....................]
      storage      0  unlimited  unlimited
",
                "x".repeat(93)
            ),
        );
    }

    #[test]
    fn long_names_are_cut_where_the_screen_ends() {
        let name = "arn:aws:eks:eu-central-1:123456789012:cluster/a-very-long-name-of-a-cluster-that-goes-on-and-on";
        check(
            &[row(name, size(8, 3, 0), size(4, 0, 0), size(1, 0, 0))],
            "\
host                         resource  used  allocated  available         of
arn:aws:eks:eu-central-1:1…  cpu          4          1          3          8  [##########==........]
                             memory       0          0        3Gi        3Gi  [....................]
                             storage      0          0  unlimited  unlimited
",
        );
    }

    #[test]
    fn a_painted_table_is_the_plain_one_in_grey_green_and_white() {
        let rows = [row("eu-1", size(64, 256, 0), size(52, 130, 20), size(8, 0, 0))];
        let painted = render(&rows, Paint::Ansi);
        let bar = "[\u{1b}[90m################\u{1b}[0m\u{1b}[32m==\u{1b}[0m\u{1b}[37m..\u{1b}[0m]";
        assert!(painted.contains(bar), "{painted}");
        assert!(painted.contains("  \u{1b}[90m52\u{1b}[0m  "), "{painted}");
        let stripped = [Paint::USED, Paint::ALLOCATED, Paint::AVAILABLE, Paint::END];
        let stripped = stripped.iter().fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(stripped, render(&rows, Paint::Plain));
    }

    #[test]
    fn a_bar_shows_whatever_is_there() {
        for (used, allocated, limit, expected) in [
            (0, 0, 100, "...................."),
            (1, 0, 1000, "#..................."),
            (1, 1, 1000, "#=.................."),
            (999, 0, 1000, "###################."),
            (998, 1, 1000, "##################=."),
            (1, 998, 1000, "#==================."),
            (1000, 0, 1000, "####################"),
            (1000, 1, 1000, "###################="),
            (u64::MAX, u64::MAX, 1, "###################="),
            (u64::MAX, 0, u64::MAX, "####################"),
            (0, 5, 0, "===================="),
        ] {
            assert_eq!(bar(used, allocated, limit), format!("[{expected}]"), "{used} and {allocated} of {limit}");
        }
    }
}
