//! A small provider behind the real server: one resource, data source and function that do what a test asks of them.
//!
//! The resource's attribute `behaviour` says what becomes of a call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::json;
use terraform_plugin::Registry;
use terraform_plugin::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, FunctionSchema, Parameter, Schema, Type,
};
use terraform_plugin::value::{Value, ValueList, ValueMap, ValueNumber, ValueString};
use terraform_plugin::{
    AttributePath, DataSource, DeferReason, Diagnostic, Diagnostics, Function, Provider, Replacement, Report, Resource,
    StateUpgrade, WriteOnly, async_trait, defer, deferral_allowed, diagnostic, stop_token,
};
use tokio::sync::Notify;

/// What no diagnostic and no log may ever show.
pub const SECRET: &str = "swordfish";

/// What happens in the provider.
#[derive(Clone, Default)]
pub struct Events {
    /// What it was configured with last.
    pub configured: Arc<Mutex<Option<Value<String>>>>,
    /// Told of each call that begins to wait.
    pub waiting: Arc<Notify>,
}

pub fn registry(events: &Events) -> Registry {
    Registry::new(Fixture(events.clone()))
        .resource("fixture_thing", Thing(events.clone()))
        .data_source("fixture_echo", Echo)
        .function("join", Join)
}

fn attribute(attr_type: AttributeType, constraint: AttributeConstraint) -> Attribute {
    Attribute { attr_type, constraint, description: "For tests.".into(), ..Default::default() }
}

fn block(attributes: impl IntoIterator<Item = (&'static str, Attribute)>) -> Block {
    let attributes = attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect();
    Block { attributes, description: "For tests.".into(), ..Default::default() }
}

struct Fixture(Events);

#[derive(Serialize, Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    endpoint: ValueString<'a>,
}

#[async_trait]
impl Provider for Fixture {
    type Config<'a> = Config<'a>;
    type MetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        let endpoint = attribute(AttributeType::String, AttributeConstraint::Optional);
        Some(Schema { version: 0, block: block([("endpoint", endpoint)]) })
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: Config<'a>) -> Option<()> {
        if config.endpoint.as_str() == "wrong" {
            diags.fail(AttributePath::new("endpoint"), "Wrong endpoint", "Give another.");
        }
        Some(())
    }

    async fn configure<'a>(&self, _: &mut Diagnostics, _: String, config: Config<'a>) -> Option<()> {
        *self.0.configured.lock().unwrap() = Some(config.endpoint.map(Cow::into_owned));
        Some(())
    }
}

struct Thing(Events);

#[derive(Clone, Serialize, Deserialize)]
struct ThingState<'a> {
    #[serde(borrow)]
    id: ValueString<'a>,
    #[serde(borrow)]
    name: ValueString<'a>,
    #[serde(borrow)]
    behaviour: ValueString<'a>,
    size: ValueNumber,
    #[serde(borrow)]
    tags: ValueList<ValueString<'a>>,
    #[serde(borrow)]
    options: Value<Options<'a>>,
    #[serde(borrow)]
    hosts: ValueMap<'a, Value<Host>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Options<'a> {
    #[serde(borrow)]
    mode: ValueString<'a>,
    #[serde(borrow)]
    password: ValueString<'a>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Host {
    weight: ValueNumber,
}

/// Counts the changes that the resource has seen.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Private {
    changes: u32,
}

impl Private {
    fn next(self) -> Self {
        Self { changes: self.changes + 1 }
    }
}

impl Thing {
    /// As [`behave`], or waits for a stop.
    async fn behave(&self, diags: &mut Diagnostics, behaviour: &str) -> bool {
        let stop = stop_token();
        match behaviour {
            "wait" => {
                assert!(!stop.is_cancelled(), "stopped before it began");
                self.0.waiting.notify_one();
                stop.cancelled().await;
                diags.fail(AttributePath::root(), "Stopped", "As asked.");
                false
            }
            "ignore stops" => {
                self.0.waiting.notify_one();
                std::future::pending().await
            }
            _ => behave(diags, behaviour).await,
        }
    }
}

