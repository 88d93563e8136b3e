//! Tolerations: which tainted nodes the pods of a virtual cluster may use.
//!
//! Owns what Kubernetes says of a toleration (`ValidateTolerations` of its API machinery), the text by which one is stored and
//! vCluster is told of it, and what of the chart's values they are. The text is vCluster's own (`pkg/util/toleration`, the same in
//! 0.24 to 0.36): `key=value:effect`, `key:effect` for every value, nothing before or behind the colon for every key or effect.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::domain::metadata;
use crate::domain::node::{Effect, Taint};

/// A toleration of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The key of the taints. None: of every key, whatever its value.
    key: Option<String>,
    /// Their value. None: every value.
    value: Option<String>,
    /// Their effect. None: every one.
    effect: Option<Effect>,
    /// For how long a pod stays on a node that gets such a taint. None: as long as it likes.
    seconds: Option<i64>,
}

/// A toleration as somebody writes it. What is none, or empty, is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written<'a> {
    /// `key`
    pub key: Option<&'a str>,
    /// `operator`
    pub operator: Option<&'a str>,
    /// `value`
    pub value: Option<&'a str>,
    /// `effect`
    pub effect: Option<&'a str>,
    /// `toleration_seconds`
    pub seconds: Option<i64>,
}

/// What is wrong with a toleration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TolerationError {
    /// The key is none.
    #[error("{0}")]
    Key(String),
    /// Only `Exists` can go without a key.
    #[error("without a `key`, which means every taint, `operator` has to be \"Exists\"")]
    NoKey,
    /// Another operator.
    #[error("{0:?} is neither \"Equal\" nor \"Exists\"")]
    Operator(String),
    /// The value is none.
    #[error("{0}")]
    Value(String),
    /// A value where every value is meant.
    #[error("with the operator \"Exists\" every value is meant: leave `value` out, or use \"Equal\"")]
    ValueOfAll,
    /// Another effect.
    #[error("{0:?} is none of \"NoSchedule\", \"PreferNoSchedule\" and \"NoExecute\"")]
    Effect(String),
    /// Only pods that run are removed after a time.
    #[error("only pods that a taint removes stay for a time: `effect` has to be \"NoExecute\"")]
    Seconds,
    /// A time that is no whole number.
    #[error("write a whole number of seconds")]
    NotWhole,
}

impl TolerationError {
    /// The attribute that is to blame.
    pub fn attribute(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::NoKey | Self::Operator(_) => "operator",
            Self::Value(_) | Self::ValueOfAll => "value",
            Self::Effect(_) => "effect",
            Self::Seconds | Self::NotWhole => "toleration_seconds",
        }
    }
}

impl Toleration {
    /// The toleration that is written there.
    ///
    /// # Errors
    /// What Kubernetes would refuse.
    pub fn new(written: Written<'_>) -> Result<Self, TolerationError> {
        let said = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let (key, value) = (said(written.key), said(written.value));
        if let Some(Err(problem)) = key.as_ref().map(|key| metadata::check_selector(key, "")) {
            return Err(TolerationError::Key(problem.to_string()));
        }
        let value = match (said(written.operator).as_deref().unwrap_or("Equal"), value) {
            ("Exists", None) => None,
            ("Exists", Some(_)) => return Err(TolerationError::ValueOfAll),
            ("Equal", _) if key.is_none() => return Err(TolerationError::NoKey),
            ("Equal", value) => Some(value.unwrap_or_default()),
            (operator, _) => return Err(TolerationError::Operator(operator.to_owned())),
        };
        if let (Some(key), Some(value)) = (&key, &value) {
            metadata::check_selector(key, value).map_err(|problem| TolerationError::Value(problem.to_string()))?;
        }
        let effect = match said(written.effect) {
            Some(effect) => Some(effect.parse::<Effect>().map_err(|()| TolerationError::Effect(effect))?),
            None => None,
        };
        if written.seconds.is_some() && effect != Some(Effect::NoExecute) {
            return Err(TolerationError::Seconds);
        }
        Ok(Self { key, value, effect, seconds: written.seconds })
    }

    /// Whether pods may stay on a node with this taint. Those that have to go after a time may not.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.seconds.is_none()
            && self.key.as_ref().is_none_or(|key| *key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
            && self.effect.is_none_or(|effect| effect == taint.effect)
    }

