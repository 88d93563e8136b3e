//! Reads `index.yaml`, as a stream: what one chart's entries say, and the names of the others. Indexes of large
//! repositories have tens of megabytes, of which almost nothing is wanted.

use std::collections::BTreeSet;

use libyaml_safer::{EventData, Parser};

use crate::yaml;

/// What an index says about one chart.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The chart's versions, in the order of the index. None if the index does not have the chart.
    pub entries: Option<Vec<Entry>>,
    /// The names of all charts.
    pub names: BTreeSet<String>,
}

/// One version of a chart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub version: String,
    pub urls: Vec<String>,
    pub digest: Option<String>,
}

/// Nested collections in an index.
const MAX_DEPTH: usize = 100;
/// Names that are remembered for an error.
const MAX_NAMES: usize = 1000;

/// Reads the entries of `chart`. JSON is YAML here.
pub(super) fn read(text: &[u8], chart: &str) -> Result<Index, String> {
    // libyaml-safer 0.3 panics on some broken input.
    let read = std::panic::catch_unwind(|| {
        let mut text = text;
        let mut parser = Parser::new();
        parser.set_input_string(&mut text);
        Reader { parser }.index(chart)
    });
    read.unwrap_or_else(|_| Err("the parser does not support this text".to_owned()))
}

struct Reader<'a> {
    parser: Parser<&'a mut &'a [u8]>,
}

