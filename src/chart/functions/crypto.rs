//! Keys, certificates and passwords: not built yet. Their results differ with every render, so a chart that needs
//! them could not be planned; each is an error that names the function.

use super::Row;
use super::helm::unsupported;

pub(super) const TABLE: &[Row] = &[
    ("bcrypt", "s", |_, _| unsupported("bcrypt")),
    ("htpasswd", "ss", |_, _| unsupported("htpasswd")),
    ("genPrivateKey", "s", |_, _| unsupported("genPrivateKey")),
    ("derivePassword", "issss", |_, _| unsupported("derivePassword")),
    ("buildCustomCert", "ss", |_, _| unsupported("buildCustomCert")),
    ("genCA", "si", |_, _| unsupported("genCA")),
    ("genCAWithKey", "sis", |_, _| unsupported("genCAWithKey")),
    ("genSelfSignedCert", "saai", |_, _| unsupported("genSelfSignedCert")),
    ("genSelfSignedCertWithKey", "saais", |_, _| unsupported("genSelfSignedCertWithKey")),
    ("genSignedCert", "saaia", |_, _| unsupported("genSignedCert")),
    ("genSignedCertWithKey", "saaias", |_, _| unsupported("genSignedCertWithKey")),
    ("encryptAES", "ss", |_, _| unsupported("encryptAES")),
    ("decryptAES", "ss", |_, _| unsupported("decryptAES")),
];