    /// How it is written, with as little as possible.
    pub fn written(&self) -> Written<'_> {
        Written {
            key: self.key.as_deref(),
            operator: self.value.is_none().then_some("Exists"),
            value: self.value.as_deref().filter(|value| !value.is_empty()),
            effect: self.effect.map(Effect::name),
            seconds: self.seconds,
        }
    }

    /// As a pod has it.
    fn of_pod(&self) -> Value {
        let fields = [
            ("key", self.key.clone().map(Value::from)),
            ("operator", Some(Value::from(if self.value.is_some() { "Equal" } else { "Exists" }))),
            ("value", self.value.clone().filter(|value| !value.is_empty()).map(Value::from)),
            ("effect", self.effect.map(|effect| Value::from(effect.name()))),
            ("tolerationSeconds", self.seconds.map(Value::from)),
        ];
        let set = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(set.collect::<Map<_, _>>())
    }
}

/// The values of the chart by which the control plane has these tolerations, a deployed etcd too, and every pod that vCluster
/// makes on the host. vCluster cannot be told of a time, so that what has one is the control plane's alone.
pub fn chart_values(tolerations: &[Toleration]) -> Value {
    let of_pod: Vec<Value> = tolerations.iter().map(Toleration::of_pod).collect();
    let enforced: Vec<String> =
        tolerations.iter().filter(|toleration| toleration.seconds.is_none()).map(Toleration::to_string).collect();
    let scheduling = json!({ "scheduling": { "tolerations": of_pod } });
    json!({
        "controlPlane": {
            "statefulSet": scheduling,
            "backingStore": { "etcd": { "deploy": { "statefulSet": scheduling } } },
        },
        "sync": { "toHost": { "pods": { "enforceTolerations": enforced } } },
    })
}

impl fmt::Display for Toleration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, effect, seconds } = self;
        if let (None, None, None) = (key, effect, seconds) {
            return f.write_str("*");
        }
        f.write_str(key.as_deref().unwrap_or_default())?;
        if let Some(value) = value {
            write!(f, "={value}")?;
        }
        write!(f, ":{}", effect.map(Effect::name).unwrap_or_default())?;
        match seconds {
            Some(seconds) => write!(f, ":{seconds}"),
            None => Ok(()),
        }
    }
}

/// A text that is no toleration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no toleration")]
pub struct Malformed(String);

