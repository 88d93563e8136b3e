//! Values as Go templates see them: shared mutable maps, typed lists, Go's kinds and types, nil.
//! Never prints or compares them; see [`print`](super::print) and [`compare`](super::compare).

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::files::Files;

/// A Go value. Cloning is cheap; a cloned map is the same map, as in Go.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    /// Go's `int`: constants, lengths and indexes.
    Int(i64),
    /// Go's `int64`: what arithmetic returns.
    Int64(i64),
    /// A byte of a string.
    Uint8(u8),
    /// Numbers of a semantic version.
    Uint64(u64),
    /// Every number that came from YAML or JSON.
    Float(f64),
    /// The real and the imaginary part of a constant such as `1+2i`.
    Complex(f64, f64),
    Str(Arc<str>),
    /// A Go string that is not UTF-8: a binary file, or text that was cut.
    Raw(Arc<[u8]>),
    List(List),
    Map(Map),
    Struct(Rc<Struct>),
    Files(Rc<Files>),
    Time(super::functions::date::Time),
}

/// The element type of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Any,
    Str,
    Int,
    Byte,
    List,
    Map,
    /// Pointers to a named struct, such as `*chart.Maintainer`.
    Pointer(&'static str),
    /// `chartutil.VersionSet`, which has a method `Has`.
    VersionSet,
}

/// A slice. No template function changes one in place, so sharing needs no cell.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub element: Element,
    /// Go's nil slice: empty, but JSON `null`.
    pub is_nil: bool,
    pub items: Items,
}

/// The values of a slice, shared by all its clones.
#[derive(Debug, Clone)]
pub(super) struct Items(Rc<[Value]>);

impl std::ops::Deref for Items {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl From<Vec<Value>> for Items {
    fn from(items: Vec<Value>) -> Self {
        Self(items.into())
    }
}

/// Lists within lists are dropped one after the other: a template nests them deeper than any stack.
impl Drop for Items {
    fn drop(&mut self) {
        let mut nested = Vec::new();
        take_lists(self, &mut nested);
        while let Some(mut items) = nested.pop() {
            take_lists(&mut items, &mut nested);
        }
    }
}

/// Takes the lists out of a list that nobody else holds.
fn take_lists(items: &mut Items, lists: &mut Vec<Items>) {
    for item in Rc::get_mut(&mut items.0).into_iter().flatten() {
        if let Value::List(list) = item {
            lists.push(std::mem::replace(&mut list.items, Items(Rc::new([]))));
        }
    }
}

impl List {
    pub(super) fn new(items: Vec<Value>) -> Self {
        Self { element: Element::Any, is_nil: false, items: items.into() }
    }

    pub(super) fn typed(element: Element, items: Vec<Value>) -> Self {
        Self { element, is_nil: false, items: items.into() }
    }

    pub(super) fn nil(element: Element) -> Self {
        Self { element, is_nil: true, items: Vec::new().into() }
    }
}

/// The type of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapType {
    /// `map[string]interface {}`.
    Any,
    /// `chartutil.Values`: assignable to the former, but a type of its own.
    Values,
    /// `map[string]string`.
    Str,
}

/// A map, shared by all its clones.
#[derive(Debug, Clone)]
pub(super) struct Map {
    ty: MapType,
    entries: Rc<RefCell<BTreeMap<Arc<str>, Value>>>,
}

impl Map {
    pub(super) fn new(entries: BTreeMap<Arc<str>, Value>) -> Self {
        Self::typed(MapType::Any, entries)
    }

    pub(super) fn typed(ty: MapType, entries: BTreeMap<Arc<str>, Value>) -> Self {
        Self { ty, entries: Rc::new(RefCell::new(entries)) }
    }

    /// The same map under another type.
    pub(super) fn seen_as(&self, ty: MapType) -> Self {
        Self { ty, entries: self.entries.clone() }
    }

    pub(super) fn ty(&self) -> MapType {
        self.ty
    }

    pub(super) fn entries(&self) -> Ref<'_, BTreeMap<Arc<str>, Value>> {
        self.entries.borrow()
    }

    pub(super) fn get(&self, key: &str) -> Option<Value> {
        self.entries().get(key).cloned()
    }

    pub(super) fn set(&self, key: impl Into<Arc<str>>, value: Value) {
        // What it replaces is dropped after the map is free again: it may hold this very map.
        let replaced = self.entries.borrow_mut().insert(key.into(), value);
        drop(replaced);
    }

    pub(super) fn remove(&self, key: &str) -> Option<Value> {
        self.entries.borrow_mut().remove(key)
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    /// Drops all entries, so that maps which contain themselves can be freed.
    pub(super) fn clear(&self) {
        let entries = std::mem::take(&mut *self.entries.borrow_mut());
        drop(entries);
    }

    pub(super) fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }

    /// The zero value of the element type, which templates get for a key that is not there.
    pub(super) fn zero(&self) -> Value {
        match self.ty {
            MapType::Any | MapType::Values => Value::Nil,
            MapType::Str => Value::from(""),
        }
    }
}