/// Does what `behaviour` asks of a call; whether there is a result.
async fn behave(diags: &mut Diagnostics, behaviour: &str) -> bool {
    let fail = |diags: &mut Diagnostics| diags.fail(AttributePath::root(), "It failed", "As asked.");
    match behaviour {
        "panic" => panic!("the password is {SECRET}"),
        "fail" => {
            fail(diags);
            false
        }
        "fail with state" => {
            fail(diags);
            true
        }
        "no reason" => false,
        _ => true,
    }
}

#[async_trait]
impl Resource for Thing {
    type State<'a> = ThingState<'a>;
    type PrivateState<'a> = Private;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        use AttributeConstraint::{Computed, Optional, Required};
        let nested = |attributes: Vec<(&'static str, Attribute)>| block(attributes).attributes;
        let password = Attribute { sensitive: true, ..attribute(AttributeType::String, Optional) };
        let options = nested(vec![("mode", attribute(AttributeType::String, Optional)), ("password", password)]);
        let hosts = nested(vec![("weight", attribute(AttributeType::Number, Optional))]);
        let attributes = [
            ("id", attribute(AttributeType::String, Computed)),
            ("name", attribute(AttributeType::String, Required)),
            ("behaviour", attribute(AttributeType::String, Optional)),
            ("size", attribute(AttributeType::Number, Optional)),
            ("tags", attribute(AttributeType::List(Box::new(AttributeType::String)), Optional)),
            ("options", attribute(AttributeType::AttributeSingle(options), Optional)),
            ("hosts", attribute(AttributeType::AttributeMap(hosts), Optional)),
        ];
        Some(Schema { version: 2, block: block(attributes) })
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: ThingState<'a>) -> Option<()> {
        if config.size.is_value() && config.size.unwrap() < 0 {
            diags.fail(AttributePath::new("size"), "Too small", "At least 0.");
            diags.warn(AttributePath::new("hosts").key("eu").attribute("weight"), "Odd", "");
        }
        self.behave(diags, &config.behaviour).await.then_some(())
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        state: ThingState<'a>,
        private: Private,
        (): (),
    ) -> Option<(ThingState<'a>, Private)> {
        match state.behaviour.as_str() {
            "gone" => return None,
            "defer" => {
                defer(DeferReason::AbsentPrerequisite);
                return None;
            }
            _ => {}
        }
        self.behave(diags, &state.behaviour).await.then_some((state, private))
    }

    async fn plan_create<'a>(
        &self,
        _: &mut Diagnostics,
        proposed: ThingState<'a>,
        config: ThingState<'a>,
        (): (),
    ) -> Option<(ThingState<'a>, Private)> {
        if config.name.is_unknown() && deferral_allowed() {
            defer(DeferReason::ResourceConfigUnknown);
            return None;
        }
        Some((ThingState { id: Value::Unknown, ..proposed }, Private::default()))
    }

    async fn plan_update<'a>(
        &self,
        _: &mut Diagnostics,
        prior: ThingState<'a>,
        proposed: ThingState<'a>,
        _: ThingState<'a>,
        private: Private,
        (): (),
    ) -> Option<(ThingState<'a>, Private, Vec<AttributePath>)> {
        let replace = if prior.name == proposed.name { vec![] } else { vec![AttributePath::new("name")] };
        Some((proposed, private, replace))
    }

    async fn plan_destroy<'a>(
        &self,
        _: &mut Diagnostics,
        _: ThingState<'a>,
        private: Private,
        (): (),
    ) -> Option<Private> {
        Some(private.next())
    }

    async fn create<'a>(
        &self,
        diags: &mut Diagnostics,
        planned: ThingState<'a>,
        _: ThingState<'a>,
        private: Private,
        (): (),
    ) -> Option<(ThingState<'a>, Private)> {
        let done = self.behave(diags, &planned.behaviour).await;
        done.then(|| (ThingState { id: "created".into(), ..planned }, private.next()))
    }

    async fn update<'a>(
        &self,
        diags: &mut Diagnostics,
        _: ThingState<'a>,
        planned: ThingState<'a>,
        _: ThingState<'a>,
        private: Private,
        (): (),
    ) -> Option<(ThingState<'a>, Private)> {
        self.behave(diags, &planned.behaviour).await.then(|| (planned.clone(), private.next()))
    }

    async fn destroy<'a>(&self, diags: &mut Diagnostics, prior: ThingState<'a>, _: Private, (): ()) -> Option<()> {
        self.behave(diags, &prior.behaviour).await.then_some(())
    }

    async fn import<'a>(&self, diags: &mut Diagnostics, id: String) -> Option<(ThingState<'a>, Private)> {
        if id == "missing" {
            diags.fail(AttributePath::root(), "There is no such thing", "");
            return None;
        }
        let state = ThingState {
            id: id.into(),
            name: "imported".into(),
            behaviour: Value::Null,
            size: Value::Null,
            tags: Value::Null,
            options: Value::Null,
            hosts: Value::Value(BTreeMap::new()),
        };
        Some((state, Private::default()))
    }
}

