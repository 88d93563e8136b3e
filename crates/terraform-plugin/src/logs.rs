//! Structured logs for Terraform: one line of JSON per event on standard error, in the form of hclog.
//!
//! Off unless asked for. Of this crate and those that the program names only: libraries log requests and headers, which
//! may hold secrets.

use std::fmt;
use std::io::Write;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::program::{self, Program};

/// The one form of time that Terraform parses: microseconds, always six digits.
const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Starts logging at the level that the environment asks for, if any.
pub fn start(program: &Program) {
    let level = level(program.provider(), |name| std::env::var(name).ok());
    if level == LevelFilter::OFF {
        return;
    }
    let lines = Lines { prefix: format!("provider.{}", program.provider()), logged: program.logged };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(only_known(program, level)));
    // Fails only where another subscriber was set before, which then gets the events.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn only_known(program: &Program, level: LevelFilter) -> tracing_subscriber::filter::Targets {
    let known = program.logged.iter().copied().chain([env!("CARGO_CRATE_NAME")]);
    tracing_subscriber::filter::Targets::new().with_targets(known.map(|name| (name, level)))
}

/// The variable that sets the level of one provider: `TF_LOG_PROVIDER_EXAMPLE`.
pub fn variable_of(provider: &str) -> String {
    format!("TF_LOG_PROVIDER_{}", provider.to_uppercase().replace('-', "_"))
}

/// The first variable that is set decides, as with Terraform's own providers. What is no level is all of it, as
/// Terraform reads `TF_LOG=1` and `TF_LOG=JSON`.
fn level(provider: &str, variable: impl Fn(&str) -> Option<String>) -> LevelFilter {
    // Most specific first.
    let variables = [&variable_of(provider), "TF_LOG_PROVIDER", "TF_LOG"];
    let Some(value) = variables.into_iter().filter_map(variable).find(|value| !value.is_empty()) else {
        return LevelFilter::OFF;
    };
    match value.to_ascii_uppercase().as_str() {
        "OFF" => LevelFilter::OFF,
        "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "INFO" => LevelFilter::INFO,
        "DEBUG" => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// Writes a panic. Not by way of the subscriber: whoever reads the log wants it at every level.
pub fn write_panic(location: &str, text: &str) {
    let provider = program::running().map_or("", Program::provider);
    let mut line = line("error", &format!("provider.{provider}"));
    line.insert("@message".to_owned(), format!("panicked at {location}: {text}").into());
    write(line);
}

struct Lines {
    /// What names of modules begin with.
    prefix: String,
    logged: &'static [&'static str],
}

impl Lines {
    /// The name that log lines have for an event's module: the crate, or within the provider's own crate its first module.
    fn module(&self, target: &str) -> String {
        let mut parts = target.split("::");
        let (name, module) = (parts.next().unwrap_or_default(), parts.next());
        let own = self.logged.first().is_some_and(|own| *own == name);
        format!("{}.{}", self.prefix, module.filter(|_| own).unwrap_or(name))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut line = line(level, &self.module(event.metadata().target()));
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.extend(fields.0.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.extend(fields.0);
        write(line);
    }
}

fn line(level: &str, module: &str) -> Map<String, Value> {
    let timestamp = OffsetDateTime::now_utc().format(TIMESTAMP).unwrap_or_default();
    let mut line = Map::new();
    line.insert("@level".to_owned(), level.into());
    line.insert("@module".to_owned(), module.into());
    line.insert("@timestamp".to_owned(), timestamp.into());
    line
}

fn write(line: Map<String, Value>) {
    // One write, so that lines of several threads do not mix. There is nobody to tell when it fails.
    let _ = std::io::stderr().write_all(format!("{}\n", Value::Object(line)).as_bytes());
}

/// An event's or a span's fields, as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        let name = if field.name() == "message" { "@message" } else { field.name() };
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(environment: &[(&str, &str)], expected: LevelFilter) {
        let variable = |name: &str| {
            environment.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(level("my-own", variable), expected, "{environment:?}");
    }

    #[test]
    fn most_specific_variable_sets_the_level() {
        check(&[], LevelFilter::OFF);
        check(&[("TF_LOG", "")], LevelFilter::OFF);
        check(&[("TF_LOG", "info")], LevelFilter::INFO);
        check(&[("TF_LOG", "JSON")], LevelFilter::TRACE);
        check(&[("TF_LOG", "TRACE"), ("TF_LOG_PROVIDER", "Warn")], LevelFilter::WARN);
        check(&[("TF_LOG_PROVIDER", "TRACE"), ("TF_LOG_PROVIDER_MY_OWN", "off")], LevelFilter::OFF);
        check(&[("TF_LOG_PROVIDER", "ERROR"), ("TF_LOG_PROVIDER_MY_OWN", "DEBUG")], LevelFilter::DEBUG);
    }

    #[test]
    fn modules_are_named_by_crate_and_in_the_providers_own_by_module() {
        let lines = Lines { prefix: "provider.x".to_owned(), logged: &["the_provider", "a_library"] };
        assert_eq!(lines.module("the_provider::host::wait"), "provider.x.host");
        assert_eq!(lines.module("the_provider"), "provider.x.the_provider");
        assert_eq!(lines.module("a_library::inner"), "provider.x.a_library");
    }
}