/// A Go struct, or a pointer to one.
#[derive(Debug)]
pub(super) struct Struct {
    /// As `%T` prints it, without the `*`.
    pub type_name: &'static str,
    pub pointer: bool,
    pub fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub name: &'static str,
    /// The JSON name; empty for fields that JSON leaves out.
    pub json: &'static str,
    pub omit_empty: bool,
    pub value: Value,
}

impl Struct {
    /// The fields that JSON shows.
    pub(super) fn json_fields(&self) -> impl Iterator<Item = &Field> {
        let shown = |field: &&Field| !field.json.is_empty() && (!field.omit_empty || field.value.is_true());
        self.fields.iter().filter(shown)
    }

    /// What a struct that marshals itself as text shows instead of its fields.
    pub(super) fn json_text(&self) -> Option<&Value> {
        self.fields.iter().find(|field| field.name == "text").map(|field| &field.value)
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }
}

/// Go's `reflect.Kind`, as far as templates can meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint8,
    Uint64,
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
}

impl Kind {
    /// As `kindOf` prints it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Int64 => "int64",
            Kind::Uint8 => "uint8",
            Kind::Uint64 => "uint64",
            Kind::Float64 => "float64",
            Kind::Complex128 => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Struct => "struct",
            Kind::Pointer => "ptr",
        }
    }
}

impl Value {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Invalid,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Int64(_) => Kind::Int64,
            Value::Uint8(_) => Kind::Uint8,
            Value::Uint64(_) => Kind::Uint64,
            Value::Float(_) => Kind::Float64,
            Value::Complex(..) => Kind::Complex128,
            Value::Str(_) | Value::Raw(_) => Kind::String,
            Value::List(_) => Kind::Slice,
            Value::Map(_) | Value::Files(_) => Kind::Map,
            Value::Struct(value) if value.pointer => Kind::Pointer,
            Value::Struct(_) | Value::Time(_) => Kind::Struct,
        }
    }

    /// As `typeOf` prints it.
    pub(super) fn type_name(&self) -> String {
        let name = match self {
            Value::Nil => "<nil>",
            Value::List(list) => match list.element {
                Element::Any => "[]interface {}",
                Element::Str => "[]string",
                Element::Int => "[]int",
                Element::Byte => "[]uint8",
                Element::List => "[][]interface {}",
                Element::Map => "[]map[string]interface {}",
                Element::Pointer(name) => return format!("[]*{name}"),
                Element::VersionSet => "chartutil.VersionSet",
            },
            Value::Map(map) => match map.ty() {
                MapType::Any => "map[string]interface {}",
                MapType::Values => "chartutil.Values",
                MapType::Str => "map[string]string",
            },
            Value::Struct(value) if value.pointer => return format!("*{}", value.type_name),
            Value::Struct(value) => value.type_name,
            Value::Files(_) => "engine.files",
            Value::Time(_) => "time.Time",
            other => other.kind().name(),
        };
        name.to_owned()
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// The truth of `if`; also the opposite of sprig's `empty`, but for structs and nil pointers.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) | Value::Int64(value) => *value != 0,
            Value::Uint8(value) => *value != 0,
            Value::Uint64(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::Raw(bytes) => !bytes.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => map.len() > 0,
            Value::Files(files) => !files.is_empty(),
            Value::Struct(_) | Value::Time(_) => true,
        }
    }

    /// The bytes of a Go string.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Str(text) => Some(text.as_bytes()),
            Value::Raw(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A Go string of any bytes.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Value {
        match String::from_utf8(bytes) {
            Ok(text) => Value::Str(text.into()),
            Err(error) => Value::Raw(error.into_bytes().into()),
        }
    }

    /// A list of strings, Go's `[]string`.
    pub(super) fn strings<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
        Value::List(List::typed(Element::Str, items.into_iter().map(Into::into).collect()))
    }

    /// As `encoding/json` decodes into an `interface {}`: every number is a float64.
    pub(super) fn from_json(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Value::from(text.as_str()),
            serde_json::Value::Array(items) => Value::List(List::new(items.iter().map(Value::from_json).collect())),
            serde_json::Value::Object(entries) => Value::Map(map_from_json(entries)),
        }
    }
}

/// Merged values, in which a whole number is an int64.
pub(super) fn from_values(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Number(number) => number.as_i64().map_or_else(|| Value::from_json(json), Value::Int64),
        serde_json::Value::Array(items) => Value::List(List::new(items.iter().map(from_values).collect())),
        serde_json::Value::Object(entries) => {
            Value::Map(Map::new(entries.iter().map(|(key, value)| (key.as_str().into(), from_values(value))).collect()))
        }
        other => Value::from_json(other),
    }
}

/// As [`Value::from_json`], for an object.
pub(super) fn map_from_json(entries: &serde_json::Map<String, serde_json::Value>) -> Map {
    Map::new(entries.iter().map(|(key, value)| (key.as_str().into(), Value::from_json(value))).collect())
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Str(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Value::List(List::new(items))
    }
}