impl Reader<'_> {
    fn index(&mut self, chart: &str) -> Result<Index, String> {
        self.next()?;
        if !matches!(self.next()?, EventData::DocumentStart { .. }) {
            return Err("it is empty".to_owned());
        }
        let EventData::MappingStart { .. } = self.next()? else { return Err("it is not a mapping".to_owned()) };
        let (mut index, mut api_version) = (Index::default(), String::new());
        while let Some(key) = self.key()? {
            match key.as_str() {
                "apiVersion" => api_version = self.text()?.unwrap_or_default(),
                "entries" => self.entries(chart, &mut index)?,
                _ => self.skip()?,
            }
        }
        // As Helm insists: it tells an index from any other YAML.
        if api_version.is_empty() { Err("it has no apiVersion".to_owned()) } else { Ok(index) }
    }

    fn entries(&mut self, chart: &str, index: &mut Index) -> Result<(), String> {
        let event = self.next()?;
        if !matches!(event, EventData::MappingStart { .. }) {
            return self.skip_from(&event);
        }
        while let Some(name) = self.key()? {
            if name == chart {
                index.entries = Some(self.list(Self::entry)?.into_iter().flatten().collect());
            } else {
                self.skip()?;
            }
            if index.names.len() < MAX_NAMES {
                index.names.insert(name);
            }
        }
        Ok(())
    }

    /// One version; none if it says no version, which Helm passes over.
    fn entry(&mut self, start: EventData) -> Result<Option<Entry>, String> {
        if !matches!(start, EventData::MappingStart { .. }) {
            return self.skip_from(&start).map(|()| None);
        }
        let mut entry = Entry::default();
        while let Some(key) = self.key()? {
            match key.as_str() {
                "version" => entry.version = self.text()?.unwrap_or_default(),
                "digest" => entry.digest = self.text()?.filter(|digest| !digest.is_empty()),
                "urls" => entry.urls = self.list(|reader, event| reader.scalar(event))?.into_iter().flatten().collect(),
                _ => self.skip()?,
            }
        }
        Ok(Some(entry).filter(|entry| !entry.version.is_empty()))
    }

    /// The items of a sequence; what is none has no items.
    fn list<T>(&mut self, item: impl Fn(&mut Self, EventData) -> Result<T, String>) -> Result<Vec<T>, String> {
        let event = self.next()?;
        let mut items = Vec::new();
        if !matches!(event, EventData::SequenceStart { .. }) {
            self.skip_from(&event)?;
            return Ok(items);
        }
        loop {
            match self.next()? {
                EventData::SequenceEnd => return Ok(items),
                event => items.push(item(self, event)?),
            }
        }
    }

    /// The next key of a mapping; none at its end.
    fn key(&mut self) -> Result<Option<String>, String> {
        match self.next()? {
            EventData::MappingEnd => Ok(None),
            EventData::Scalar { value, .. } => Ok(Some(value)),
            _ => Err("a key is not a text".to_owned()),
        }
    }

    fn text(&mut self) -> Result<Option<String>, String> {
        let event = self.next()?;
        self.scalar(event)
    }

    /// A text; none for null and for what is no scalar.
    fn scalar(&mut self, event: EventData) -> Result<Option<String>, String> {
        match event {
            EventData::Scalar { value, plain_implicit: true, .. } => Ok(yaml::plain_text(&value)),
            EventData::Scalar { value, .. } => Ok(Some(value)),
            EventData::Alias { .. } => Err("it has aliases, which are not supported".to_owned()),
            event => self.skip_from(&event).map(|()| None),
        }
    }

    fn skip(&mut self) -> Result<(), String> {
        let event = self.next()?;
        self.skip_from(&event)
    }

    /// Passes over the value that begins with `event`.
    fn skip_from(&mut self, event: &EventData) -> Result<(), String> {
        let step = |event: &EventData| match event {
            EventData::SequenceStart { .. } | EventData::MappingStart { .. } => 1,
            EventData::SequenceEnd | EventData::MappingEnd => -1,
            _ => 0,
        };
        let mut depth = step(event);
        while depth > 0 {
            depth += step(&self.next()?);
            if depth > MAX_DEPTH as i32 {
                return Err(format!("it nests more than {MAX_DEPTH} levels deep"));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<EventData, String> {
        self.parser.parse().map(|event| event.data).map_err(|error| {
            let line = error.problem_mark().map_or(0, |mark| mark.line + 1);
            format!("line {line}: {}", error.problem())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"
apiVersion: v1
entries:
  other:
  - {name: other, version: 1.0.0, urls: [other-1.0.0.tgz], dependencies: [{name: a, tags: [b]}]}
  widget:
  - apiVersion: v2
    created: "2026-01-01T00:00:00Z"
    description: |
      urls: not this one
    digest: "0123"
    maintainers:
    - name: somebody
      urls: [nor this]
    name: widget
    urls:
    - charts/widget-0.34.7.tgz
    - https://mirror.example.com/widget-0.34.7.tgz
    version: 0.34.7
  - {name: widget, version: "0.34.6", urls: ["widget-0.34.6.tgz"], digest: ~}
  - {name: widget, urls: [no-version.tgz]}
  - {name: widget, version: 1.10}
  - {name: widget, version: 72445e2}
  - ~
generated: "2026-01-01T00:00:00Z"
"#;

    fn entry(version: &str, urls: &[&str], digest: Option<&str>) -> Entry {
        let urls = urls.iter().map(|url| url.to_string()).collect();
        Entry { version: version.into(), urls, digest: digest.map(str::to_owned) }
    }

    #[test]
    fn one_chart_is_read_and_the_others_are_named() {
        let index = read(INDEX.as_bytes(), "widget").unwrap();
        let urls = ["charts/widget-0.34.7.tgz", "https://mirror.example.com/widget-0.34.7.tgz"];
        let mut expected = vec![entry("0.34.7", &urls, Some("0123")), entry("0.34.6", &["widget-0.34.6.tgz"], None)];
        // What is a number loses its text, as in Helm.
        expected.extend([entry("1.1", &[], None), entry("7.2445e+06", &[], None)]);
        assert_eq!(index.entries, Some(expected));
        assert_eq!(index.names.into_iter().collect::<Vec<_>>(), ["other", "widget"]);
        assert_eq!(read(INDEX.as_bytes(), "nothing").unwrap().entries, None);
    }

    #[test]
    fn json_is_an_index_too() {
        let text = r#"{"apiVersion":"v1","entries":{"a":[{"version":"1.0.0","urls":["a.tgz"],"digest":"0"}]}}"#;
        assert_eq!(read(text.as_bytes(), "a").unwrap().entries, Some(vec![entry("1.0.0", &["a.tgz"], Some("0"))]));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let check = |text: &str, expected: &str| {
            let error = read(text.as_bytes(), "a").unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("", "empty");
        check("<html><body>Not here</body></html>", "not a mapping");
        check("entries: {}", "apiVersion");
        check("apiVersion: v1\nentries:\n\ta: b", "line 3");
        check("apiVersion: v1\nx: [&a b, *a]\nentries:\n  a: [{version: *a}]", "aliases");
        check(&format!("a: {}", "[".repeat(1000)), "levels");
        check("a: !<%ff%ff> b", "");
        check("apiVersion: v1\nentries: {a: [", "line");
    }
}
