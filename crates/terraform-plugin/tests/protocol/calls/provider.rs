//! The provider: metadata, schemas, configuration, diagnostics, data sources and functions.

use rmpv::Value;

use super::fixture::SECRET;
use super::{Terraform, summaries, thing};
use terraform_plugin_client::tf6::attribute_path::step::Selector;
use terraform_plugin_client::tf6::diagnostic::Severity;
use terraform_plugin_client::tf6::{
    Diagnostic, call_function, configure_provider, get_functions, get_metadata, get_provider_schema,
    get_resource_identity_schemas, read_data_source, schema, validate_data_resource_config, validate_provider_config,
    validate_resource_config,
};
use terraform_plugin_client::values::{
    NULL, dynamic, object, sorted, text, unknown, unknown_but_not_null, value, with,
};

#[tokio::test]
async fn metadata_names_everything() {
    let terraform = Terraform::start().await;
    let metadata = terraform.provider().get_metadata(get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.resources[0].type_name, "fixture_thing");
    assert_eq!(metadata.data_sources[0].type_name, "fixture_echo");
    assert_eq!(metadata.functions[0].name, "join");
    let request = get_resource_identity_schemas::Request {};
    let identities = terraform.provider().get_resource_identity_schemas(request).await.unwrap().into_inner();
    assert!(identities.identity_schemas.is_empty() && identities.diagnostics.is_empty());
}

#[tokio::test]
async fn nested_attributes_have_a_nested_type_and_no_type() {
    let terraform = Terraform::start().await;
    let request = get_provider_schema::Request {};
    let schemas = terraform.provider().get_provider_schema(request).await.unwrap().into_inner();
    assert_eq!(schemas.diagnostics, []);
    assert_eq!(schemas.provider_meta, None);
    let schema = &schemas.resource_schemas["fixture_thing"];
    assert_eq!(schema.version, 2);
    let attributes = &schema.block.as_ref().unwrap().attributes;
    let names: Vec<_> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["behaviour", "hosts", "id", "name", "options", "size", "tags"]);
    for attribute in attributes {
        let nested = match attribute.name.as_str() {
            "hosts" => Some(schema::object::NestingMode::Map),
            "options" => Some(schema::object::NestingMode::Single),
            _ => None,
        };
        assert_eq!(attribute.nested_type.as_ref().map(schema::Object::nesting), nested, "{}", attribute.name);
        assert_eq!(attribute.r#type.is_empty(), nested.is_some(), "{}", attribute.name);
    }
    assert_eq!(attributes[6].r#type, r#"["list","string"]"#);
    let functions = terraform.provider().get_functions(get_functions::Request {}).await.unwrap().into_inner();
    assert_eq!(functions.functions, schemas.functions);
    assert_eq!(functions.functions["join"].r#return.as_ref().unwrap().r#type, r#""string""#);
}

#[tokio::test]
async fn provider_configuration_is_validated_and_may_be_unknown() {
    let terraform = Terraform::start().await;
    let validate = async |endpoint| {
        let config = dynamic(&object([("endpoint", endpoint)]));
        let request = validate_provider_config::Request { config };
        terraform.provider().validate_provider_config(request).await.unwrap().into_inner().diagnostics
    };
    assert_eq!(summaries(&validate(text("right")).await), [""; 0]);
    assert_eq!(summaries(&validate(text("wrong")).await), ["Wrong endpoint"]);
    for endpoint in [unknown(), unknown_but_not_null()] {
        let config = dynamic(&object([("endpoint", endpoint)]));
        let request = configure_provider::Request { config, ..Default::default() };
        let answer = terraform.provider().configure_provider(request).await.unwrap().into_inner();
        assert_eq!(answer.diagnostics, []);
        assert!(terraform.events.configured.lock().unwrap().take().unwrap().is_unknown());
    }
}

#[tokio::test]
async fn diagnostics_carry_their_attributes_path() {
    let terraform = Terraform::start().await;
    let config = dynamic(&with(&thing(), [("size", Value::from(-1))]));
    let request =
        validate_resource_config::Request { type_name: "fixture_thing".to_owned(), config, ..Default::default() };
    let diagnostics = terraform.provider().validate_resource_config(request).await.unwrap().into_inner().diagnostics;
    let [error, warning] = &diagnostics[..] else { panic!("{diagnostics:?}") };
    assert_eq!((error.severity(), warning.severity()), (Severity::Error, Severity::Warning));
    let steps = |diagnostic: &Diagnostic| -> Vec<Selector> {
        let path = diagnostic.attribute.clone().unwrap();
        path.steps.into_iter().map(|step| step.selector.unwrap()).collect()
    };
    let name = |name: &str| Selector::AttributeName(name.to_owned());
    assert_eq!(steps(error), [name("size")]);
    assert_eq!(steps(warning), [name("hosts"), Selector::ElementKeyString("eu".to_owned()), name("weight")]);
}

#[tokio::test]
async fn value_of_another_type_is_an_error_on_its_attribute_that_does_not_quote_it() {
    let terraform = Terraform::start().await;
    let wrong = object([("mode", Value::from(1)), ("password", text(SECRET))]);
    for (name, wrong) in [("options", wrong), ("size", text(SECRET)), ("size", Value::from(0.5))] {
        let planned = terraform.plan(&NULL, &with(&thing(), [(name, wrong)])).await;
        let [error] = &planned.diagnostics[..] else { panic!("{:?}", planned.diagnostics) };
        let step = error.attribute.as_ref().unwrap().steps[0].selector.clone();
        assert_eq!(step, Some(Selector::AttributeName(name.to_owned())));
        assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    }
}

#[tokio::test]
async fn data_source_is_validated_and_read() {
    let terraform = Terraform::start().await;
    let config = |said| dynamic(&object([("said", text(said)), ("heard", NULL)]));
    let type_name = || "fixture_echo".to_owned();
    let request = validate_data_resource_config::Request { type_name: type_name(), config: config("fail") };
    let invalid = terraform.provider().validate_data_resource_config(request).await.unwrap().into_inner();
    assert_eq!(summaries(&invalid.diagnostics), ["It failed"]);
    let request = read_data_source::Request { type_name: type_name(), config: config("hello"), ..Default::default() };
    let read = terraform.provider().read_data_source(request).await.unwrap().into_inner();
    assert_eq!(value(&read.state), sorted(object([("said", text("hello")), ("heard", text("hello"))])));
}

#[tokio::test]
async fn function_is_called_and_names_the_argument_it_refuses() {
    let terraform = Terraform::start().await;
    let call = async |arguments: &[Value]| {
        let arguments = arguments.iter().filter_map(dynamic).collect();
        let request = call_function::Request { name: "join".to_owned(), arguments };
        terraform.provider().call_function(request).await.unwrap().into_inner()
    };
    let joined = call(&[text("-"), text("a"), text("b")]).await;
    assert_eq!((value(&joined.result), joined.error), (text("a-b"), None));
    let refused = call(&[text(""), text("a")]).await.error.unwrap();
    assert_eq!((refused.text.as_str(), refused.function_argument), ("The separator is empty\nGive one.", Some(0)));
    let wrong = call(&[text("-"), text("a"), Value::from(7)]).await.error.unwrap();
    assert_eq!(wrong.function_argument, Some(2));
    let panicked = call(&[text("-"), text("panic")]).await.error.unwrap();
    assert!(panicked.text.contains("bug") && !panicked.text.contains(SECRET), "{}", panicked.text);
}
