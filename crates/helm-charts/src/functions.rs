//! Everything a chart's templates can call: Go's builtins, Sprig and Helm's own functions, by family.

mod builtin;
mod case;
mod cast;
#[cfg(feature = "crypto")]
mod crypto;
#[cfg(not(feature = "crypto"))]
#[path = "functions/crypto_absent.rs"]
mod crypto;
pub(super) mod date;
mod defaults;
mod dicts;
mod encoding;
mod format;
mod helm;
mod lists;
mod lookup;
mod math;
pub(super) mod methods;
mod paths;
mod random;
mod reflect;
mod regexes;
pub(super) mod semver;
mod strings;
mod toml;
mod urls;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::limits::{Budget, Fault};
use super::value::{Map, Value};

/// What functions may see beside their arguments.
pub(super) struct Context {
    pub budget: Budget,
    /// Whom `lookup` asks; without one it finds nothing.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// How many texts that `tpl` was given are being executed, one within another.
    pub texts: Cell<usize>,
    /// Seconds since 1970 and nanoseconds, taken once per render.
    pub now: date::Time,
    /// Every map that a function made, to be emptied at the end: maps may contain themselves.
    pub maps: RefCell<Vec<Map>>,
}

impl Context {
    /// A map made by a function.
    pub(super) fn map(&self, map: Map) -> Value {
        self.maps.borrow_mut().push(map.clone());
        Value::Map(map)
    }

    /// Calls a function and counts what every one of them costs: the texts that it reads and the one that it makes.
    /// What multiplies beyond that, each function counts before it does it.
    pub(super) fn counted(&self, args: &[Value], call: impl FnOnce() -> Result<Value, Fault>) -> Result<Value, Fault> {
        let read = args.iter().filter_map(Value::bytes).map(<[u8]>::len).sum::<usize>();
        self.budget.steps(args.len())?;
        self.budget.read(read)?;
        let result = call()?;
        let made = result.bytes().map_or(0, <[u8]>::len);
        self.budget.read(made)?;
        self.budget.text(made)?;
        Ok(result)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        for map in self.maps.get_mut() {
            map.clear();
        }
    }
}

/// The Go type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    Any,
    /// Builtins take `reflect.Value`, which differs from `interface {}` only in messages.
    Reflect,
    String,
    Int,
    Float,
    Bool,
    Map,
    Time,
    /// Takes constants only: nothing that a template can compute is one.
    Uint32,
    /// `[]interface {}`; other lists do not fit.
    List,
    /// What `genCA` returns.
    Certificate,
}

impl Param {
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Param::Any => "interface {}",
            Param::Reflect => "reflect.Value",
            Param::String => "string",
            Param::Int => "int",
            Param::Float => "float64",
            Param::Bool => "bool",
            Param::Map => "map[string]interface {}",
            Param::Time => "time.Time",
            Param::Uint32 => "uint32",
            Param::List => "[]interface {}",
            Param::Certificate => CERTIFICATE,
        }
    }

    pub(super) fn can_be_nil(self) -> bool {
        matches!(self, Param::Any | Param::Reflect | Param::Map | Param::List)
    }
}

/// Parameter types, one letter each: `a`ny, `v`alue (reflect), `s`tring, `i`nt, `u`int32, `f`loat, `b`ool, `m`ap,
/// `l`ist, `t`ime, `c`ertificate. A `*` at the end makes the last one variadic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature(&'static str);

impl Signature {
    pub(super) fn is_variadic(self) -> bool {
        self.0.ends_with('*')
    }

    /// How many arguments there must be at least.
    pub(super) fn fixed(self) -> usize {
        if self.is_variadic() { self.0.len() - 2 } else { self.0.len() }
    }

    /// The type of the argument at `index`.
    pub(super) fn param(self, index: usize) -> Param {
        let letters = self.0.trim_end_matches('*').as_bytes();
        match letters.get(index.min(letters.len().saturating_sub(1))) {
            Some(b'v') => Param::Reflect,
            Some(b's') => Param::String,
            Some(b'i') => Param::Int,
            Some(b'f') => Param::Float,
            Some(b'b') => Param::Bool,
            Some(b'm') => Param::Map,
            Some(b't') => Param::Time,
            Some(b'u') => Param::Uint32,
            Some(b'l') => Param::List,
            Some(b'c') => Param::Certificate,
            _ => Param::Any,
        }
    }
}

/// A function's body. Arguments have been checked against the signature.
pub(super) type Body = fn(&Context, &[Value]) -> Result<Value, Fault>;

/// A function that templates can call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub signature: Signature,
    pub call: Body,
}

/// One row of a family's table.
type Row = (&'static str, &'static str, Body);

static FUNCTIONS: LazyLock<HashMap<&'static str, Function>> = LazyLock::new(|| {
    let families = [
        builtin::TABLE,
        case::TABLE,
        crypto::TABLE,
        date::TABLE,
        defaults::TABLE,
        dicts::TABLE,
        encoding::TABLE,
        helm::TABLE,
        lists::TABLE,
        lookup::TABLE,
        math::TABLE,
        paths::TABLE,
        random::TABLE,
        reflect::TABLE,
        regexes::TABLE,
        semver::TABLE,
        strings::TABLE,
        toml::TABLE,
        urls::TABLE,
    ];
    let rows = families.into_iter().flatten();
    rows.map(|(name, signature, call)| (*name, Function { signature: Signature(signature), call: *call })).collect()
});