impl FromStr for Toleration {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed(text.to_owned());
        let (taint, rest) = if text == "*" { ("", "") } else { text.split_once(':').ok_or_else(malformed)? };
        let (key, value) = taint.split_once('=').map_or((taint, None), |(key, value)| (key, Some(value)));
        let (effect, seconds) = rest.split_once(':').map_or((rest, None), |(effect, seconds)| (effect, Some(seconds)));
        let seconds = seconds.map(|seconds| seconds.parse().map_err(|_| malformed())).transpose()?;
        let operator = Some(if value.is_some() { "Equal" } else { "Exists" });
        let written = Written { key: Some(key), operator, value, effect: Some(effect), seconds };
        Self::new(written).map_err(|_| malformed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node::tests::taint;

    fn written<'a>(key: &'a str, operator: &'a str, value: &'a str, effect: &'a str) -> Written<'a> {
        Written { key: Some(key), operator: Some(operator), value: Some(value), effect: Some(effect), seconds: None }
    }

    #[track_caller]
    fn check(given: Written<'_>, expected: Result<&str, (&str, &str)>) {
        match (Toleration::new(given), expected) {
            (Ok(toleration), Ok(text)) => {
                assert_eq!(toleration.to_string(), text);
                assert_eq!(text.parse(), Ok(toleration.clone()), "the text says all of it");
                assert_eq!(Toleration::new(toleration.written()), Ok(toleration));
            }
            (Err(error), Err((attribute, part))) => {
                assert_eq!(error.attribute(), attribute, "{error}");
                assert!(error.to_string().contains(part), "{error} does not say {part:?}");
            }
            (actual, _) => panic!("{given:?}: {actual:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_kubernetes_takes_has_one_text() {
        check(written("dedicated", "Equal", "tenants", "NoSchedule"), Ok("dedicated=tenants:NoSchedule"));
        check(written("dedicated", "", "tenants", ""), Ok("dedicated=tenants:"));
        check(written("dedicated", "", "", "NoExecute"), Ok("dedicated=:NoExecute"));
        check(written("example.com/gpu", "Exists", "", "PreferNoSchedule"), Ok("example.com/gpu:PreferNoSchedule"));
        check(written("gpu", "Exists", "", ""), Ok("gpu:"));
        check(written("", "Exists", "", "NoSchedule"), Ok(":NoSchedule"));
        check(written("", "Exists", "", ""), Ok("*"));
        check(Written { operator: Some("Exists"), ..Written::default() }, Ok("*"));
        check(Written { seconds: Some(300), ..written("gone", "Exists", "", "NoExecute") }, Ok("gone:NoExecute:300"));
        check(Written { seconds: Some(-1), ..written("a", "", "b", "NoExecute") }, Ok("a=b:NoExecute:-1"));
    }

    #[test]
    fn what_kubernetes_refuses_is_said_with_its_attribute() {
        check(written("a b", "Exists", "", ""), Err(("key", "not a valid key")));
        check(written("", "Equal", "a", ""), Err(("operator", "has to be \"Exists\"")));
        check(Written::default(), Err(("operator", "without a `key`")));
        check(written("a", "Gt", "1", ""), Err(("operator", "\"Gt\" is neither")));
        check(written("a", "exists", "", ""), Err(("operator", "neither \"Equal\" nor")));
        check(written("a", "Equal", "a b", ""), Err(("value", "not a valid value")));
        check(written("a", "Exists", "b", ""), Err(("value", "leave `value` out")));
        check(written("a", "Equal", "b", "noSchedule"), Err(("effect", "none of \"NoSchedule\"")));
        let timed = Written { seconds: Some(1), ..written("a", "Equal", "b", "NoSchedule") };
        check(timed, Err(("toleration_seconds", "has to be \"NoExecute\"")));
        check(Written { effect: None, ..timed }, Err(("toleration_seconds", "NoExecute")));
    }

    #[test]
    fn a_text_of_another_form_is_none() {
        for text in ["", "a", "a=b", "a:b", "a=b=c:", "a:NoExecute:soon", "a:NoSchedule:1", "=b:", "a b:"] {
            assert_eq!(text.parse::<Toleration>(), Err(Malformed(text.to_owned())));
        }
    }

    #[track_caller]
    fn check_tolerates(toleration: &str, expected: [bool; 4]) {
        let toleration: Toleration = toleration.parse().unwrap();
        let gone = Taint { effect: Effect::NoExecute, ..taint("gpu", "a") };
        let taints = [taint("gpu", "a"), taint("gpu", ""), taint("spot", "a"), gone];
        assert_eq!(taints.map(|taint| toleration.tolerates(&taint)), expected, "{toleration}");
    }

    #[test]
    fn a_taint_is_tolerated_by_key_value_and_effect() {
        check_tolerates("*", [true; 4]);
        check_tolerates(":NoExecute", [false, false, false, true]);
        check_tolerates("gpu:", [true, true, false, true]);
        check_tolerates("gpu:NoSchedule", [true, true, false, false]);
        check_tolerates("gpu=a:", [true, false, false, true]);
        check_tolerates("gpu=:NoSchedule", [false, true, false, false]);
        check_tolerates("gpu:NoExecute:300", [false; 4]);
    }

    #[test]
    fn the_control_plane_has_all_of_them_and_vcluster_is_told_what_it_understands() {
        let tolerations = ["gpu=a:NoSchedule", "*", "gone:NoExecute:60"].map(|text| text.parse().unwrap());
        let values = chart_values(&tolerations);
        let of_pod = json!([
            { "key": "gpu", "operator": "Equal", "value": "a", "effect": "NoSchedule" },
            { "operator": "Exists" },
            { "key": "gone", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60 },
        ]);
        let at = |path: &str| values.pointer(path).cloned().unwrap();
        assert_eq!(at("/controlPlane/statefulSet/scheduling/tolerations"), of_pod);
        assert_eq!(at("/controlPlane/backingStore/etcd/deploy/statefulSet/scheduling/tolerations"), of_pod);
        assert_eq!(at("/sync/toHost/pods/enforceTolerations"), json!(["gpu=a:NoSchedule", "*"]));
    }
}
