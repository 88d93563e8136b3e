//! The values of a command line: reads the files that it names, and merges everything in Helm's order.

use std::io::{self, Read as _};

use super::RenderError;
use super::flags::Options;
use helm_charts::UserValues;

/// What the user says, with the flags' precedence.
pub(super) fn merge(options: &Options) -> Result<UserValues, RenderError> {
    let mut values = UserValues::default();
    for file in &options.values {
        let text = read(file).map_err(RenderError::Values)?;
        let merged = values.merge_file(&text);
        merged.map_err(|source| RenderError::ValuesFile { file: file.clone(), source })?;
    }
    options.set_json.iter().try_for_each(|line| values.set_json(line))?;
    options.set.iter().try_for_each(|line| values.set(line))?;
    options.set_string.iter().try_for_each(|line| values.set_string(line))?;
    options.set_file.iter().try_for_each(|line| values.set_file(line, &mut read))?;
    options.set_literal.iter().try_for_each(|line| values.set_literal(line))?;
    Ok(values)
}

/// A file's text; `-` is standard input.
fn read(file: &str) -> Result<String, String> {
    if ["http", "https", "oci"].iter().any(|scheme| scheme_of(file).is_some_and(|s| s.eq_ignore_ascii_case(scheme))) {
        return Err(format!("{file} is not on this machine; download it, and give its path"));
    }
    let bytes = match file.trim() {
        "-" => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes).map_err(|error| go_error("read", "stdin", &error))?
        }
        _ => std::fs::read(file).map_err(|error| {
            let operation = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
            go_error(operation, file, &error)
        })?,
    };
    String::from_utf8(bytes).map_err(|_| format!("{file} is not UTF-8"))
}

fn scheme_of(file: &str) -> Option<&str> {
    file.split_once("://").map(|(scheme, _)| scheme)
}

/// As Go words what the system says.
fn go_error(operation: &str, file: &str, error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    };
    format!("{operation} {file}: {reason}")
}
