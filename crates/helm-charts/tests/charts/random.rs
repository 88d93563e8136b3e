//! Functions whose results differ in every render: what they give is checked for what it must be.

use std::net::IpAddr;

use helm_charts::{Archive, Chart};
use helm_charts_testing::compare::Case;
use x509_parser::pem::Pem;
use x509_parser::prelude::{GeneralName, X509Certificate};

/// The texts that expressions give, after what a template says first.
fn render(first: &str, expressions: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let templates = directory.path().join("templates");
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(directory.path().join("Chart.yaml"), "apiVersion: v2\nname: random\nversion: 1.0.0\n").unwrap();
    let template = format!("{first}out: {{{{ list {} | toJson }}}}\n", expressions.join(" "));
    std::fs::write(templates.join("out.yaml"), template).unwrap();
    let chart = Chart::parse(&Archive::open(directory.path()).unwrap()).unwrap();
    let printed = Case::new("random", "").ours(&chart).unwrap();
    let json = printed.lines().find_map(|line| line.strip_prefix("out: ")).unwrap();
    serde_json::from_str(json).unwrap()
}

fn parsed(pem: &str) -> Pem {
    Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap()
}

fn common_name<'a>(certificate: &'a X509Certificate<'_>) -> &'a str {
    certificate.subject().iter_common_name().next().unwrap().as_str().unwrap()
}

fn assert_valid_for(certificate: &X509Certificate<'_>, days: i64) {
    let validity = certificate.validity();
    let length = validity.not_after.timestamp() - validity.not_before.timestamp();
    assert_eq!(length, days * 24 * 60 * 60);
    assert!(validity.is_valid(), "{validity:?}");
}

fn assert_serves_and_asks(certificate: &X509Certificate<'_>, authority: bool) {
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment());
    assert_eq!(usage.key_cert_sign(), authority);
    let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && purposes.client_auth);
    assert_eq!(certificate.basic_constraints().unwrap().unwrap().value.ca, authority);
}

#[test]
fn certificates_carry_names_addresses_validity_and_their_signer() {
    let first = "{{- $ca := genCA \"an authority\" 365 }}
        {{- $leaf := genSignedCert \"leaf\" (list \"10.0.0.1\" \"::1\") (list \"a.example.com\" \"b\") 30 $ca }}
        {{- $own := genSelfSignedCert \"own\" nil nil 7 -}}
        ";
    let texts = render(first, &["$ca.Cert", "$ca.Key", "$leaf.Cert", "$leaf.Key", "$own.Cert", "$own.Key"]);
    let [authority, authority_key, leaf, leaf_key, own, own_key] = texts.as_slice() else { panic!("{texts:?}") };

    let authority_pem = parsed(authority);
    let authority = authority_pem.parse_x509().unwrap();
    assert_eq!(common_name(&authority), "an authority");
    assert_valid_for(&authority, 365);
    assert_serves_and_asks(&authority, true);
    authority.verify_signature(None).unwrap();

    let leaf_pem = parsed(leaf);
    let leaf = leaf_pem.parse_x509().unwrap();
    assert_eq!((common_name(&leaf), leaf.issuer()), ("leaf", authority.subject()));
    assert_valid_for(&leaf, 30);
    assert_serves_and_asks(&leaf, false);
    leaf.verify_signature(Some(authority.public_key())).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap().value;
    let shown = names.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress([a, b, c, d]) => IpAddr::from([*a, *b, *c, *d]).to_string(),
        GeneralName::IPAddress(bytes) => IpAddr::from(<[u8; 16]>::try_from(*bytes).unwrap()).to_string(),
        other => panic!("{other:?}"),
    });
    assert_eq!(shown.collect::<Vec<_>>(), ["a.example.com", "b", "10.0.0.1", "::1"]);

    let own_pem = parsed(own);
    let own = own_pem.parse_x509().unwrap();
    assert_valid_for(&own, 7);
    assert_eq!(own.subject_alternative_name().unwrap(), None);
    own.verify_signature(None).unwrap();

    for (certificate, key) in [(&authority, authority_key), (&leaf, leaf_key), (&own, own_key)] {
        assert_eq!(parsed(key).label, "RSA PRIVATE KEY");
        let pair = rcgen::KeyPair::from_pem(key).unwrap();
        assert_eq!(rcgen::PublicKeyData::subject_public_key_info(&pair), certificate.public_key().raw);
    }
    assert_ne!(authority.raw_serial(), leaf.raw_serial());
}

#[test]
fn keys_of_every_kind_sign() {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let first = format!("{{{{- $key := genPrivateKey {kind:?} }}}}{{{{ $ca := genCAWithKey \"ca\" 1 $key -}}}}\n");
        let texts = render(&first, &["$ca.Cert", "$ca.Key", "$key"]);
        assert_eq!(texts[1], texts[2], "{kind}");
        parsed(&texts[0]).parse_x509().unwrap().verify_signature(None).unwrap();
    }
}

#[test]
fn passwords_verify() {
    let texts = render("", &["(bcrypt \"secret\")", "(htpasswd \"user\" \"secret\")", "(bcrypt \"secret\")"]);
    let [hash, line, again] = texts.as_slice() else { panic!("{texts:?}") };
    assert!(hash.starts_with("$2a$10$") && hash != again);
    assert!(bcrypt::verify("secret", hash).unwrap());
    let (user, hash) = line.split_once(':').unwrap();
    assert!(user == "user" && bcrypt::verify("secret", hash).unwrap());
}

#[test]
fn random_text_has_its_length_and_its_alphabet() {
    type Allowed = fn(&u8) -> bool;
    let cases: [(&str, Allowed); 4] = [
        ("randAlphaNum", u8::is_ascii_alphanumeric),
        ("randAlpha", u8::is_ascii_alphabetic),
        ("randNumeric", u8::is_ascii_digit),
        ("randAscii", |byte| matches!(byte, b' '..=b'~')),
    ];
    for (function, allowed) in cases {
        let call = format!("({function} 200)");
        let texts = render("", &[&call, &call]);
        assert!(
            texts[0] != texts[1] && texts[0].len() == 200 && texts[0].bytes().all(|byte| allowed(&byte)),
            "{function}"
        );
    }
    let texts = render("", &["uuidv4", "(shuffle \"abcdefgh\")", "(randInt 3 5 | toString)", "(randBytes 9)"]);
    let [uuid, shuffled, number, bytes] = texts.as_slice() else { panic!("{texts:?}") };
    let form = uuid.split('-').map(str::len).collect::<Vec<_>>();
    assert_eq!((form, uuid.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'4'));
    let mut letters: Vec<char> = shuffled.chars().collect();
    letters.sort_unstable();
    assert_eq!(letters.iter().collect::<String>(), "abcdefgh");
    assert!(["3", "4"].contains(&number.as_str()) && bytes.len() == 12, "{number} {bytes}");
}