pub(super) use crypto::CERTIFICATE;
pub(super) use defaults::{author_message, without_marks};
pub(super) use format::sprintf;
pub use lookup::Cluster;
pub(super) use paths::clean as paths_clean;

/// The present, for one render.
pub(super) fn now() -> date::Time {
    date::Time::now()
}

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.get(name)
}

/// Whether templates have the function that do not belong to a chart: those of Go and of Sprig.
pub(super) fn is_known_outside_of_charts(name: &str) -> bool {
    const CHARTS_ONLY: [&str; 11] = [
        "fromJsonArray",
        "fromToml",
        "fromYaml",
        "fromYamlArray",
        "include",
        "lookup",
        "required",
        "toToml",
        "toYaml",
        "toYamlPretty",
        "tpl",
    ];
    FUNCTIONS.contains_key(name) && !CHARTS_ONLY.contains(&name)
}

// Reading arguments. Signatures have been checked, so a wrong type here is a bug in a table.

fn wrong(expected: &str) -> Fault {
    format!("expected {expected}").into()
}

/// A string argument. Bytes that are not UTF-8 are refused rather than changed.
pub(super) fn text(value: &Value) -> Result<&str, Fault> {
    match value {
        Value::Str(text) => Ok(text),
        Value::Raw(_) => Err("text that is not UTF-8 is not supported here".into()),
        _ => Err(wrong("a string")),
    }
}

fn bytes(value: &Value) -> Result<&[u8], Fault> {
    value.bytes().ok_or_else(|| wrong("a string"))
}

fn int(value: &Value) -> Result<i64, Fault> {
    match value {
        Value::Int(value) => Ok(*value),
        _ => Err(wrong("an int")),
    }
}

fn boolean(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong("a bool")),
    }
}

/// A map argument; nil is Go's nil map.
fn map(value: &Value) -> Option<&Map> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::FUNCTIONS;

    /// Go's builtins, Sprig 3.3's `TxtFuncMap` without `env` and `expandenv`, and what Helm 3.22 adds.
    const HELM: &str = "
        abbrev abbrevboth add add1 add1f addf adler32sum ago all and any append atoi b32dec b32enc b64dec
        b64enc base bcrypt biggest buildCustomCert call camelcase cat ceil chunk clean coalesce compact
        concat contains date dateInZone dateModify date_in_zone date_modify decryptAES deepCopy deepEqual
        default derivePassword dict dig dir div divf duration durationRound empty encryptAES eq ext fail
        first float64 floor fromJson fromJsonArray fromToml fromYaml fromYamlArray ge genCA genCAWithKey
        genPrivateKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey get
        getHostByName gt has hasKey hasPrefix hasSuffix hello html htmlDate htmlDateInZone htpasswd include
        indent index initial initials int int64 isAbs join js kebabcase keys kindIs kindOf last le len list
        lookup lower lt max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk mustCompact
        mustDateModify mustDeepCopy mustFirst mustFromJson mustHas mustInitial mustLast mustMerge
        mustMergeOverwrite mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch
        mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice
        mustToDate mustToJson mustToPrettyJson mustToRawJson mustUniq mustWithout must_date_modify ne
        nindent nospace not now omit or osBase osClean osDir osExt osIsAbs pick pluck plural prepend print
        printf println push quote randAlpha randAlphaNum randAscii randBytes randInt randNumeric regexFind
        regexFindAll regexMatch regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit repeat
        replace required rest reverse round semver semverCompare seq set sha1sum sha256sum sha512sum shuffle
        slice snakecase sortAlpha split splitList splitn squote sub subf substr swapcase ternary title
        toDate toDecimal toJson toPrettyJson toRawJson toString toStrings toToml toYaml toYamlPretty tpl
        trim trimAll trimPrefix trimSuffix trimall trunc tuple typeIs typeIsLike typeOf uniq unixEpoch unset
        until untilStep untitle upper urlJoin urlParse urlquery uuidv4 values without wrap wrapWith
    ";

    #[test]
    fn there_is_every_function_that_helm_has_and_no_other() {
        let ours: BTreeSet<&str> = FUNCTIONS.keys().copied().collect();
        assert_eq!(ours, HELM.split_whitespace().collect::<BTreeSet<_>>());
    }

    #[test]
    fn every_function_is_compared_with_helm_in_a_fixture() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if root.join("Cargo.toml.orig").exists() {
            return; // A published package, which has no fixtures.
        }
        let fixtures = root.join("tests/fixtures/charts");
        let mut called = BTreeSet::new();
        for file in std::fs::read_dir(fixtures.join("snippets")).expect("the snippets") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|end| end == "txt") {
                let text = std::fs::read_to_string(&path).expect("a file of snippets");
                let actions = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let words = actions.flat_map(|action| action.split(|c| !is_name(c)));
                called.extend(words.map(str::to_owned));
            }
        }
        let forgotten: Vec<_> = FUNCTIONS.keys().filter(|name| !called.contains(**name)).collect();
        assert!(forgotten.is_empty(), "{forgotten:?}");
    }
}