impl WriteOnly for Thing {}

impl Replacement for Thing {}

impl StateUpgrade for Thing {
    /// Version 1 called the name `title`. Version 0 is not known any more.
    fn upgrade_state(&self, version: i64, mut state: serde_json::Value) -> Result<serde_json::Value, Diagnostic> {
        if version != 1 {
            return Err(diagnostic(AttributePath::root(), "Too old", ""));
        }
        state["name"] = std::mem::replace(&mut state["title"], json!(null));
        Ok(state)
    }
}

struct Echo;

#[derive(Serialize, Deserialize)]
struct EchoState<'a> {
    #[serde(borrow)]
    said: ValueString<'a>,
    #[serde(borrow)]
    heard: ValueString<'a>,
}

#[async_trait]
impl DataSource for Echo {
    type State<'a> = EchoState<'a>;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<Schema> {
        use AttributeConstraint::{Computed, Required};
        let said = attribute(AttributeType::String, Required);
        let heard = attribute(AttributeType::String, Computed);
        Some(Schema { version: 0, block: block([("said", said), ("heard", heard)]) })
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: EchoState<'a>) -> Option<()> {
        behave(diags, &config.said).await.then_some(())
    }

    async fn read<'a>(&self, diags: &mut Diagnostics, config: EchoState<'a>, (): ()) -> Option<EchoState<'a>> {
        if config.said.as_str() == "defer" {
            defer(DeferReason::ProviderConfigUnknown);
            return None;
        }
        let heard = config.said.clone();
        behave(diags, &config.said).await.then_some(EchoState { heard, ..config })
    }
}

/// `join(separator, parts...)`.
struct Join;

#[async_trait]
impl Function for Join {
    type Input<'a> = Vec<String>;
    type Output<'a> = String;

    fn schema(&self, _: &mut Diagnostics) -> Option<FunctionSchema> {
        let parameter =
            |name: &str| Parameter { name: name.to_owned(), param_type: Type::String, ..Default::default() };
        Some(FunctionSchema {
            parameters: vec![parameter("separator")],
            variadic: Some(parameter("parts")),
            return_type: Type::String,
            summary: "Joins strings".to_owned(),
            ..Default::default()
        })
    }

    async fn call<'a>(&self, diags: &mut Diagnostics, arguments: Vec<String>) -> Option<String> {
        if arguments[1..].iter().any(|part| part == "panic") {
            behave(diags, "panic").await;
        }
        if arguments[0].is_empty() {
            diags.fail(AttributePath::function_argument(0), "The separator is empty", "Give one.");
        }
        Some(arguments[1..].join(&arguments[0]))
    }
}
