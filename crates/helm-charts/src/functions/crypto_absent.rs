//! The functions of `crypto` in a build without it: a template that calls one ends in an error that says so.

use super::super::limits::Fault;
use super::super::value::Value;
use super::{Context, Row};

pub(crate) const CERTIFICATE: &str = "sprig.certificate";

pub(super) const TABLE: &[Row] = &[
    ("bcrypt", "s", absent),
    ("htpasswd", "ss", absent),
    ("genPrivateKey", "s", absent),
    ("derivePassword", "ussss", absent),
    ("buildCustomCert", "ss", absent),
    ("genCA", "si", absent),
    ("genCAWithKey", "sis", absent),
    ("genSelfSignedCert", "slli", absent),
    ("genSelfSignedCertWithKey", "sllis", absent),
    ("genSignedCert", "sllic", absent),
    ("genSignedCertWithKey", "sllics", absent),
    ("encryptAES", "ss", absent),
    ("decryptAES", "ss", absent),
];

fn absent(_: &Context, _: &[Value]) -> Result<Value, Fault> {
    Err("this function is not supported: helm-charts was built without its feature crypto".into())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::now;
    use super::*;
    use crate::limits::Budget;

    #[test]
    fn a_call_ends_in_an_error_that_names_the_feature() {
        let context = Context { budget: Budget::default(), cluster: None, now: now(), maps: RefCell::default() };
        for (name, _, call) in TABLE {
            let error = call(&context, &[]).unwrap_err();
            assert!(error.0.ends_with("without its feature crypto"), "{name}: {error:?}");
        }
    }
}
