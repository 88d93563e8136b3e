//! What a user can run by hand, beside Terraform: one file per command.
//!
//! Owns: their flags, what they print, and how they end. Never knows a plugin or the provider; only `capacity` asks clusters, and
//! changes nothing there.

pub mod capacity;
mod flags;
pub mod render;

use std::io::{self, Write};

/// Prints to standard output. Who has stopped reading has seen enough: `… | head`.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
